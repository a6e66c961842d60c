"""Registry logins as the Docker command line keeps them.

Facts from Docker's own documentation of `docker login` ("Credential stores", "Credential helpers") and from the
protocol of docker-credential-helpers: `docker-credential-X get` reads the server from stdin and answers with JSON
`{"ServerURL","Username","Secret"}`; on failure it says why on stdout and exits with 1.
"""

import base64
import binascii
import os
import re
from typing import Final

import msgspec

from lastgood.effects.files import LocalFiles
from lastgood.model.command import Command, Completed
from lastgood.model.text import sanitise
from lastgood.ports import Files, Process

_HUB: Final = "https://index.docker.io/v1/"
_NOT_FOUND: Final = "credentials not found in native keychain"
_TIMEOUT: Final = 5.0
_WHERE: Final = 'printf %s "${DOCKER_CONFIG:-$HOME/.docker}"'


class _Auth(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _DockerConfig(msgspec.Struct):
    auths: dict[str, _Auth] = {}
    cred_helpers: dict[str, str] = msgspec.field(default_factory=dict, name="credHelpers")
    creds_store: str = msgspec.field(default="", name="credsStore")


class _Answer(msgspec.Struct):
    username: str = msgspec.field(name="Username")
    secret: str = msgspec.field(name="Secret")


class DockerCredentials:
    """Implements `ports.Credentials` from `config.json` in Docker's configuration folder, read when first asked.

    The folder is on `host` and read by `files`; its credential helpers run there too. Without a `config_dir` the host
    is asked for it.

    A login that is configured and cannot be had raises OSError: taken for "no login" it would make private images
    look as if they were refused or gone.
    """

    def __init__(self, process: Process, config_dir: str = "", files: Files | None = None, host: str = "local") -> None:
        self._process = process
        self._config_dir = config_dir
        self._files = files or LocalFiles()
        self._host = host
        self._config: _DockerConfig | None = None
        self._found: dict[str, str | None] = {}

    def basic(self, host: str) -> str | None:
        """The Basic `Authorization` header's value for `host` (`ghcr.io`, `docker.io`), None where no login is kept.

        Raises OSError, with the reason as its text, where the configuration or the credential helper fails.
        """
        if host not in self._found:
            self._found[host] = self._look(_HUB if host == "docker.io" else host)
        return self._found[host]

    def _look(self, server: str) -> str | None:
        """Docker's own order: the server's helper, then the general store, then the file itself."""
        config = self._read()
        helper = config.cred_helpers.get(server) or config.creds_store
        if helper:
            return self._ask(helper, server)
        return next((_kept(auth, server) for key, auth in config.auths.items() if _same(key, server)), None)

    def _read(self) -> _DockerConfig:
        if self._config is None:
            path = f"{self._config_dir or self._folder()}/config.json"
            try:
                content = self._files.read(path)
                self._config = msgspec.json.decode(b"{}" if content is None else content, type=_DockerConfig)
            except (OSError, msgspec.MsgspecError) as error:
                # The decoder names places, never values, so no secret is in its text.
                raise OSError(f"Docker's configuration {path} cannot be read: {error}") from error
        return self._config

    def _folder(self) -> str:
        asked = self._process.run(Command(("sh", "-c", _WHERE), host=self._host, timeout=_TIMEOUT))
        if not asked.ok:
            raise OSError(f"Docker's configuration on {self._host} cannot be found: {asked.why()}")
        return os.fsdecode(asked.stdout)

    def _ask(self, helper: str, server: str) -> str | None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", helper):
            raise OSError(f"credential helper {helper!r} has no proper name")
        argv = (f"docker-credential-{helper}", "get")
        command = Command(argv, host=self._host, stdin=server.encode(), timeout=_TIMEOUT)
        completed = self._process.run(command)
        if not completed.ok:
            if completed.text.strip() == _NOT_FOUND:
                return None
            raise OSError(f"credential helper {helper} failed: {_said(completed)}")
        try:
            answer = msgspec.json.decode(completed.stdout, type=_Answer)
        except msgspec.MsgspecError:
            raise OSError(f"credential helper {helper} failed: its answer is not a login") from None
        if answer.username == "<token>":  # how helpers mark an OAuth2 refresh token
            raise OSError(_no_identity_tokens(server))
        return _encoded(answer.username, answer.secret)


def _same(key: str, server: str) -> bool:
    """Whether a key of `auths` means `server`. Old entries carry a scheme and a path (`https://ghcr.io/v1/`)."""
    if server == _HUB:
        return key in {_HUB, "docker.io", "index.docker.io", "registry-1.docker.io", _HUB.rstrip("/")}
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0] == server


def _kept(auth: _Auth, server: str) -> str | None:
    """The login kept in the file itself. An empty entry, which Docker writes beside a store, is none."""
    if auth.identitytoken:
        raise OSError(_no_identity_tokens(server))
    if not auth.auth:
        return _encoded(auth.username, auth.password) if auth.username else None
    try:
        user, colon, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = colon = password = ""
    if not colon:
        raise OSError(f"Docker's configuration keeps a login for {server} that is not user:password in base64")
    return _encoded(user, password.strip("\0"))


def _encoded(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _no_identity_tokens(server: str) -> str:
    return f"the login for {server} is an identity token, which lastgood cannot use; log in with an access token"


def _said(completed: Completed) -> str:
    """Why a helper failed. What looks like the JSON of a login is not repeated."""
    lines = completed.text.strip().splitlines()
    if completed.status is None or not lines or "{" in lines[0]:
        return sanitise(completed.why())[:200]
    return sanitise(lines[0])[:200]

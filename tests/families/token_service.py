"""A token service as registries want one, and a real registry that verifies the tokens itself.

Source: distribution's "Token Authentication Specification" and "Token Authentication Implementation".
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from sandbox.registry import Registry, free_port
from sandbox.run import SandboxError, docker, status, wait_until

LOGIN = "Basic " + base64.b64encode(b"me:pw").decode()
SERVICE, ISSUER = "registry", "tests"
# `me` with the password `pw`, by bcrypt: the only kind that the registry takes.
HTPASSWD = "me:$2b$05$Qfp3GuFjT2ikJvJTiY43YOjDRT9URFli363VbQal9Pa1xeHNwbkhu\n"


class TokenService(ThreadingHTTPServer):
    """Signs tokens for `LOGIN` alone; `lifetime` in seconds, `allowed` what they let one do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = self._certificate()
        self.lifetime = 300
        self.allowed = ["pull"]
        self.minted = 0

    @property
    def realm(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"

    def _certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def token(self, scope: str) -> str:
        _, name, _ = scope.split(":")
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "me",
            "jti": str(self.minted),
            "nbf": now - 600,
            "iat": now - 600,
            "exp": now + self.lifetime,
            "access": [{"type": "repository", "name": name, "actions": self.allowed}],
        }
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        self.minted += 1
        return b".".join((signed, _encoded(signature))).decode()


class _Handler(BaseHTTPRequestHandler):
    server: TokenService

    def do_GET(self) -> None:
        scope = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
        welcome = self.headers.get("Authorization") == LOGIN and scope.count(":") == 2
        body = json.dumps({"token": self.server.token(scope)} if welcome else {}).encode()
        self.send_response(200 if welcome else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _ = format, args


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@contextmanager
def service() -> Iterator[TokenService]:
    """A token service for as long as the block lasts."""
    with TokenService() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server


@contextmanager
def guarded(storage: Path, *options: str) -> Iterator[Registry]:
    """A real registry on `storage` that asks for a login."""
    port = free_port()
    name = f"lastgood-sandbox-registry-{port}"
    try:
        yield _started(name, port, storage, options)
    finally:
        docker("rm", "--force", name, check=False)


def _started(name: str, port: int, storage: Path, options: tuple[str, ...]) -> Registry:
    from sandbox import images, paths

    registry = Registry(name, port)
    docker(
        *("run", "--detach", "--name", name, "--label", f"{paths.LABEL}=1", *options),
        *("--publish", f"127.0.0.1:{port}:5000", "--volume", f"{storage}:/registry", images.REGISTRY.image),
    )
    try:
        wait_until(lambda: status(f"{registry.url}/v2/") == 401, "the registry asks for a login")
    except SandboxError as error:
        raise SandboxError(f"{error}: {docker('logs', name, check=False)}") from error
    return registry


def by_token(server: TokenService, storage: Path) -> tuple[str, ...]:
    """The registry's options for tokens of `server`."""
    (storage / "root.pem").write_bytes(server.certificate.public_bytes(serialization.Encoding.PEM))
    settings = {"REALM": server.realm, "SERVICE": SERVICE, "ISSUER": ISSUER, "ROOTCERTBUNDLE": "/registry/root.pem"}
    options = (word for key, value in settings.items() for word in ("--env", f"REGISTRY_AUTH_TOKEN_{key}={value}"))
    return ("--env", "REGISTRY_AUTH=token", *options)


def by_password(storage: Path) -> tuple[str, ...]:
    """The registry's options for a password file."""
    (storage / "htpasswd").write_text(HTPASSWD)
    settings = {"REALM": "tests", "PATH": "/registry/htpasswd"}
    options = (word for key, value in settings.items() for word in ("--env", f"REGISTRY_AUTH_HTPASSWD_{key}={value}"))
    return ("--env", "REGISTRY_AUTH=htpasswd", *options)

"""Whether a commit could be signed right now, found out without ever asking for a passphrase."""

from pathlib import Path

from lastgood.diagnose.case import fail, ok, unknown
from lastgood.git.origin import Origin
from lastgood.git.plumbing import why
from lastgood.model.command import Command, Completed
from lastgood.model.report import Check
from lastgood.ports import Process

_NAME = "signing"
_SECONDS = 10.0
_SAMPLE = b"lastgood doctor\n"
_BY_HAND = "sign any commit by hand, so that the agent has the key: git commit --allow-empty -S -m test"
# ssh-keygen(1), ssh-add(1): without a terminal and with `never` nothing can ask. No display, no window either.
_SILENT = (("SSH_ASKPASS_REQUIRE", "never"), ("LC_ALL", "C"))
_NO_KEY = ("no secret key", "no such file", "couldn't load", "couldn't find key in agent", "no private key found")


def check(process: Process, origin: Origin) -> Check:
    """Signs a few bytes as git would (git-config(1): gpg.format, gpg.program, user.signingKey), and throws them away.

    Unknown where the user's own signing program would have to be called, which might ask somebody.
    """
    if not origin.sign:
        return ok(_NAME, "git is not set to sign commits, so nothing is signed")
    settings = {key.lower(): value for key, value in origin.settings}
    form = settings.get("gpg.format", "openpgp")
    if form not in {"openpgp", "ssh"} or _foreign(settings, form):
        return unknown(_NAME, f"commits are signed ({form}) by a program that may ask; not tried", _BY_HAND)
    return _ssh(process, settings) if form == "ssh" else _openpgp(process, settings)


def _foreign(settings: dict[str, str], form: str) -> bool:
    names = ("gpg.program", "gpg.openpgp.program") if form == "openpgp" else ("gpg.ssh.program",)
    usual = {"gpg", "gpg2", "ssh-keygen"}
    return any(settings[name].rpartition("/")[2] not in usual for name in names if name in settings)


def _openpgp(process: Process, settings: dict[str, str]) -> Check:
    key = settings.get("user.signingkey") or settings.get("user.email", "")
    program = settings.get("gpg.openpgp.program") or settings.get("gpg.program") or "gpg"
    argv = (program, "--batch", "--no-tty", "--pinentry-mode", "error", "--detach-sign", "--local-user", key)
    return _judged(process.run(Command(argv, stdin=_SAMPLE, timeout=_SECONDS, env=_SILENT)), key)


def _ssh(process: Process, settings: dict[str, str]) -> Check:
    key = settings.get("user.signingkey", "")
    if not key:
        said = "user.signingKey is not set; the key comes from elsewhere (gpg.ssh.defaultKeyCommand, the agent)"
        return unknown(_NAME, said, _BY_HAND)
    literal = key.removeprefix("key::") if key.startswith(("key::", "ssh-", "ecdsa-", "sk-")) else ""
    if literal:
        return _in_agent(process, literal)
    file = str(Path(key).expanduser())
    program = settings.get("gpg.ssh.program", "ssh-keygen")
    argv = (program, "-Y", "sign", "-n", "git", "-f", file)
    return _judged(process.run(Command(argv, stdin=_SAMPLE, timeout=_SECONDS, env=_SILENT)), file)


def _in_agent(process: Process, literal: str) -> Check:
    listed = process.run(Command(("ssh-add", "-L"), timeout=_SECONDS, env=_SILENT))
    wanted = literal.split()[1:2]
    if wanted and wanted[0] in listed.text.split():
        return ok(_NAME, "the key is in the ssh agent")
    said = "the key is not in the ssh agent" if listed.status in {0, 1} else f"the agent cannot be asked: {why(listed)}"
    return unknown(_NAME, said, "ssh-add KEYFILE")


def _judged(done: Completed, key: str) -> Check:
    if done.ok:
        return ok(_NAME, f"{key} signs without asking")
    words = done.stderr.decode(errors="replace").lower()
    if done.status is None or any(word in words for word in _NO_KEY):
        return fail(_NAME, f"commits are to be signed with {key}, but: {why(done)}", _BY_HAND)
    return unknown(_NAME, f"{key} cannot be used without asking for a passphrase: {why(done)}", _BY_HAND)

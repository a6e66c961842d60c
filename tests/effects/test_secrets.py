"""Secrets by reference: exactly the secret, or the reason, and never a part of it in a reason."""

import os
import sys
from pathlib import Path

import pytest

from lastgood.effects.process import LocalProcess
from lastgood.effects.secrets import LocalSecrets

SECRET = "s3cret"  # noqa: S105 - a test's own


def secrets(**env: str) -> LocalSecrets:
    return LocalSecrets(LocalProcess(), env)


def refused(reference: str) -> str:
    with pytest.raises(OSError, match=r".") as raised:
        secrets().read(reference)
    text = f"{raised.value!r} {raised.value.__cause__!r}"
    assert SECRET not in text
    return str(raised.value)


def test_a_variable_must_be_given_as_it_is_and_none_where_it_says_nothing() -> None:
    assert secrets(T=SECRET).read("env:T") == SECRET
    assert secrets().read("env:T") is None
    assert secrets(T="").read("env:T") is None


def test_a_file_must_give_its_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a secret"
    for content in (SECRET, f"{SECRET}\n", f"{SECRET}\r\n"):
        file.write_text(content, newline="")
        assert secrets().read(f"file:{file}") == SECRET


def test_a_command_must_be_run_without_a_shell(tmp_path: Path) -> None:
    program = tmp_path / "print it"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1])\n")
    program.chmod(0o755)
    assert secrets().read(f"command:'{program}' '$(id) ; x'") == "$(id) ; x"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"s3cret\ns3cret\n", b"\xff\xfe", b"s3cret\x1b[0m", b"s3cret\0", b"x" * 70000]
)
def test_a_file_that_holds_no_one_line_must_be_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    assert refused(f"file:{tmp_path}/t") == f"file:{tmp_path}/t does not give one line of text"


def test_files_that_cannot_be_read_must_be_told(tmp_path: Path) -> None:
    assert refused("file:/nowhere/t") == "file:/nowhere/t cannot be read: no such file or directory"
    assert refused(f"file:{tmp_path}").endswith("cannot be read: is a directory")
    assert refused("file:~nobody-of-this-name/t").endswith("cannot be read: there is no such user")


def test_a_command_that_fails_must_be_told_without_what_it_said() -> None:
    script = f"{sys.executable} -c \"import sys; print('s3' + 'cret'); sys.stderr.write('s3' + 'cret'); sys.exit(3)\""
    assert refused(f"command:{script}").endswith("failed: exit status 3")
    assert refused("command:") == "a reference to a secret is env:NAME, file:PATH or command:ARGV"
    assert "is no command line" in refused("command: ")
    assert "failed: " in refused("command:/nowhere/program")


@pytest.mark.parametrize("reference", [SECRET, "", "env:", "file:", "ENV:T", "vault:s3cret"])
def test_what_is_no_reference_must_not_be_repeated(reference: str) -> None:
    assert refused(reference) == "a reference to a secret is env:NAME, file:PATH or command:ARGV"


def test_the_operators_own_environment_must_not_be_looked_at_beside_the_one_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "T", SECRET)
    assert secrets().read("env:T") is None

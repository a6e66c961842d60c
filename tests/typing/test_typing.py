"""Safety that is visible in the types: what must not type-check does not, for exactly the reason that is meant."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BAD = HERE / "must_fail.py"
_WANTED = re.compile(r"# must fail: ([a-z-]+)$")
_FOUND = re.compile(r"^[^:]*must_fail\.py:(\d+): error: .*\[([a-z-]+)\]$", re.MULTILINE)


def wanted() -> set[tuple[int, str]]:
    """Line and error code of everything that must fail."""
    lines = enumerate(BAD.read_text().splitlines(), 1)
    return {(number, found[1]) for number, line in lines if (found := _WANTED.search(line))}


def test_what_must_not_type_check_must_fail_for_its_own_reason() -> None:
    mypy = (sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", str(BAD))
    done = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert {(int(line), code) for line, code in _FOUND.findall(done.stdout)} == wanted(), done.stdout


def test_there_must_be_something_that_must_fail() -> None:
    assert len(wanted()) >= 13

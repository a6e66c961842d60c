"""`doctor` on what the remote itself refuses."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lastgood.diagnose import forge
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.model.forge import Protection
from lastgood.model.report import Mark
from lastgood.ports import Forge, Tools

YES, NO = Known(value=True), Known(value=False)


def judged(fact: Fact[Protection]) -> tuple[Mark, str]:
    host = Mock(spec=Forge, **{"protected.return_value": fact})
    (check,) = forge.checks(_target(), _tools(lambda: host))
    host.protected.assert_called_once_with("main")
    assert check.name == "remote protects the branch"
    return check.mark, check.said


def _target() -> Any:
    return Mock(branch="main", repo=str(Path("/deploy")))


def _tools(made: Any) -> Tools:
    unused = dict.fromkeys(
        ("process", "http", "files", "clock", "credentials", "repo", "engine", "pin", "registry", "registry_http"),
        object(),
    )
    return Tools(probes=(), forge=made, **unused)  # type: ignore[arg-type] # only the forge is asked


@pytest.mark.parametrize(
    ("fact", "mark", "words"),
    [
        (Known(Protection(YES, NO, "rules: non_fast_forward")), Mark.OK, "main are refused (rules: non_fast_forward)"),
        (Known(Protection(YES, YES, "branch protection")), Mark.OK, "so are direct ones"),
        (Known(Protection(NO, NO, "no rule was seen")), Mark.WARN, "can take releases out of the history"),
        (Known(Protection(Unknown("403"), YES, "x")), Mark.UNKNOWN, "cannot be told: 403"),
        (Unknown("api.github.com is in trouble"), Mark.UNKNOWN, "cannot be told: api.github.com is in trouble"),
    ],
)
def test_protection_must_be_judged_by_forced_pushes(fact: Fact[Protection], mark: Mark, words: str) -> None:
    found, said = judged(fact)
    assert found is mark
    assert words in said


def test_tools_without_a_forge_must_say_nothing() -> None:
    assert forge.checks(_target(), _tools(None)) == ()

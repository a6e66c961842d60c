from pathlib import Path

import pytest
from gitworld import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    built = World(tmp_path)
    monkeypatch.setenv("HOME", str(built.home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return built

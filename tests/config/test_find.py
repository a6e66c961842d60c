"""Where the deploy repo and its configuration are found."""

from pathlib import Path

from lastgood.config.find import find


def test_the_configuration_must_be_found_from_a_folder_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "lastgood.yaml").touch()
    assert find(str(below)) == (str(tmp_path), str(tmp_path / "lastgood.yaml"))


def test_a_repo_without_configuration_must_not_be_served_by_one_around_it(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    (inner / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "lastgood.yaml").touch()
    assert find(str(inner / "deep")) == (str(inner), None)


def test_without_either_the_folder_itself_must_be_taken(tmp_path: Path) -> None:
    assert find(str(tmp_path)) == (str(tmp_path), None)


def test_a_folder_called_like_the_configuration_must_not_be_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "lastgood.yaml").mkdir()
    (tmp_path / ".git").mkdir()
    assert find(str(tmp_path)) == (str(tmp_path), None)

import pytest

from lastgood.git.links import commit, compare

A, B = "1a2b3c4", "5d6e7f8"


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("git@github.com:axinova/deploy.git", f"https://github.com/axinova/deploy/compare/{A}...{B}"),
        ("https://ci:token@github.com/axinova/deploy", f"https://github.com/axinova/deploy/compare/{A}...{B}"),
        ("ssh://git@ssh.github.com:443/axinova/deploy.git", f"https://github.com/axinova/deploy/compare/{A}...{B}"),
        ("git@gitlab.axinova.ai:ops/x/deploy.git", f"https://gitlab.axinova.ai/ops/x/deploy/-/compare/{A}...{B}"),
        ("http://gitea.local:3000/a/b.git", f"http://gitea.local:3000/a/b/compare/{A}...{B}"),
        ("git@bitbucket.org:a/b.git", f"https://bitbucket.org/a/b/branches/compare/{B}%0D{A}"),
        ("git@git.example:a/b.git", ""),
        ("git@github-work:axinova/deploy.git", ""),
        ("ssh://git@github.com-work/axinova/deploy.git", ""),
        (
            "ssh://git@gitlab.axinova.ai:2222/ops/deploy.git",
            f"https://gitlab.axinova.ai/ops/deploy/-/compare/{A}...{B}",
        ),
        ("/srv/git/deploy.git", ""),
        ("", ""),
        ("https://github.com/a b", ""),
    ],
)
def test_a_difference_must_be_at_the_address_that_the_host_has_for_it(address: str, wanted: str) -> None:
    assert compare(address, A, B) == wanted


@pytest.mark.parametrize("name", ["", "main", "1a2b3c4..x", "../x", "1a2b3c4\n", "1A2B3C4", "a" * 65])
def test_what_is_no_commit_must_never_get_into_an_address(name: str) -> None:
    assert compare("git@github.com:a/b.git", name, B) == ""
    assert commit("git@github.com:a/b.git", name) == ""


def test_a_path_must_be_written_as_an_address_has_it() -> None:
    assert commit("https://github.com/a/b'\"><x", A) == f"https://github.com/a/b%27%22%3E%3Cx/commit/{A}"

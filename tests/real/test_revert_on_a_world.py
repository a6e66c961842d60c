"""`lastgood revert --suspect` on the real world."""

from pathlib import Path

from shop import API, ENV, Shop

from lastgood.model.errors import Exit
from sandbox.releases import release
from sandbox.run import run


def test_the_label_of_what_really_runs_must_say_what_is_looked_for(shop: Shop, tmp_path: Path) -> None:
    shop.ships("good-1", "http-500")
    scene = shop.scene()
    env = shop.world.env
    run(["git", "init", "-q", "--bare", "-b", "main", tmp_path / "code.git"], env=env)
    run(["git", "clone", "-q", tmp_path / "code.git", tmp_path / "code"], env=env)
    run(["git", "-C", tmp_path / "code", "commit", "-q", "--allow-empty", "-m", "other code"], env=env)
    run(["git", "-C", tmp_path / "code", "push", "-q", "origin", "HEAD:main"], env=env)
    said = shop.does("revert", "--suspect", API, ENV, "--repo", str(tmp_path / "code"), ends=Exit.REFUSED)
    good = release(API, "good-1")
    assert said["what"] == (f"The good release {good.tag} was built from {good.revision[:12]}, which is not on main.")
    assert said["because"][0] == "label org.opencontainers.image.revision"
    assert shop.scene() == scene

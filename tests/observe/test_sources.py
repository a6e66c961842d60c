"""Which commit an image was built from, asked of the real engine."""

import io
import json
import secrets
import subprocess
import tarfile
from collections.abc import Callable, Iterator

import pytest

from lastgood.effects.process import LocalProcess
from lastgood.model.facts import Known, Unknown
from lastgood.model.observed import HostView, LocalImage, Observed, Tip
from lastgood.model.release import Image, Release
from lastgood.model.revert import Source
from lastgood.observe.sources import LABEL, built

REVISION = "0123456789abcdef0123456789abcdef01234567"
Make = Callable[..., str]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes images with labels; they are removed in the end."""
    made: list[str] = []

    def image(**labels: str) -> str:
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("empty"))
        words = [word for key, value in labels.items() for word in ("--change", f"LABEL {key}={json.dumps(value)}")]
        made.append(f"lastgood-test-{secrets.token_hex(6)}:x")
        done = subprocess.run(
            ("docker", "import", *words, "-", made[-1]), input=tar.getvalue(), capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    yield image
    for name in made:
        subprocess.run(("docker", "image", "rm", "--force", name), capture_output=True, check=True)


def seen(image_id: str, tag: str) -> Observed:
    """A host that has one image under a tag."""
    hosts = {"local": HostView(Known(()), Known((LocalImage(image_id, (tag,)),)))}
    release = Release("c" * 40, Image("reg/shop", tag), 1)
    return Observed(Tip(release.commit, Known(release.image), Known("git")), (release,), True, hosts, {})  # noqa: FBT003 - `complete`


def test_the_label_must_say_what_an_image_was_built_from(make: Make) -> None:
    image_id = make(**{LABEL: REVISION})
    found = built(LocalProcess(), seen(image_id, "v1"), Image("reg/shop", "v1"))
    assert found.source == Known(Source(REVISION, f"label {LABEL}"))


def test_an_image_without_label_must_be_known_by_its_tag(make: Make) -> None:
    image_id = make(other="x")
    found = built(LocalProcess(), seen(image_id, "sha-0123456"), Image("reg/shop", "sha-0123456"))
    assert found.source == Known(Source("0123456", "tag sha-0123456"))


def test_a_label_and_a_tag_that_contradict_each_other_must_be_unknown(make: Make) -> None:
    image_id = make(**{LABEL: REVISION})
    found = built(LocalProcess(), seen(image_id, "sha-fffffff"), Image("reg/shop", "sha-fffffff"))
    assert found.source == Unknown("the label says 0123456789ab, the tag sha-fffffff")


@pytest.mark.parametrize("revision", ["main", "--force", "v1.2 $(id)"])
def test_a_label_that_is_no_commit_must_be_unknown(make: Make, revision: str) -> None:
    image_id = make(**{LABEL: revision})
    found = built(LocalProcess(), seen(image_id, "v1"), Image("reg/shop", "v1"))
    assert isinstance(found.source, Unknown)
    assert repr(revision) in found.source.reason


def test_an_image_that_is_gone_from_the_host_must_be_unknown() -> None:
    found = built(LocalProcess(), seen("sha256:" + "0" * 64, "v1"), Image("reg/shop", "v1"))
    assert isinstance(found.source, Unknown)
    elsewhere = built(LocalProcess(), seen("sha256:" + "0" * 64, "v1"), Image("reg/shop", "v2"))
    assert elsewhere.source == Unknown("no host has the image, and its tag 'v2' is no sha-…")

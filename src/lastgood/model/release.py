"""Releases: what one commit pinned, and what is known about how it fared."""

import enum
import re

import msgspec

_TEXT = re.compile(r"(?P<repository>[^@]+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


class Image(msgspec.Struct, frozen=True):
    """An image as a pin names it. `digest` is the manifest digest (`sha256:…`) a registry would serve it under."""

    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Image":
        """Read `repository[:tag][@sha256:…]`; a port in the repository is not taken for a tag. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            message = f"{text!r} is not an image reference"
            raise ValueError(message)
        return cls(found["repository"], found["tag"] or "", found["digest"] or "")

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """What people call it: the tag, or the digest's first characters where there is no tag."""
        return self.tag or short(self.digest)

    def same(self, other: "Image") -> bool:
        """Whether both name the same bytes, as far as the references tell: digests decide where both have one."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.repository == other.repository and self.tag == other.tag and bool(self.tag)


def short(hexadecimal: str) -> str:
    """A digest or commit as people read it: twelve characters, with `sha256:` kept where it stood."""
    algorithm, colon, value = hexadecimal.rpartition(":")
    return f"{algorithm}{colon}{value[:12]}"


class Trailers(msgspec.Struct, frozen=True):
    """What an earlier rollback wrote into its commit, so that other machines know it: `Lastgood-*` trailers.

    `trying` is what a pin that came before the switch went to: nothing was proven yet. `step` is the run and step that
    made such a commit.
    """

    run: str = ""
    went_from: Image | None = None
    went_to: Image | None = None
    bad: tuple[Image, ...] = ()
    trying: Image | None = None
    step: str = ""


class Release(msgspec.Struct, frozen=True):
    """What one first-parent commit of the deploy branch pinned for one service.

    `commit` is the commit that began it and `last` the newest commit at which its pin still stood (the first parent
    of the commit that replaced it, or the tip). `at` and `until` are commit times in Unix seconds. `folder` lists
    the other files of the pin's folder that the commit changed; `mixed` says whether it changed more of the pin file
    than the image.
    """

    commit: str
    image: Image
    at: int
    subject: str = ""
    author: str = ""
    last: str = ""
    until: int | None = None
    folder: tuple[str, ...] = ()
    mixed: bool = False
    trailers: Trailers = Trailers()


class Grade(enum.StrEnum):
    """What is known of a release, from best to worst."""

    VERIFIED = "verified"
    UNPROVEN = "unproven"
    INCONCLUSIVE = "inconclusive"
    ROLLED_BACK = "rolled back"
    BAD = "bad"
    QUARANTINED = "quarantined"


class Evidence(msgspec.Struct, frozen=True):
    """The grade of a release, where that is known from, and weak hints that never decide alone."""

    grade: Grade = Grade.UNPROVEN
    because: str = "no run has judged it"
    hints: tuple[str, ...] = ()


class Judgement(msgspec.Struct, frozen=True):
    """One recorded verdict about an image on one target: by a run, by `check`, or by a person."""

    target: str
    image: Image
    grade: Grade
    at: int
    run: str
    because: str = ""
    signature: str = ""

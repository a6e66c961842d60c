"""Steps: what a plan does, one frozen class each, each with its reason.

A step names digests, commits and stable names, never a container id. `id` is unique in its plan and stable, so that
the journal and `resume` can speak of it. `service` says whose step it is, where a plan moves several.
"""

from typing import TypeAlias

import msgspec

from lastgood.model.descent import Descent, Kept, Loss
from lastgood.model.forge import Bump
from lastgood.model.release import Image


class Runnable(msgspec.Struct, frozen=True):
    """An image that can be run: as pinned, plus what identifies its bytes on a host.

    `image.digest` is the manifest digest where one is known; `image_id` the engine's id where the image is on a host.
    At least one of them is set: what cannot be identified is never switched to.
    """

    image: Image
    image_id: str = ""


class CaptureStep(msgspec.Struct, frozen=True, tag="capture", tag_field="step"):
    """Keep what the present release shows (logs, inspect, rendered configuration; secrets redacted)."""

    id: str
    service: str
    host: str
    because: str


class PullStep(msgspec.Struct, frozen=True, tag="pull", tag_field="step"):
    """Have the image on the host, by digest, with the host's own credentials; it may be there already."""

    id: str
    service: str
    host: str
    image: Runnable
    because: str


class RenderStep(msgspec.Struct, frozen=True, tag="render", tag_field="step"):
    """Export the tree to be into the release's folder on the host and have Compose check it; nothing runs yet."""

    id: str
    service: str
    host: str
    tree: str
    folder: str
    image: Runnable
    services: tuple[str, ...]
    marked: bool
    compose: tuple[str, ...]
    because: str


class SwitchStep(msgspec.Struct, frozen=True, tag="switch", tag_field="step"):
    """Make the service's containers run `image` with the configuration in `folder`.

    `marked` says whether the containers carry the run's id, so that any machine sees who put them there; a restored
    state carries none.
    """

    id: str
    service: str
    host: str
    folder: str
    image: Runnable
    services: tuple[str, ...]
    scale: tuple[tuple[str, int], ...]
    marked: bool
    compose: tuple[str, ...]
    because: str


class RestartStep(msgspec.Struct, frozen=True, tag="restart", tag_field="step"):
    """Restart the service's containers as they are: same image, same configuration."""

    id: str
    service: str
    host: str
    containers: tuple[str, ...]
    because: str


class VerifyStep(msgspec.Struct, frozen=True, tag="verify", tag_field="step"):
    """Prove it: every container of the service runs `image`, restarts stand still, and the gate passes.

    `gate` is False where only the state from before is restored: it is verified to run, not to be healthy. `hosts` are
    those looked at; `probed` is False between the hosts of a rollback, when what customers get still comes from both
    releases. `flows` are the user flows that are tried once the gate has passed, by name.
    """

    id: str
    service: str
    image: Runnable
    gate: bool
    hosts: tuple[str, ...]
    probed: bool
    because: str
    flows: tuple[str, ...] = ()


class Pinned(msgspec.Struct, frozen=True):
    """What git is to pin for one service."""

    service: str
    image: Image


class WatchStep(msgspec.Struct, frozen=True, tag="watch", tag_field="step"):
    """Watch the logs of what runs now for `seconds`, and name the error messages that are new; 0 reads them once."""

    id: str
    service: str
    image: Runnable
    hosts: tuple[str, ...]
    seconds: float
    because: str


class PauseStep(msgspec.Struct, frozen=True, tag="pause", tag_field="step"):
    """Keep something from undoing the rollback meanwhile: by `command` on `host`, or a `bump` where there is one.

    `command` and `undo` are argv.
    """

    id: str
    host: str
    name: str
    command: tuple[str, ...]
    undo: tuple[str, ...]
    because: str
    bump: Bump | None = None


class UnpauseStep(msgspec.Struct, frozen=True, tag="unpause", tag_field="step"):
    """Let what `pause` (a step's id) held go on, whatever became of the run."""

    id: str
    pause: str
    host: str
    name: str
    command: tuple[str, ...]
    because: str
    bump: Bump | None = None


class AwaitStep(msgspec.Struct, frozen=True, tag="await", tag_field="step"):
    """Wait until a deploy that runs on the host has ended; with `stop`, which somebody consented to, end it."""

    id: str
    service: str
    host: str
    stop: bool
    because: str


class PinStep(msgspec.Struct, frozen=True, tag="pin", tag_field="step"):
    """Commit and push the pin before the switch, for engines that run what the branch says.

    Where the remote cannot take it, production goes first, and `record` settles git later. `base` and `tree` are as
    in RecordStep; `pins` are what the tree pins.
    """

    id: str
    tree: str
    base: str
    pins: tuple[Pinned, ...]
    because: str


class CheckoutStep(msgspec.Struct, frozen=True, tag="checkout", tag_field="step"):
    """Bring the server's checkout by fast-forward to what `pin` (a step's id) pushed, or to `base` where there is none.

    Where the pin could not be pushed, only the bytes that `files`, the pin files, have in `tree` are written there.
    `ours` is what an earlier run wrote there and nobody changed since: paths with their SHA-256.
    """

    id: str
    host: str
    pin: str
    base: str
    tree: str
    files: tuple[str, ...]
    because: str
    ours: tuple[tuple[str, str], ...] = ()


class SyncStep(msgspec.Struct, frozen=True, tag="sync", tag_field="step"):
    """Bring the server's checkout to the branch again: a pin that was written there is restored if it is unchanged."""

    id: str
    host: str
    files: tuple[str, ...]
    because: str


class RecordStep(msgspec.Struct, frozen=True, tag="record", tag_field="step"):
    """One commit that pins what now runs, pushed as a fast-forward. `tree` is the tree rendered before the switch.

    `base` is the tip the tree was made from; on a tip moved by unrelated commits only the pins' folders are redone.
    Empty `tree` means that git needs no change. `pin` is the PinStep that may have done it already; empty where there
    is none.
    """

    id: str
    tree: str
    base: str
    pins: tuple[Pinned, ...]
    pin: str
    because: str


class PurgeStep(msgspec.Struct, frozen=True, tag="purge", tag_field="step"):
    """Have the service's CDN (a cache of that kind) forget what it keeps. That it refuses says nothing of a release."""

    id: str
    service: str
    cdn: str
    because: str


class FreshStep(msgspec.Struct, frozen=True, tag="fresh", tag_field="step"):
    """See that the CDN gives customers the page and the assets that run by now; purge it again where it does not."""

    id: str
    service: str
    cdn: str
    because: str


class StopStep(msgspec.Struct, frozen=True, tag="stop", tag_field="step"):
    """Stop the service's containers on a host, so that nobody writes into the database. They stay there.

    `database` is the service whose database that is. With `later` an earlier attempt may have put other containers
    there than those that are named: whatever runs of the service by then is stopped.
    """

    id: str
    service: str
    host: str
    containers: tuple[str, ...]
    because: str
    database: str = ""
    later: bool = False


class StartStep(msgspec.Struct, frozen=True, tag="start", tag_field="step"):
    """Start the containers again that `stop` (a step's id) stopped, as they were."""

    id: str
    service: str
    host: str
    stop: str
    containers: tuple[str, ...]
    because: str


class BackupStep(msgspec.Struct, frozen=True, tag="backup", tag_field="step"):
    """Back the service's database up into `folder` on its host, and read the backup through."""

    id: str
    service: str
    host: str
    folder: str
    version: str
    because: str


class DownStep(msgspec.Struct, frozen=True, tag="down", tag_field="step"):
    """Take the database's schema down. The rehearsal showed that nothing is lost; `backup` is what can be restored."""

    id: str
    service: str
    host: str
    descent: Descent
    backup: Kept
    because: str


class LossyDownStep(msgspec.Struct, frozen=True, tag="lossy-down", tag_field="step"):
    """Take the database's schema down, and lose what `losses` name, each counted again before: no more than accepted.

    Raises ValueError where no loss is named: then it is a DownStep.
    """

    id: str
    service: str
    host: str
    descent: Descent
    losses: tuple[Loss, ...]
    backup: Kept
    because: str

    def __post_init__(self) -> None:
        """A loss without a name cannot be accepted by anybody."""
        if not self.losses:
            raise ValueError("a lossy step names its losses")


class SalvageStep(msgspec.Struct, frozen=True, tag="salvage", tag_field="step"):
    """Keep in `folder` what the step `down` (a lossy one's id) will lose, so that it can be put back later."""

    id: str
    service: str
    host: str
    folder: str
    down: str
    because: str


class TrialStep(msgspec.Struct, frozen=True, tag="trial", tag_field="step"):
    """Start the image against the database as it is by now, where no traffic comes, and end it again once healthy."""

    id: str
    service: str
    host: str
    image: Runnable
    because: str


class ReloadStep(msgspec.Struct, frozen=True, tag="reload", tag_field="step"):
    """Have the database as the step `backup` (an id) kept it, unless it never left that; what it was is kept aside.

    `descents` are all the ways down that may have been gone since then.
    """

    id: str
    service: str
    host: str
    backup: str
    descents: tuple[Descent, ...]
    because: str


EngineStep: TypeAlias = PullStep | SwitchStep | RestartStep
Step: TypeAlias = (
    CaptureStep
    | PauseStep
    | AwaitStep
    | PullStep
    | RenderStep
    | PinStep
    | CheckoutStep
    | SwitchStep
    | RestartStep
    | StopStep
    | StartStep
    | BackupStep
    | SalvageStep
    | DownStep
    | LossyDownStep
    | TrialStep
    | ReloadStep
    | VerifyStep
    | WatchStep
    | RecordStep
    | SyncStep
    | PurgeStep
    | FreshStep
    | UnpauseStep
)

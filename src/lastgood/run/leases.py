"""The leases of a run: one for each service that it moves, on each host that it acts on."""

from collections.abc import Callable, Sequence
from functools import partial

from lastgood.model.errors import InDoubt, LastgoodError, LeaseHeld
from lastgood.observe.together import together
from lastgood.ports import Files
from lastgood.run import lease
from lastgood.run.desk import Desk
from lastgood.run.lease import Lease


class Leases:
    """Takes, keeps and lets go of what a run must hold on `hosts`.

    They are taken one after the other, always in the same order, so that of two takers one gets all of them.
    """

    def __init__(self, desk: Desk, run: str, token: str, hosts: Sequence[str]) -> None:
        self._desk = desk
        self._run = run
        self._token = token
        self._hosts = tuple(sorted(hosts))

    def take(self, doing: str, *, take_over: bool) -> None:
        """Take all of them, or none. Raises as `lease.take` does."""
        taken: list[tuple[str, str]] = []
        try:
            for host, name in self._places():
                lease.take(
                    self._files(host), self._desk.shared.clock, self._state, name,
                    run=self._run, token=self._token, holder=self._desk.holder, doing=doing, machine=self._desk.machine,
                    take_over=take_over,
                )  # fmt: skip
                taken.append((host, name))
        except LastgoodError:
            for host, name in taken:
                lease.release(self._files(host), self._state, name, self._token)
            raise

    def keep(self, *, alone: bool) -> None:
        """Make sure that all are still ours, and extend them. Raises LeaseHeld, and InDoubt where a host is silent.

        `alone` lets hosts be silent as long as one is not.
        """
        places = self._places()
        silent = [error for error in together([partial(self._kept, *place) for place in places]) if error]
        if silent and not (alone and len(silent) < len(places)):
            raise silent[0]

    def _kept(self, host: str, name: str) -> InDoubt | None:
        try:
            lease.renew(self._files(host), self._desk.shared.clock, self._state, name, self._token)
        except InDoubt as error:
            return error
        return None

    def release(self) -> None:
        """Let go of all. How the run ended is said already; a lease that stays behind names the run."""
        for failed in together([partial(self._released, *place) for place in self._places()]):
            if failed:
                self._desk.progress(failed)

    def _released(self, host: str, name: str) -> str:
        try:
            lease.release(self._files(host), self._state, name, self._token)
        except LastgoodError as error:
            return error.what
        return ""

    def tidy(self, over: Callable[[str], bool]) -> None:
        """Let go of leases whose holder was killed between its run's last line and the lease's end.

        `over` says whether a run is known to have ended. Whoever else holds a lease keeps it.
        """
        for host, name in self._places():
            there = lease.read(self._files(host), self._state, name)
            if there is not None and over(there.run):
                lease.release(self._files(host), self._state, name, there.token)

    def _places(self) -> list[tuple[str, str]]:
        names = sorted(target.name for target in self._desk.group.members)
        return [(host, name) for host in self._hosts for name in names]

    def _files(self, host: str) -> Files:
        return self._desk.shared.files(host)

    @property
    def _state(self) -> str:
        return self._desk.group.first.state


def held(desk_files: Callable[[str], Files], state: str, name: str, hosts: Sequence[str]) -> Lease | None:
    """Who has the lease of a target on any of its hosts. Raises as `lease.read` does where none can be read."""
    found: list[Lease | LastgoodError | None] = together(
        [partial(_read, desk_files(host), state, name) for host in hosts]
    )
    known = [one for one in found if isinstance(one, Lease)]
    if known:
        return known[0]
    errors = [one for one in found if isinstance(one, LastgoodError)]
    if errors and (isinstance(errors[0], LeaseHeld) or len(errors) == len(found)):
        raise errors[0]
    return None


def _read(files: Files, state: str, name: str) -> Lease | LastgoodError | None:
    try:
        return lease.read(files, state, name)
    except LastgoodError as error:
        return error

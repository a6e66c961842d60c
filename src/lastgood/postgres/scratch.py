"""Throw-away databases: a server of the same image with nothing around it, or a database beside the real one."""

from typing import Final

import msgspec

from lastgood.model.command import Command, Completed
from lastgood.model.database import Failed, Overview, Ran, Reach, Scratch
from lastgood.model.facts import Fact, Known, Unknown
from lastgood.postgres import facts
from lastgood.postgres.asking import ask, script
from lastgood.postgres.client import Client
from lastgood.postgres.create import MARKER, blueprint, comments, create, drop
from lastgood.postgres.quoting import derived, ident

LABEL: Final = "lastgood.scratch"
"""The label of throw-away containers; its value is the run's."""

_COMMENT: Final = f"{MARKER}scratch "
_FOLDER: Final = "/tmp/lastgood"  # noqa: S108 - inside the container, which is ours alone
# Nothing here outlives a crash, so nothing is written for it.
_SERVER: Final = (
    "set -e; command -v initdb >/dev/null 2>&1 || for d in /usr/lib/postgresql/*/bin; do PATH=$d:$PATH; done; "
    f'initdb -D {_FOLDER} -U "$1" -E UTF8 --locale=C -A trust --no-sync >/dev/null; shift; '
    f'echo "host all all all trust" >> {_FOLDER}/pg_hba.conf; exec postgres -D {_FOLDER} "$@"'
)
_CARELESS: Final = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0"),
    *("listen_addresses=*", "max_wal_size=2GB", "autovacuum=off"),
)
_READY: Final = "until pg_isready -q; do sleep 0.1; done"
_OWNER: Final = 'ls -dn -- "${1:-$PGDATA}"'
_KEPT: Final = ("shared_preload_libraries", "max_locks_per_transaction", "max_prepared_transactions")
_ROLES: Final = "SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]') FROM pg_roles WHERE rolname !~ '^pg_'"
_LIKE: Final = (
    "SELECT json_build_object('settings', json_build_object("
    + ", ".join(f"'{name}', coalesce(current_setting('{name}', true), '')" for name in _KEPT)
    + f"), 'roles', ({_ROLES}))"
)
_PULL: Final = 600.0


class _Like(msgspec.Struct, frozen=True):
    """What a throw-away server has in common with the real one."""

    settings: dict[str, str]
    roles: tuple[str, ...]


def make(client: Client, run: str, *, network: str = "none") -> Scratch | Failed:
    """A throw-away, empty database like the client's own, for the run `run`; what an earlier try left is removed first.

    For a database in a container it is a server of the same image in `network`, and has the same roles, without their
    passwords: whoever is in that network needs none. Otherwise it is a database of the same server. Whatever fails,
    nothing of it stays.
    """
    gone = remove(client, run)
    if isinstance(gone, Failed):
        return gone
    there = facts.overview(client)
    if isinstance(there, Unknown):
        return Failed(there.reason)
    made = _server(client, run, there.value, network) if client.reach.container else _beside(client, run)
    if isinstance(made, Failed):
        remove(client, run)
    return made


def serve(client: Client, image: str, run: str) -> Scratch | Failed:
    """A throw-away server of an image, on the client's host, with one empty database in UTF-8 that sorts by bytes.

    It stands for itself: no network, no roles but its superuser. An image that is not there is pulled. Whatever fails,
    nothing of it stays; `remove`, with a client at its reach, ends it.
    """
    reach = Reach("scratch", client.reach.host, f"lastgood-scratch-{run}", "postgres")
    scratch = Scratch(run, reach, reach.container)
    try:
        made = _served(client, scratch, image)
    except BaseException:
        _remove_server(client, run)
        raise
    if isinstance(made, Failed):
        _remove_server(client, run)
    return made


def _served(client: Client, scratch: Scratch, image: str) -> Scratch | Failed:
    inspect = ("image", "inspect", "--format", "{{.Config.User}}", "--", image)
    there = _docker(client, *inspect)
    if not there.ok:
        pulled = _docker(client, "pull", "--quiet", "--", image, timeout=_PULL)
        if not pulled.ok:
            return Failed(f"the image {image} cannot be had: {pulled.why()}")
        there = _docker(client, *inspect)
    # PostgreSQL does not run as root; images that start as root have a user for it.
    user = there.text.strip()
    user = "postgres" if user in ("", "0", "root") else user
    why = _launched(client, scratch, image, user, _CARELESS, "none")
    maintenance = client.at(scratch.reach).of("postgres")
    like = Unknown(why.reason) if why else facts.overview(maintenance)
    if isinstance(like, Unknown):
        return Failed(like.reason)
    made = create(maintenance, scratch.reach.name, like.value, None, f"scratch {scratch.run}")
    return made if isinstance(made, Failed) else scratch


def renew(client: Client, run: str, like: Overview) -> Ran | Failed:
    """The client's own throw-away database of a run, dropped and made again, empty, to sort as `like` does."""
    maintenance = facts.maintenance(client)
    if isinstance(maintenance, Unknown):
        return Failed(maintenance.reason)
    gone = drop(maintenance.value, client.reach.name)
    if isinstance(gone, Failed):
        return gone
    return create(maintenance.value, client.reach.name, like, None, f"scratch {run}")


def remove(client: Client, run: str) -> Failed | None:
    """Remove everything throw-away of a run; None where nothing is left. Can be repeated."""
    return _remove_server(client, run) if client.reach.container else _remove_beside(client, run)


def leftovers(client: Client) -> Fact[tuple[str, ...]]:
    """The runs of which something throw-away is there."""
    if client.reach.container:
        listed = _containers(client, LABEL)
        return Unknown(listed.reason) if isinstance(listed, Failed) else Known(tuple(run for _, run in listed))
    maintenance = facts.maintenance(client)
    if isinstance(maintenance, Unknown):
        return maintenance
    said = comments(maintenance.value)
    if isinstance(said, Unknown):
        return said
    return Known(tuple(one.removeprefix(_COMMENT) for one in said.value.values() if one.startswith(_COMMENT)))


def _remove_server(client: Client, run: str) -> Failed | None:
    listed = _containers(client, f"{LABEL}={run}")
    if isinstance(listed, Failed):
        return listed
    if not listed:
        return None
    done = _docker(client, "rm", "--force", "--volumes", "--", *(identity for identity, _ in listed))
    return None if done.ok else Failed(done.why())


def _remove_beside(client: Client, run: str) -> Failed | None:
    maintenance = facts.maintenance(client)
    if isinstance(maintenance, Unknown):
        return Failed(maintenance.reason)
    said = comments(maintenance.value)
    if isinstance(said, Unknown):
        return Failed(said.reason)
    mine = [name for name, comment in said.value.items() if comment == f"{_COMMENT}{run}"]
    dropped = [drop(maintenance.value, name) for name in mine]
    return next((one for one in dropped if isinstance(one, Failed)), None)


def _server(client: Client, run: str, like: Overview, network: str) -> Scratch | Failed:
    found = ask(client, _LIKE, _Like)
    if isinstance(found, Unknown):
        return Failed(found.reason)
    name = f"lastgood-scratch-{run}"
    reach = Reach(like.name, client.reach.host, name, like.user)
    scratch = Scratch(run, reach, name)
    why = _started(client, scratch, like, found.value.settings, network)
    if why:
        return why
    return _filled(client.at(reach).of("postgres"), scratch, like, found.value.roles)


def _started(client: Client, scratch: Scratch, like: Overview, settings: dict[str, str], network: str) -> Failed | None:
    """Start the server and wait for it; why it does not answer."""
    container = client.reach.container
    image = _docker(client, "container", "inspect", "--format", "{{.Image}}", "--", container)
    owner = _docker(client, "exec", "--", container, "sh", "-c", _OWNER, "lastgood", like.folder)
    fields = owner.text.split()
    if not image.ok or not owner.ok or len(fields) < 4:  # noqa: PLR2004 - mode, links, user, group
        return Failed((owner if image.ok else image).why())
    said = (*_CARELESS, *(f"{key}={value}" for key, value in settings.items() if value))
    return _launched(client, scratch, image.text.strip(), f"{fields[2]}:{fields[3]}", said, network)


def _launched(  # noqa: PLR0913, PLR0917 - what `docker run` is told
    client: Client, scratch: Scratch, image: str, owner: str, settings: tuple[str, ...], network: str
) -> Failed | None:
    name = scratch.container
    options = tuple(word for one in settings for word in ("-c", one))
    where = ("--name", name, "--label", f"{LABEL}={scratch.run}", "--network", network, "--shm-size", "256m")
    how = ("--pull", "never", "--user", owner, "--entrypoint", "sh", image)
    program = ("-c", _SERVER, "lastgood", scratch.reach.user, *options)
    for argv in (("run", "--detach", *where, *how, *program), ("exec", "--", name, "sh", "-c", _READY)):
        done = _docker(client, *argv, timeout=60.0)
        if not done.ok:
            log = _docker(client, "logs", "--tail", "1", "--", name)
            last = log.stderr.decode(errors="replace").strip()
            return Failed(f"the throw-away server does not start: {last or done.why()}")
    return None


def _filled(maintenance: Client, scratch: Scratch, like: Overview, roles: tuple[str, ...]) -> Scratch | Failed:
    missing = "".join(f"CREATE ROLE {ident(r)} LOGIN;\n" for r in roles if r != like.user)
    made = script(maintenance, missing, timeout=60.0) if missing else None
    if not isinstance(made, Failed):
        # In the default tablespace: others are folders outside of the server's own.
        made = create(maintenance, like.name, like, None, f"scratch {scratch.run}")
    if isinstance(made, Ran) and like.owner in roles and like.owner != like.user:
        owned = f"ALTER DATABASE {ident(like.name)} OWNER TO {ident(like.owner)};"
        made = script(maintenance, owned, timeout=60.0)
    return made if isinstance(made, Failed) else scratch


def _beside(client: Client, run: str) -> Scratch | Failed:
    plan = blueprint(client)
    if isinstance(plan, Failed):
        return plan
    name = derived(plan.like.name, f"_scratch_{run}")
    made = create(plan.maintenance, name, plan.like, plan.around, f"scratch {run}")
    reach = msgspec.structs.replace(client.reach, name=name)
    return made if isinstance(made, Failed) else Scratch(run, reach)


def _containers(client: Client, label: str) -> tuple[tuple[str, str], ...] | Failed:
    """The identity and the run of each container with a label."""
    form = f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}'
    done = _docker(client, "ps", "--all", "--no-trunc", "--filter", f"label={label}", "--format", form)
    if not done.ok:
        return Failed(done.why())
    return tuple((line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in done.text.splitlines() if " " in line)


def _docker(client: Client, *argv: str, timeout: float = 30.0) -> Completed:
    return client.run(Command(("docker", *argv), client.reach.host, timeout=timeout))

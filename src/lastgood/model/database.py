"""A PostgreSQL database: how it is reached, what it is, what was kept of it, and what failed."""

import enum
import hashlib

import msgspec


class Reach(msgspec.Struct, frozen=True):
    """How a database is reached, by PostgreSQL's own programs on `host` or in a container there.

    `name` is the database; empty means the one that the DSN names. With a `container`, its own programs use its local
    socket, and an empty `user` is its POSTGRES_USER, else `postgres`. Without one, `dsn` says where the server is.
    `password` and `dsn` are references to secrets (`env:`, `file:`, `command:`). `schema`, where it is given, is put
    first on the search path.
    """

    name: str = ""
    host: str = "local"
    container: str = ""
    user: str = ""
    password: str = ""
    dsn: str = ""
    schema: str = ""


class Failed(msgspec.Struct, frozen=True):
    """Something that did not work. `reason` is one clause for a human.

    `sqlstate` is PostgreSQL's code where the server said it (`55P03`: a lock was not had in time), with its `detail`
    and `hint`; `line` is the line of the script at which the statement ends. `in_doubt` is True where nobody was told
    whether it took effect: only the database can tell.
    """

    reason: str
    sqlstate: str = ""
    line: int = 0
    detail: str = ""
    hint: str = ""
    in_doubt: bool = False

    @property
    def locked(self) -> bool:
        """Whether a lock was not to be had in time, so that a later attempt may succeed."""
        return self.sqlstate == "55P03"


class Ran(msgspec.Struct, frozen=True):
    """A script that ran to its end: what it printed, and the seconds that it took."""

    output: str
    elapsed: float


class Locale(msgspec.Struct, frozen=True):
    """What CREATE DATABASE must be told to make a database that sorts alike. `provider` is `c` (libc), `i` or `b`."""

    encoding: str
    collate: str
    ctype: str
    provider: str = "c"
    icu: str | None = None
    rules: str | None = None


class Overview(msgspec.Struct, frozen=True):
    """A database and its server. `number` is server_version_num (150018); `size` is in bytes; `oid` outlives renames.

    `schema` is `current_schema()`, None where there is none. `folder` is the server's data directory; empty where the
    user may not know it.
    """

    version: str
    number: int
    name: str
    oid: int
    owner: str
    user: str
    size: int
    schema: str | None
    locale: Locale
    folder: str
    standby: bool

    @property
    def major(self) -> int:
        """The server's major version, for example 15."""
        return self.number // 10000


class Column(msgspec.Struct, frozen=True):
    """A table's column, with its type as PostgreSQL writes it."""

    name: str
    type: str


class Session(msgspec.Struct, frozen=True):
    """Somebody connected. Times are Unix seconds, 0 where there are none; `query` is the first 200 characters.

    `mode` and `relation` say what it holds, where it was asked for as a blocker.
    """

    pid: int
    user: str
    application: str
    client: str
    state: str
    begun: int
    since: int
    query: str
    mode: str = ""
    relation: str = ""


class Followers(msgspec.Struct, frozen=True):
    """What belongs to a database by its name or number, and would not follow when another one takes its name."""

    slots: tuple[str, ...]
    subscriptions: tuple[str, ...]
    prepared: tuple[str, ...]


class Setting(msgspec.Struct, frozen=True):
    """What ALTER DATABASE SET said, or for a `role` ALTER ROLE IN DATABASE SET; `value` is as the catalogue has it."""

    role: str
    name: str
    value: str


class Grant(msgspec.Struct, frozen=True):
    """A privilege on the database itself; an empty `role` is PUBLIC."""

    role: str
    privilege: str
    grantable: bool


class Surroundings(msgspec.Struct, frozen=True):
    """What a dump does not hold: it stands beside the database. `grants` is None where they are the built-in ones."""

    owner: str
    limit: int
    tablespace: str
    settings: tuple[Setting, ...]
    grants: tuple[Grant, ...] | None
    comment: str | None


class Moment(msgspec.Struct, frozen=True):
    """A moment of a database, to tell later which rows were written since.

    `snapshot` are the transactions that were over, or not yet. `system`, `timeline` (empty on a standby), `database`
    and `laid` say of what: the cluster, its line of history, the database's number, and when the cluster's files came
    where they are (empty where the user may not ask). `files` and `names` are the tables', by their number. `at` is the
    server's own time in Unix seconds.
    """

    snapshot: str
    system: str
    timeline: str
    database: int
    laid: str
    files: dict[str, int]
    names: dict[str, str]
    at: float


class Written(msgspec.Struct, frozen=True):
    """What of a table was written since a moment: whole rows, and by column those that hold a value there."""

    rows: int
    values: dict[str, int]


class Fingerprint(msgspec.Struct, frozen=True):
    """A database's schema in normal form: by what it is (`index public.orders_note_idx`), how it is defined.

    `values` are those of enums, in their order; `order` are the columns of each table as they stand: it changes when
    a column is dropped and added again, and makes no difference to most programs.
    """

    parts: dict[str, str]
    values: dict[str, tuple[str, ...]]
    order: dict[str, tuple[str, ...]]

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything but the order of columns, sorted, each part in one line."""
        enums = {name: ", ".join(map(repr, values)) for name, values in self.values.items()}
        return tuple(sorted(f"{name}: {text}" for name, text in (self.parts | enums).items()))

    @property
    def digest(self) -> str:
        """The SHA-256 of `lines`: equal where nothing but the order of columns differs."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


class Difference(msgspec.Struct, frozen=True):
    """How two schemas differ, in sentences about the second: what matters, and what stands in another order only."""

    real: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


class Format(enum.StrEnum):
    """What a dump is, by its first bytes."""

    CUSTOM = "custom"
    PLAIN = "plain"
    GZIP = "gzip"


class Backup(msgspec.Struct, frozen=True):
    """A kept dump, as its manifest says. Sizes are bytes, `at` is Unix seconds.

    `rows` counts by schema-qualified, quoted table, in the very snapshot that was dumped; None where nobody counted.
    `number` is server_version_num. `schema_version` is the migration tool's, empty where it is not known.
    """

    path: str
    host: str
    database: str
    number: int
    dumper: str
    database_size: int
    size: int
    sha256: str
    at: int
    seconds: float
    why: str
    schema_version: str = ""
    rows: dict[str, int] | None = None


class SwapState(enum.StrEnum):
    """How far a swap of names has come, as the server shows it."""

    BEFORE = "before"
    CLOSED = "closed"
    RENAMED = "renamed"
    DONE = "done"
    UNCLEAR = "unclear"


class Swap(msgspec.Struct, frozen=True):
    """Two databases that trade places: number `old` is called `name`, and becomes `aside`; `new` is called `side`.

    Numbers never change, so whatever was renamed meanwhile is recognised.
    """

    name: str
    side: str
    aside: str
    old: int
    new: int

    @property
    def back(self) -> "Swap":
        """The swap that undoes this one: the database now in use gets the name that it had before."""
        return Swap(self.name, self.aside, self.side, self.new, self.old)


class Scratch(msgspec.Struct, frozen=True):
    """A throw-away database of a run, reached like any other; `container` is empty where it is on the real server."""

    run: str
    reach: Reach
    container: str = ""

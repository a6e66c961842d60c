"""SQL text into statements, by PostgreSQL's own grammar."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lastgood.model.schema import Statement

if TYPE_CHECKING:
    from google.protobuf.message import Message

_COMMENTS: Final = ("SQL_COMMENT", "C_COMMENT")
_Piece = tuple[int, int, "Message | None"]


class Unparsed(ValueError):
    """Text that is no SQL for PostgreSQL. `line` counts from 1, `why` are the grammar's words."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def read(sql: str) -> tuple[Statement, ...]:
    r"""The statements of a text, in order; a text of nothing but comments has none.

    A statement that is nested too deeply to be read is there as opaque. Raises Unparsed, a ValueError with the line and
    the grammar's own words, where the text does not parse: psql's own commands (`\d`) and data of COPY do not.
    """
    if "\0" in sql:
        raise _refused(sql, sql.index("\0"), "behind a NUL character nothing is read")
    try:
        data = sql.encode()
    except UnicodeEncodeError as error:
        raise _refused(sql, error.start, "the text is no Unicode") from error
    line, at = 1, 0
    statements = []
    for begin, end, node in _pieces(sql, data):
        line, at = line + data.count(b"\n", at, begin), begin
        statements.append(_statement(data[begin:end].decode(), line, node))
    return tuple(statements)


def _statement(text: str, line: int, node: "Message | None") -> Statement:
    from lastgood.sql._statements import understand

    if node is None:
        return Statement(text, line, text.split(maxsplit=1)[0].upper(), opaque="it is nested too deeply to be read")
    verb, found = understand(node)
    return Statement(
        text=text,
        line=line,
        verb=verb,
        doomed=tuple(found.doomed),
        locks=tuple(found.held.values()),
        opaque="; ".join(found.opaque),
        outside=found.outside,
        control=found.control,
        masked=found.masked,
        rewrites=tuple(found.rewrites),
        makes=tuple(found.makes),
    )


def _pieces(sql: str, data: bytes) -> Iterator[_Piece]:
    """Where each statement begins and ends, without comments around it, and its tree."""
    from google.protobuf.message import DecodeError
    from postgast import PgQueryError, parse

    from lastgood.sql._tree import inner

    try:
        tree = parse(sql)
    except PgQueryError as error:
        raise _refused(sql, max(error.cursorpos - 1, 0), error.message) from error
    except DecodeError:
        yield from _one_by_one(sql, data)
        return
    for raw in tree.stmts:
        begin = raw.stmt_location
        end = begin + raw.stmt_len if raw.stmt_len else len(data)
        yield (*_trimmed(data, begin, end), inner(raw.stmt))


def _one_by_one(sql: str, data: bytes) -> Iterator[_Piece]:
    """The same for a text of which at least one statement is nested more deeply than its tree can be handed over.

    The pieces come without their places, which are found again by counting words: a comment may repeat a statement.
    """
    from google.protobuf.message import DecodeError
    from postgast import parse, split

    from lastgood.sql._tree import inner

    words, at = _words(data), 0
    for piece in split(sql, method="parser"):
        while data[slice(*words[at])] == b";":
            at += 1
        length = len(_words(piece.encode()))
        try:
            tree = inner(parse(piece).stmts[0].stmt)
        except DecodeError:
            tree = None
        yield words[at][0], words[at + length - 1][1], tree
        at += length


def _trimmed(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Without white space and comments at the ends: what is put behind it must not be part of a comment."""
    piece = data[begin:end]
    if b"--" not in piece and b"/*" not in piece:
        return begin + len(piece) - len(piece.lstrip()), begin + len(piece.rstrip())
    words = _words(piece)
    return begin + words[0][0], begin + words[-1][1]


def _words(data: bytes) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, those of comments left out."""
    from postgast import pg_query_pb2, scan

    comments = tuple(pg_query_pb2.Token.Value(name) for name in _COMMENTS)
    return [(token.start, token.end) for token in scan(data.decode()).tokens if token.token not in comments]


def _refused(sql: str, at: int, why: str) -> Unparsed:
    return Unparsed(sql.count("\n", 0, at) + 1, why)

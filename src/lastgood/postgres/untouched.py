"""Whether anything was changed on a server since a moment: by its transactions, of which each has a number."""

from typing import Final

from lastgood.model.facts import Fact
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client

_NEXT: Final = "SELECT txid_snapshot_xmax(txid_current_snapshot())"
# A transaction gets its number when it first writes. One that ended without a commit left nothing; of one that goes on,
# or whose end the server has forgotten, nobody can say that.
_MOST: Final = 100_000
_UNTOUCHED: Final = """SELECT to_json({now} - {since} BETWEEN 0 AND {most} AND NOT EXISTS (
  SELECT FROM generate_series({since}, least({now}, {since} + {most}) - 1) AS number
  WHERE txid_status(number) IS DISTINCT FROM 'aborted'))"""


def next_number(client: Client) -> Fact[int]:
    """The number that no transaction had yet that has ended: what is committed from now on has this one, or a later."""
    return ask(client, _NEXT, int)


def untouched(client: Client, since: int) -> Fact[bool]:
    """Whether every transaction from the number `since` on, in any database of the server, came to nothing.

    False says only that this cannot be shown: others, autovacuum among them, may have committed something else.
    """
    now = "txid_snapshot_xmax(txid_current_snapshot())"
    return ask(client, _UNTOUCHED.format(now=now, since=since, most=_MOST), bool)

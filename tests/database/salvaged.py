"""A database whose way down loses something, and what is kept of that."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from descending import Database, pairs

from lastgood.database import salvaging
from lastgood.database.desk import DatabaseDesk
from lastgood.model.database import Failed, Ran
from lastgood.model.descent import Loss
from lastgood.model.facts import Unknown
from lastgood.model.salvage import PuttingBack, Salvage
from lastgood.model.schema import What
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import ident
from tests.postgres.pgworld import Server

RUN = "20261128T101502Z-1f2e"


TABLES = ("notes", '"Odd.name"', "parents", "cut", "rounded", "moods", "deleted", "logs", "other.gone", "computed")


WHOLE = "'{0}', (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {0} t)"


def loss(what: What, *names: str) -> Loss:
    """As a rehearsal finds it: of a schema's table, and its column."""
    quoted = [ident(name) for name in names]
    column = quoted[2] if len(names) > 2 else ""
    return Loss(what, ".".join(names), 9, 99, Unknown("-"), "it is so", ".".join(quoted[:2]), column)


class Shop:
    """A database whose way down loses something, with the desk that knows where its salvages go."""

    def __init__(  # noqa: PLR0913 - as Database
        self, server: Server, client: Client, folder: Path, before: str, down: str, *, lost: tuple[Loss, ...]
    ) -> None:
        self.base = Database(server, client, pairs(("SELECT 1", "SELECT 1"), (before, down)), backups=str(folder))
        desk = self.base.desk
        named = SimpleNamespace(name="shop-api/prod", service="shop-api", env="prod", state="/nowhere")
        self.desk = DatabaseDesk(cast("Any", named), desk.spec, desk.tools, desk.secrets, desk.code)
        self.way = self.base.way("1")
        self.losses = lost

    def salvage(self, each: Sequence[Loss] = ()) -> Salvage | Failed:
        client = self.desk.client(RUN)
        return salvaging.salvage(self.desk, client, self.way, tuple(each) or self.losses, RUN)

    def salvaged(self) -> Salvage:
        made = self.salvage()
        assert isinstance(made, Salvage), made
        return made

    def down(self) -> None:
        done = self.base.down(self.way, self.losses)
        assert isinstance(done, Ran), done

    def look(self) -> PuttingBack:
        return salvaging.look(self.desk, salvaging.chosen(self.desk, RUN))

    def put_back(self, *over: str) -> PuttingBack:
        return salvaging.put_back(self.desk, salvaging.chosen(self.desk, RUN), "ada", frozenset(over))

    def sql(self, text: str) -> str:
        return self.base.sql(text)

    def tables(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(
            self.sql(f"SELECT json_build_object({', '.join(map(WHOLE.format, TABLES))})")
        )
        return found

"""Migrations as pairs of SQL, proved in one throw-away database after the other on one server."""

from collections.abc import Sequence

from lastgood import catalog
from lastgood.database._proof_bench import Bench
from lastgood.database.prove import proved
from lastgood.model.lint import Finding, Mark, Outcome
from lastgood.model.schema import Migrations
from lastgood.model.target import Adapter

SHOP = (
    """CREATE TYPE state AS ENUM ('new', 'paid');
       CREATE TABLE customers (id serial PRIMARY KEY, email text NOT NULL UNIQUE);
       CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers,
                            state state NOT NULL DEFAULT 'new', note text);""",
    "DROP TABLE orders; DROP TABLE customers; DROP TYPE state;",
)


def of(files: dict[str, str], kind: str = "golang-migrate") -> Migrations:
    migrator = catalog.migrator(Adapter(kind, catalog.options("migrators", kind)()))
    return migrator.migrations({path: text.encode() for path, text in files.items()})


def pairs(*steps: tuple[str, str | None]) -> Migrations:
    """Each step is an up and its down, None where there is no file."""
    ups = {f"{at}_step.up.sql": up for at, (up, _) in enumerate(steps, 1)}
    downs = {f"{at}_step.down.sql": down for at, (_, down) in enumerate(steps, 1) if down is not None}
    return of(ups | downs)


class Proved:
    """What proving showed."""

    def __init__(self, bench: Bench, migrations: Migrations) -> None:
        bench.renew()
        self.lines: list[str] = []
        proof, self.findings = proved(bench, migrations, self.lines.append)
        self.outcomes = [step.outcome for step in proof.steps]
        self.server = proof.server

    def marked(self, mark: Mark) -> list[Finding]:
        return [finding for finding in self.findings if finding.mark is mark]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Path and words of each."""
        return [(one.path, one.said) for one in self.marked(Mark.ERROR)]

    @property
    def rules(self) -> list[str]:
        return [finding.rule for finding in self.findings]

    @property
    def clean(self) -> bool:
        return not self.findings and set(self.outcomes) == {Outcome.PROVED}


def shop(bench: Bench, *more: tuple[str, str | None]) -> Proved:
    """Prove the shop's first migration and more."""
    return Proved(bench, pairs(SHOP, *more))


def said(found: Proved, words: str) -> Sequence[Finding]:
    return [one for one in found.findings if words in one.said]

"""What a table's catalogue says that matters to rows that leave it and come back: keys, types, defaults, sequences."""

from typing import Final

import msgspec

from lastgood.model.facts import Fact
from lastgood.postgres.asking import ask
from lastgood.postgres.client import Client
from lastgood.postgres.quoting import array

# With a search path that holds nothing, all types and functions come with their schema, whoever asks. A default is
# told where evaluating it changes nothing; `missing` is what rows hold that are older than their column.
_QUESTION: Final = """
SET search_path = pg_catalog;
SELECT coalesce(json_object_agg(one, json_build_object(
  'partitioned', c.relkind = 'p',
  'size', coalesce((SELECT sum(pg_table_size(relid)) FROM pg_partition_tree(c.oid)), pg_table_size(c.oid)),
  'columns', (SELECT coalesce(json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'generated', a.attgenerated <> '', 'always', a.attidentity = 'a',
      'default', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
        WHERE d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated = ''
        AND pg_get_expr(d.adbin, d.adrelid) !~ 'nextval\\('
        AND NOT EXISTS (SELECT FROM pg_depend e JOIN pg_proc p ON p.oid = e.refobjid
          WHERE e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid AND e.refclassid = 'pg_proc'::regclass
          AND p.provolatile = 'v')),
      'missing', CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END) ORDER BY a.attnum), '[]')
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'keys', (SELECT coalesce(json_agg(k.names ORDER BY k.first DESC, k.many, k.names::text), '[]') FROM (
    SELECT i.indisprimary AS first, i.indnkeyatts AS many, (
      SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(i.indkey) WITH ORDINALITY u(number, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number WHERE u.place <= i.indnkeyatts) AS names
    FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS (
      SELECT FROM unnest(i.indkey) WITH ORDINALITY u(number, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
      WHERE u.place <= i.indnkeyatts AND (NOT a.attnotnull OR a.attgenerated <> ''))) k),
  'sequences', (SELECT coalesce(json_agg(DISTINCT jsonb_build_array(a.attname, format('%I.%I', n.nspname, s.relname))),
      '[]')
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_depend e ON (e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid AND e.refclassid = 'pg_class'::regclass)
      OR (e.classid = 'pg_class'::regclass AND e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid
        AND e.refobjsubid = a.attnum AND e.deptype IN ('i', 'a'))
    JOIN pg_class s ON s.relkind = 'S' AND s.oid = CASE WHEN e.refobjid = c.oid THEN e.objid ELSE e.refobjid END
    JOIN pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'parents', (SELECT coalesce(json_agg(DISTINCT format('%I.%I', n.nspname, p.relname)), '[]')
    FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
    WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid),
  'spelled', (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_namespace n WHERE n.oid = c.relnamespace)
)), '{}') FROM unnest(RELATIONS) one JOIN pg_class c ON c.oid = to_regclass(one)"""


class Cell(msgspec.Struct, frozen=True):
    """A column: how it is filled where nobody says what with, and whether anybody can."""

    name: str
    type: str
    generated: bool
    always: bool
    default: str | None
    missing: str | None


class Seat(msgspec.Struct, frozen=True):
    """A table that is there. `size` is bytes without indexes; `keys` are columns that tell rows apart, best first.

    `sequences` are pairs of a column and the quoted sequence that fills it; `parents` are tables that it refers to,
    `spelled` as this one is there.
    """

    partitioned: bool
    size: int
    columns: tuple[Cell, ...]
    keys: tuple[tuple[str, ...], ...]
    sequences: tuple[tuple[str, str], ...]
    parents: tuple[str, ...]
    spelled: str

    def cell(self, name: str) -> Cell | None:
        """The column of that name."""
        return next((one for one in self.columns if one.name == name), None)


def seats(client: Client, relations: tuple[str, ...]) -> Fact[dict[str, Seat]]:
    """The tables among `relations` (quoted, with their schema) that are there."""
    return ask(client, _QUESTION.replace("RELATIONS", array(tuple(dict.fromkeys(relations)))), dict[str, Seat])

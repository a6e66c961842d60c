"""The catalogue in normal form: one query whose rows are what a schema is made of, whoever made it and in which order.

Texts come from PostgreSQL's own functions, with only pg_catalog on the search path, so that every name has its schema.
What belongs to an extension is told by the extension alone.
"""

from typing import Final

from lastgood.postgres.quoting import array

# Each part is a SELECT of what it is, its name, and how it is defined. `ours` are relations; `spaces` are schemas.
_SPACES: Final = """
spaces AS (SELECT oid, nspname, nspacl, nspowner FROM pg_namespace n
  WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
                    AND d.deptype = 'e')),
members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
without AS (SELECT to_regclass(one)::oid AS oid FROM unnest({without}) one),
ours AS (SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN spaces n ON n.oid = c.relnamespace
  WHERE (('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM members))
    AND c.oid NOT IN (SELECT oid FROM without WHERE oid IS NOT NULL)
    AND c.oid NOT IN (SELECT d.objid FROM pg_depend d JOIN without w ON d.refobjid = w.oid
                      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                        AND d.deptype IN ('a', 'i')))"""

_PARTS: Final = (
    "SELECT 'schema', quote_ident(nspname), '' FROM spaces",
    "SELECT 'extension', quote_ident(extname), extversion FROM pg_extension WHERE extname <> 'plpgsql'",
    """SELECT 'table', name, concat_ws(' ',
         CASE relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
         CASE relkind WHEN 'f' THEN 'foreign' END,
         CASE WHEN relrowsecurity THEN 'row level security' END, CASE WHEN relforcerowsecurity THEN 'forced' END,
         CASE relreplident WHEN 'd' THEN NULL ELSE 'replica identity ' || relreplident::text END,
         'partition by ' || pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
         (SELECT 'inherits ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
          FROM pg_inherits WHERE inhrelid = ours.oid),
         'with ' || array_to_string(reloptions, ', '))
       FROM ours WHERE relkind IN ('r', 'p', 'f')""",
    """SELECT 'column', name || '.' || quote_ident(a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
         CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
         CASE WHEN a.attnotnull THEN 'not null' END,
         CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid),
         CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END)
       FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped
       JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = ours.oid AND d.adnum = a.attnum
       WHERE relkind IN ('r', 'p', 'f', 'c')""",
    """SELECT 'constraint', coalesce(ours.name, c.contypid::regtype::text) || '.' || quote_ident(c.conname),
         pg_get_constraintdef(c.oid) FROM pg_constraint c LEFT JOIN ours ON ours.oid = c.conrelid
       JOIN spaces n ON n.oid = c.connamespace
       WHERE (c.conrelid = 0 OR ours.oid IS NOT NULL) AND c.contype NOT IN ('t', 'n')
         AND ('pg_type'::regclass, c.contypid) NOT IN (SELECT classid, objid FROM members)""",
    """SELECT 'index', ours.name, pg_get_indexdef(ours.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
       FROM ours JOIN pg_index i ON i.indexrelid = ours.oid
       WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = ours.oid AND c.contype IN ('p', 'u', 'x'))
         AND i.indrelid NOT IN (SELECT oid FROM without WHERE oid IS NOT NULL)""",
    """SELECT CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, name,
         concat_ws(' ', 'with (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid))
       FROM ours WHERE relkind IN ('v', 'm')""",
    """SELECT 'sequence', name, concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'by', s.seqincrement,
         'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
         (SELECT 'owned by ' || d.refobjid::regclass || '.' || quote_ident(a.attname) FROM pg_depend d
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          WHERE d.classid = 'pg_class'::regclass AND d.objid = ours.oid AND d.deptype IN ('a', 'i')
            AND d.refclassid = 'pg_class'::regclass))
       FROM ours JOIN pg_sequence s ON s.seqrelid = ours.oid""",
    """SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
         p.oid::regprocedure::text, CASE p.prokind WHEN 'a' THEN (SELECT concat_ws(' ', pg_get_function_result(p.oid),
             'by', g.aggtransfn, g.aggfinalfn, format_type(g.aggtranstype, NULL), g.agginitval)
           FROM pg_aggregate g WHERE g.aggfnoid = p.oid)
         ELSE pg_get_functiondef(p.oid) END
       FROM pg_proc p JOIN spaces n ON n.oid = p.pronamespace
       WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM members)""",
    """SELECT 'trigger', ours.name || '.' || quote_ident(t.tgname),
         concat_ws(' ', pg_get_triggerdef(t.oid), 'enabled: ' || nullif(t.tgenabled::text, 'O'))
       FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid AND NOT t.tgisinternal""",
    """SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regproc, evtenabled,
         array_to_string(evttags, ', ')) FROM pg_event_trigger
       WHERE ('pg_event_trigger'::regclass, oid) NOT IN (SELECT classid, objid FROM members)""",
    """SELECT 'rule', ours.name || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid)
       FROM ours JOIN pg_rewrite r ON r.ev_class = ours.oid WHERE r.rulename <> '_RETURN'""",
    """SELECT 'policy', ours.name || '.' || quote_ident(p.polname), concat_ws(' ', p.polcmd, p.polpermissive,
         (SELECT string_agg(CASE one WHEN 0 THEN 'public' ELSE pg_get_userbyid(one) END, ', ' ORDER BY one)
          FROM unnest(p.polroles) one),
         'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
       FROM ours JOIN pg_policy p ON p.polrelid = ours.oid""",
    """SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
       FROM pg_statistic_ext s JOIN spaces n ON n.oid = s.stxnamespace""",
    """SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END,
         format('%I.%I', n.nspname, t.typname), CASE t.typtype
           WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
             CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault)
           WHEN 'r' THEN (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid)
           ELSE 'of columns' END
       FROM pg_type t JOIN spaces n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
       WHERE (t.typtype IN ('d', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
         AND ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM members)""",
)
_ACLS: Final = (
    ("'schema'", "quote_ident(nspname)", "coalesce(nspacl, acldefault('n', nspowner))", "spaces"),
    (
        "CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END",
        "name",
        "coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, relowner))",
        "ours WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')",
    ),
    (
        "'function'",
        "p.oid::regprocedure::text",
        "coalesce(proacl, acldefault('f', proowner))",
        "pg_proc p JOIN spaces n ON n.oid = p.pronamespace",
    ),
)
_GRANTS: Final = """SELECT 'grants on ' || {kind}, {name}, (SELECT string_agg(concat_ws(' ', privilege_type, 'to',
    CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END, CASE WHEN is_grantable THEN 'grantable' END),
    ', ' ORDER BY grantee = 0, pg_get_userbyid(grantee), privilege_type) FROM aclexplode({acl})) FROM {source}"""

_ENUMS: Final = """(SELECT coalesce(json_object_agg(name, labels), '{}') FROM (
  SELECT format('%I.%I', n.nspname, t.typname) AS name, json_agg(e.enumlabel ORDER BY e.enumsortorder) AS labels
  FROM pg_type t JOIN spaces n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
  WHERE ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM members) GROUP BY 1) enums)"""

_ORDER: Final = """(SELECT coalesce(json_object_agg(name, (
    SELECT coalesce(json_agg(quote_ident(attname) ORDER BY attnum), '[]') FROM pg_attribute
    WHERE attrelid = ours.oid AND attnum > 0 AND NOT attisdropped)), '{}')
  FROM ours WHERE relkind IN ('r', 'p', 'f'))"""


def question(without: tuple[str, ...], *, grants: bool) -> str:
    """The statements that answer with a `Fingerprint` as JSON; tables in `without`, quoted, are left out."""
    rights = tuple(_GRANTS.format(kind=k, name=n, acl=a, source=s) for k, n, a, s in _ACLS) if grants else ()
    parts = "\nUNION ALL ".join((*_PARTS, *rights))
    spaces = _SPACES.replace("{without}", array(without))
    listed = "(SELECT coalesce(json_object_agg(kind || ' ' || name, coalesce(text, '')), '{}') FROM parts)"
    answer = f"json_build_object('parts', {listed}, 'values', {_ENUMS}, 'order', {_ORDER})"
    return f"SET search_path = pg_catalog;\nWITH {spaces},\nparts (kind, name, text) AS ({parts})\nSELECT {answer}"

"""A schema as lines of text, so that two can be compared without ``pg_dump`` in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_LINES = """
WITH relation AS (
    SELECT c.* FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
                      AND objid = c.oid AND deptype = 'e'))
SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname
FROM relation WHERE relkind IN ('r', 'p', 'f', 'S')
UNION ALL
SELECT format('column %s.%s %s%s%s', r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
              coalesce(CASE WHEN a.attgenerated <> '' THEN ' GENERATED ' ELSE ' DEFAULT ' END
                       || pg_get_expr(d.adbin, d.adrelid), ''))
FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid
LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('constraint %s.%s %s', r.relname, conname, pg_get_constraintdef(k.oid))
FROM pg_constraint AS k JOIN relation AS r ON r.oid = conrelid WHERE contype <> 'n'
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid)
       || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM pg_index AS i JOIN relation AS r ON r.oid = i.indrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
UNION ALL
SELECT format('view %s %s', relname, pg_get_viewdef(oid)) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid)
FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'routine ' || oid::regprocedure::text || ' ' || md5(prosrc) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT format('type %s %s', t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder))
FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname
"""


def lines(cursor: Cursor) -> set[str]:
    """Return the objects of the schema, one line each."""
    cursor.execute(_LINES)
    return {" ".join(line.split()) for (line,) in cursor.fetchall()}


def difference(before: set[str], after: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the removed and the added lines, as fields of the report."""
    return {"removed": tuple(sorted(before - after)), "added": tuple(sorted(after - before))}

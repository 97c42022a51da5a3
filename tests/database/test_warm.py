from __future__ import annotations

from contextlib import closing

from database.warm import warm
from tests.database.conftest import Copy


def test_every_block_of_every_table_is_read(copy: Copy) -> None:
    copy.execute(
        "CREATE TABLE rows AS SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "CREATE INDEX ON rows (n)",
        "CREATE MATERIALIZED VIEW few AS SELECT n FROM rows LIMIT 5",
        "ANALYZE",
    )
    server = copy.database.server
    # With a new server nothing is in its buffers.
    server.stop()
    server.start()
    with closing(copy.connect()) as one:
        assert warm(one) >= copy.column("SELECT pg_relation_size('rows')")[0] > 2 * 2**20
        with one.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
        one.commit()
    seen = copy.execute(
        "SELECT relname::text, heap_blks_read + heap_blks_hit >= pg_relation_size(relid) / 8192"
        " FROM pg_statio_user_tables ORDER BY 1"
    )
    assert seen == [("few", True), ("rows", True)]

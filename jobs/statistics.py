"""Keep PostgreSQL's statistics up to date while jobs write."""

from django.db import connection

# reltuples is -1 for a table that was never analyzed, and such a table is planned by its size.
OUTGROWN = """
    SELECT stat.relname FROM pg_stat_user_tables stat JOIN pg_class ON pg_class.oid = stat.relid
    WHERE stat.schemaname = current_schema AND reltuples >= 0
      AND n_mod_since_analyze > greatest(reltuples, 1000)
    ORDER BY 1
"""


def analyze_outgrown_tables() -> list[str]:
    """ANALYZE the tables in which more rows changed since the last time than there were then.

    Return their names; none on SQLite, whose statistics are fixed. Autovacuum comes by once a minute. Until
    then PostgreSQL takes a table that was analyzed after its rows were deleted for empty: it then scans the
    table for each row of a chunk instead of using an index, and one chunk takes minutes.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(OUTGROWN)
        tables = [name for (name,) in cursor.fetchall()]
    if tables:
        analyze(tables)
    return tables


def analyze(tables: list[str]) -> None:
    """ANALYZE tables on PostgreSQL, as their owner: the application's role may not, see ``audit.roles``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT jobs_analyze(%s)", [tables])

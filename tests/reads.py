"""What the database reads for an answer, which no clock has to measure."""

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext


def steps(read):
    """Return how many hundreds of steps SQLite takes for ``read()``."""
    taken = []
    connection.connection.set_progress_handler(lambda: taken.append(1), 100)
    read()
    connection.connection.set_progress_handler(None, 0)
    return len(taken)


def rows_read(read):
    """Return how many rows the database skips to answer ``read()``; on SQLite hundreds of its steps."""
    if connection.vendor == "sqlite":
        return steps(read)
    with CaptureQueriesContext(connection) as queries:
        read()
    skipped = 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # which small tables invite
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            skipped += sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", plan)))
    return skipped

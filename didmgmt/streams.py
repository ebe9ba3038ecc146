"""Read many rows through a server-side cursor, in memory that doesn't grow with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from didmgmt import patience

CHUNK = 2_000  # rows fetched at a time


def stream(queryset: QuerySet[Any], chunk_size: int = CHUNK) -> Iterator[Any]:
    """Yield the rows of ``queryset`` from one snapshot, ``chunk_size`` of them fetched at a time.

    Read it to its end or close it: what is done to the database meanwhile belongs to its transaction. So only
    read between two rows, or be in a transaction already.
    """
    with read_transaction(queryset.db):
        yield from queryset.iterator(chunk_size=chunk_size)


@contextmanager
def read_transaction(using: str) -> Iterator[None]:
    """Open a transaction on PostgreSQL, unless there is one already.

    Outside a transaction PostgreSQL collects all rows of a cursor before it returns the first one, and a
    pooler in transaction mode passes the connection on, so that the cursor does not exist when the next rows
    are fetched. SQLite reads a snapshot anyway, and a transaction there would block all writers.
    """
    connection = connections[using]
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    with transaction.atomic(using=using), patience.for_many_rows(using):
        yield

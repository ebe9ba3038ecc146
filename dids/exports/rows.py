"""Stream the rows of a file of numbers: the header, then a tuple of values for each number."""

from array import array
from contextlib import nullcontext
from operator import attrgetter

from django.db import connection, transaction

from dids.exports.columns import HEADER, PAST_VALUES, VALUES, missing_row
from dids.lists.as_of import PastListing

CHUNK = 2_000  # rows fetched at a time


def listing_rows(listing, now, *, in_chunks=False):
    """Yield the rows of all numbers that a ``did_listing`` finds, then those of missing ones.

    ``in_chunks`` as in ``rows_in_chunks``.
    """
    if isinstance(listing, PastListing):
        yield from past_rows(listing)
    else:
        yield from (rows_in_chunks if in_chunks else rows)(listing.ordered, now)
    yield from missing_rows(listing.filterset)


def missing_rows(filterset):
    """Yield a row for each number of a pasted list that is not in the inventory."""
    if filterset.missing:
        yield from (missing_row(number, state) for number, state in filterset.missing.rows())


def rows(dids, now):
    """Yield the rows of ``dids`` as they are at ``now``.

    Reads through a server-side cursor, so memory doesn't grow with the rows and all rows come from one
    snapshot.
    """
    yield HEADER
    with _cursor():
        yield from _values(dids, now).iterator(chunk_size=CHUNK)


def rows_in_chunks(dids, now):
    """Yield the same rows without holding a transaction open while they are read.

    The ids and their order come from one snapshot and take 8 bytes a row. Each chunk is read when it is
    needed; numbers deleted since are left out.
    """
    yield HEADER
    keys = array("q", dids.values_list("pk", flat=True).iterator(chunk_size=CHUNK))
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK].tolist()
        found = {row[0]: row for row in _values(dids.model.objects.filter(pk__among=chunk), now)}
        yield from (found[key] for key in chunk if key in found)


def past_rows(listing, keys=None):
    """Yield the rows of a ``PastListing``: of these ``keys``, or of all.

    Reads in chunks, since history up to a past time doesn't change.
    """
    yield HEADER
    values = attrgetter(*PAST_VALUES)
    for chunk in listing.key_chunks(CHUNK) if keys is None else [keys]:
        yield from map(values, listing.rows_of(chunk))


def _values(dids, now):
    return dids.with_status_now(now).values_list(*VALUES)


def _cursor():
    """Open a transaction on PostgreSQL, which otherwise collects all rows before it sends the first one.

    SQLite reads a snapshot anyway, and a transaction there would block all writers.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()

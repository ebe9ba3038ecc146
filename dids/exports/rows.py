"""The rows of a file of numbers: the header, then a tuple of values for each number."""

from array import array
from itertools import chain, islice
from operator import add, attrgetter

from django.db import connections

import sheets
from didmgmt.streams import stream
from dids.exports.columns import COLUMNS, HEADER, PAST_VALUES, missing_row, values
from dids.exports.copying import copied
from dids.lists.as_of import PastListing
from dids.models import head_geography
from dids.models.marks import with_mark
from dids.numbering.geography import head_of

CHUNK = 2_000  # rows fetched at a time
_NUMBER = list(COLUMNS).index("number")


class CurrentRows:
    """The header and the rows of ``dids`` as they are at ``now``, then the rows of ``missing`` numbers.

    Iterating reads through a server-side cursor, so memory doesn't grow with the rows and all rows come from
    one snapshot. So it is with ``csv``, the bytes of the same rows, which PostgreSQL formats.
    """

    def __init__(self, dids, now, missing=()):
        self.dids, self.now, self.missing = dids, now, missing

    def __iter__(self):
        yield HEADER
        yield from _with_geography(stream(_values(self.dids, self.now)))
        yield from self.missing

    def csv(self):
        # COPY reads the table of heads, which lacks new ones until the worker has come by.
        if connections[self.dids.db].vendor != "postgresql" or head_geography.any_missing():
            yield from sheets.write(self)
            return
        yield from sheets.write([HEADER])
        yield from copied(_values(self.dids, self.now))
        yield from sheets.write(self.missing)


def as_csv(rows):
    """Return an iterator of bytes, ``rows`` as CSV."""
    return rows.csv() if isinstance(rows, CurrentRows) else sheets.write(rows)


def listing_rows(listing, now):
    """Return the rows of all numbers that a ``did_listing`` finds, then those of missing ones."""
    missing = missing_rows(listing.filterset)
    if isinstance(listing, PastListing):
        return chain(past_rows(listing), missing)
    return CurrentRows(listing.ordered, now, missing)


def listing_rows_in_chunks(listing, now):
    """Return the same rows; see ``rows_in_chunks``."""
    if isinstance(listing, PastListing):
        return listing_rows(listing, now)
    return chain(rows_in_chunks(listing.ordered, now), missing_rows(listing.filterset))


def missing_rows(filterset):
    """Yield a row for each number of a pasted list that is not in the inventory."""
    if filterset.missing:
        yield from (missing_row(number, state) for number, state in filterset.missing.rows())


def rows_in_chunks(dids, now):
    """Yield the rows of ``dids`` without holding a transaction open while they are read.

    The ids and their order come from one snapshot and take 8 bytes a row. Each chunk is read when it is
    needed; numbers deleted since are left out.
    """
    yield HEADER
    keys = array("q", stream(dids.values_list("pk", flat=True)))
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK].tolist()
        found = {row[0]: row for row in _values(dids.model.objects.filter(pk__among=chunk), now)}
        yield from _with_geography(found[key] for key in chunk if key in found)


def past_rows(listing, keys=None):
    """Yield the rows of a ``PastListing``: of these ``keys``, or of all.

    Reads in chunks, since history up to a past time doesn't change.
    """
    yield HEADER
    values_of = attrgetter(*PAST_VALUES)
    for chunk in listing.key_chunks(CHUNK) if keys is None else [keys]:
        yield from _with_geography(map(values_of, listing.rows_of(chunk)))


def _with_geography(rows):
    """Yield ``rows`` with the country, area and type of each; one query for a chunk with new heads."""
    rows = iter(rows)
    while some := list(islice(rows, CHUNK)):
        heads = [head_of(row[_NUMBER]) for row in some]
        places = head_geography.of_heads({*heads})
        cells = {head: (one.country_name, one.area, one.type_name) for head, one in places.items()}
        yield from map(add, some, map(cells.__getitem__, heads))  # without a step of Python for each row


def _values(dids, now):
    return with_mark(dids.with_status_now(now)).values_list(*values(now))

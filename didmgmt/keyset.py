"""Find pages of a list by key, where an index already has the rows in order."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from didmgmt.listing import Row
from didmgmt.text import parse_whole


class ColumnKeyset:
    """Find pages of ``rows`` sorted by ``columns``, for ``didmgmt.listing.Listing``.

    The last column is unique and serves as the cursor. ``position(key)`` returns the values of the other
    columns for a cursor, and raises LookupError if its row has been deleted. It is needed only if there are
    other columns.
    """

    def __init__(
        self,
        rows: QuerySet[Any],
        columns: Sequence[str],
        *,
        descending: bool,
        position: Callable[[int], tuple[Any, ...]] = lambda _key: (),
    ) -> None:
        self._rows, self._columns, self._descending = rows.values_list(*columns), columns, descending
        self._position = position

    def after(self, cursor: str | None, count: int) -> list[Row]:
        return self._read(cursor, count, self._descending)

    def before(self, cursor: str | None, count: int) -> list[Row]:
        return self._read(cursor, count, not self._descending)[::-1]

    def at(self, offset: int, count: int, total: int) -> list[Row]:
        """Return rows by offset, skipping index entries from the nearer end."""
        from_end = total - offset - count
        if from_end < offset:
            rows = self._ordered(self._rows, not self._descending)
            return _with_cursors(rows[max(0, from_end) : total - offset])[::-1]
        return _with_cursors(self._ordered(self._rows, self._descending)[offset : offset + count])

    def _read(self, cursor: str | None, count: int, descending: bool) -> list[Row]:
        rows = self._rows
        if cursor is not None:
            key = parse_whole(cursor)
            if key is None:
                raise LookupError(cursor)
            rows = rows.filter(_beyond(self._columns, (*self._position(key), key), descending))
        return _with_cursors(self._ordered(rows, descending)[:count])

    def _ordered(self, rows: QuerySet[Any], descending: bool) -> QuerySet[Any]:
        return rows.order_by(*(f"-{name}" if descending else name for name in self._columns))


def _beyond(columns: Sequence[str], values: Sequence[Any], descending: bool) -> Q:
    """Return the condition for rows after ``values``; its first term alone bounds the index scan."""
    way = "lt" if descending else "gt"
    condition = Q(**{f"{columns[-1]}__{way}": values[-1]})
    for name, value in reversed(list(zip(columns[:-1], values[:-1], strict=True))):
        condition = Q(**{f"{name}__{way}e": value}) & (Q(**{f"{name}__{way}": value}) | condition)
    return condition


def _with_cursors(rows: QuerySet[Any]) -> list[Row]:
    return [(str(pk), pk) for *_, pk in rows]

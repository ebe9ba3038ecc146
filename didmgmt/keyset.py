"""Find pages of a list by key, where an index already has the rows in order."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

from didmgmt.listing import Listing, Row
from didmgmt.text import parse_whole


def rows_after(listing: Listing, cursor: str | None, count: int) -> list[Row]:
    """Return up to ``count`` rows of a valid list after a cursor, None for its beginning; counts nothing.

    Raises LookupError for a cursor that is not of this list.
    """
    keyset = listing.keyset or SortedKeyset(listing.matches, listing.order)
    return keyset.after(cursor, count)


class SortedKeyset:
    """Find pages of ``rows`` sorted by any expressions, of which the last is unique.

    A cursor has the values of a row, so that it still works when the row has been deleted. It is signed,
    because the database would fail for values of another type. Expressions may be null, and nulls come last;
    names of columns may not.
    """

    def __init__(self, rows: QuerySet[Any], order: Sequence[str | OrderBy]) -> None:
        terms = [_term(one) for one in order]
        self._descending = [descending for _, descending, _ in terms]
        self._nullable = [nullable for _, _, nullable in terms]
        self._names = [f"_sort_{place}" for place in range(len(terms))]
        values = {name: expression for name, (expression, *_) in zip(self._names, terms, strict=True)}
        self._rows = rows.annotate(**values).order_by(*order)
        self._signer = Signer(salt=f"didmgmt.keyset {rows.model._meta.label} {order}")

    def after(self, cursor: str | None, count: int) -> list[Row]:
        rows = self._rows if cursor is None else self._rows.filter(self._beyond(self._read(cursor)))
        found = rows.values_list(*self._names, "pk")[:count]
        return [(self._signer.sign_object([_plain(one) for one in values]), pk) for *values, pk in found]

    def _read(self, cursor: str) -> list[Any]:
        try:
            return [_value(one) for one in self._signer.unsign_object(cursor)]
        except (BadSignature, ValueError):
            raise LookupError(cursor) from None

    def _beyond(self, values: list[Any]) -> Q:
        condition = Q(pk__in=[])
        for name, value, descending, nullable in reversed(
            list(zip(self._names, values, self._descending, self._nullable, strict=True))
        ):
            same = Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
            condition = same & condition
            if value is not None:
                condition |= Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
                condition |= Q(**{f"{name}__isnull": True}) if nullable else Q(pk__in=[])
        return condition


def _term(one: str | OrderBy) -> tuple[Any, bool, bool]:
    """Return (expression, whether it descends, whether it may be null)."""
    if isinstance(one, str):
        return F(one.removeprefix("-")), one.startswith("-"), False
    return one.expression, one.descending, True


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _value(plain: Any) -> Any:
    return datetime.fromisoformat(plain["at"]) if isinstance(plain, dict) else plain


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

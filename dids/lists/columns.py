"""The columns of the list of numbers: which ones there are, which are shown, and what each needs."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.db.models import OuterRef, Subquery

from audit.history import visible_to
from didmgmt import clock
from didmgmt.statements import EVERYBODY, Statement
from didmgmt.text import shorten
from dids.labels import Names, ReservationNames
from dids.lifecycle import statuses as st
from dids.models import DID, head_geography
from dids.models.ageing import in_force, rule_of
from dids.models.marks import with_mark
from dids.models.numbers import AsListed

PARAMETER = "columns"
ALWAYS = "number"


class Column(NamedTuple):
    """A column of the list; ``sorts``: its name is a sort key of the list."""

    key: str
    label: str
    sorts: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether it is shown to those who have chosen no columns."""
        return self.key in DEFAULT


COLUMNS = {
    key: Column(key, label, sorts=sorts)
    for sorts, columns in (
        (
            True,
            {
                "id": "ID",
                "status": "Status",
                "operator": "Operator",
                "number": "DID",
                "tag": "Tag",
                "notes": "Notes",
                "client": "Client",
                "reseller": "Reseller",
            },
        ),
        (
            False,
            {
                "account": "Account",
                "package": "Package",
                "after_hold": "After Hold",
                "hold_days": "Hold days",
                "hold_until": "Hold until",
                "reserved_for": "Reserved for",
                "reserved_until": "Reserved until",
                "last_client": "Last client",
                "mark": "Mark",
                "country": "Country",
                "area": "Area",
                "type": "Type",
                "created": "Created",
                "changed": "Changed",
            },
        ),
    )
    for key, label in columns.items()
}
DEFAULT = tuple(key for key, column in COLUMNS.items() if column.sorts)


def read_columns(text: str) -> list[str]:
    """Return the keys of columns separated by commas, without repetitions and always with DID.

    Raises LookupError with a sentence for a column that doesn't exist.
    """
    keys = list(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))
    for key in keys:
        if key not in COLUMNS:
            raise LookupError(f"there is no column “{shorten(key)}”. Use some of {', '.join(COLUMNS)}.")
    return keys if ALWAYS in keys else [*keys, ALWAYS]


def remembered_columns(user) -> list[str]:
    """Return the columns that ``user`` has chosen last, without those that no longer exist."""
    keys = [key for key in user.did_columns.split(",") if key in COLUMNS]
    return keys or list(DEFAULT)


def rows_with_columns(pks, keys, viewer, now):
    """Return the numbers with these ids as rows ``for_table`` with what these columns need besides.

    They are tuples with the attributes of ``AsListed``. Costs one query, with index lookups for each row; the
    last clients cost another one, and those of names; so do reservations, the minimum holds, and heads that
    are new to the process. With "hold_days" each row has ``least``, its ``Minimum`` or None.
    """
    needed = frozenset(keys) & {"created", "changed", "hold_days", "mark"}
    statement, listed = _rows(needed)
    found = statement.rows(ids=pks, now=now, viewer=viewer, rest=settings.HOLD_DAYS)
    rows = list(map(listed._make, found))
    if "last_client" in keys:
        _add_past_clients(rows, viewer)
    if "reserved_for" in keys:
        _add_reservations(rows, viewer)
    if "hold_days" in keys:
        rules = in_force()
        for row in rows:
            row.least = rule_of(row.number, rules)
    if frozenset(keys) & {"country", "area", "type"}:
        head_geography.learn(row.number for row in rows)
    return rows


@cache
def _rows(needed):
    """Return the statement that reads rows by their ids with the columns ``needed``, and their class."""

    def annotated(ids, now, viewer, rest):
        past = visible_to(DID, viewer).filter(object_id=OuterRef("pk"))
        found = DID.objects.filter(pk__in=ids).for_table(now)
        if "created" in needed:
            created = past.filter(event="+").order_by("history_id")
            found = found.annotate(created_at=Subquery(created.values("at")[:1]))
        if "changed" in needed:
            found = found.annotate(changed_at=Subquery(past.order_by("-history_id").values("at")[:1]))
        if "mark" in needed:
            found = with_mark(found)
        return found.with_hold_days(rest) if "hold_days" in needed else found

    names = (*_STORED, *annotated([0], clock.now(), EVERYBODY, 0).query.annotation_select)
    statement = Statement(
        lambda ids, now, viewer, rest: annotated(ids, now, viewer, rest).values_list(*names), lists=["ids"]
    )
    # Rows, because instances take five times as long.
    return statement, type("ListedDID", (AsListed, namedtuple("ListedDID", names)), {})


_STORED = ("pk", "number", "after_hold", "hold_until", "reservation_id", "notes")


def _add_reservations(rows, viewer):
    """Set ``kept_for`` of each row: for whom it is reserved, or ""."""
    kept = {row.pk: row.reservation_id for row in rows if row.status_now == st.RESERVED}
    names = ReservationNames(kept.values(), viewer)
    for row in rows:
        reservation = kept.get(row.pk)
        row.kept_for = "" if reservation is None else names.whom(reservation)


def _add_past_clients(rows, viewer):
    """Set ``past_client`` of each row: its client, or the last one that ``viewer`` may know of, or ""."""
    free = DID.objects.filter(pk__in=[row.pk for row in rows if not row.client_name])
    accounts = dict(free.with_last_holder(viewer).values_list("pk", "last_account"))
    names = Names(viewer, accounts=accounts.values())
    for row in rows:
        account = accounts.get(row.pk)
        row.past_client = row.client_name if account is None else names.client(account)

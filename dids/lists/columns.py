"""The columns of the list of numbers: which ones there are, which are shown, and what each needs."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from functools import cache

from django.db.models import OuterRef, Subquery

from audit.history import visible_to
from didmgmt.text import shorten
from dids.labels import Names
from dids.lists.sqlite_stats import without_jit
from dids.models import DID
from dids.models.numbers import AsListed

PARAMETER = "columns"
ALWAYS = "number"


@dataclass(frozen=True)
class Column:
    """A column of the list; ``sorts``: its name is a sort key of the list."""

    key: str
    label: str
    sorts: bool = False


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
                "last_client": "Last client",
                "country": "Country",
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


def rows_with_columns(dids, keys, viewer, now):
    """Return ``dids`` as rows ``for_table`` with what these columns need besides; a page of numbers.

    They are tuples with the attributes of ``AsListed``, because instances take five times as long. Costs one
    query, with index lookups for each row; the last clients cost another one, and those of names.
    """
    past = visible_to(DID, viewer).filter(object_id=OuterRef("pk"))
    found = dids.for_table(now)
    if "created" in keys:
        created = past.filter(event="+").order_by("history_id")
        found = found.annotate(created_at=Subquery(created.values("at")[:1]))
    if "changed" in keys:
        found = found.annotate(changed_at=Subquery(past.order_by("-history_id").values("at")[:1]))
    if "hold_days" in keys:
        found = found.with_hold_days()
    names = (*_STORED, *found.query.annotation_select)
    rows = list(map(_listed(names)._make, found.values_list(*names)))
    if "last_client" in keys:
        _add_past_clients(rows, viewer)
    return rows


_STORED = ("pk", "number", "after_hold", "hold_until", "notes")


@cache
def _listed(names):
    """Return the class of rows with these columns."""
    return type("ListedDID", (AsListed, namedtuple("ListedDID", names)), {})


def _add_past_clients(rows, viewer):
    """Set ``past_client`` of each row: its client, or the last one that ``viewer`` may know of, or ""."""
    free = DID.objects.filter(pk__in=[row.pk for row in rows if not row.client_name])
    with without_jit(free.db):
        accounts = dict(free.with_last_holder(viewer).values_list("pk", "last_account"))
    names = Names(viewer, accounts=accounts.values())
    for row in rows:
        account = accounts.get(row.pk)
        row.past_client = row.client_name if account is None else names.client(account)

"""The columns of the list of numbers: which ones there are, which are shown, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from audit.history import visible_to
from didmgmt.text import shorten
from dids.models import DID

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


def with_columns(dids, keys, viewer):
    """Annotate what some columns need in addition to ``for_table``: index lookups within the same query."""
    past = visible_to(DID, viewer).filter(object_id=OuterRef("pk"))
    if "created" in keys:
        created = past.filter(event="+").order_by("history_id")
        dids = dids.annotate(created_at=Subquery(created.values("at")[:1]))
    if "changed" in keys:
        dids = dids.annotate(changed_at=Subquery(past.order_by("-history_id").values("at")[:1]))
    if "last_client" in keys:
        dids = dids.with_past_client(viewer)
    return dids.with_hold_days() if "hold_days" in keys else dids

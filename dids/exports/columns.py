"""The columns of a file of numbers, in the order of ``dids.imports.names``, which names them."""

from django.db.models import Case, F, When

from dids.imports.names import LABELS
from dids.lifecycle import holds
from dids.lists import columns as listed

# {key of a column: (its field or annotation in a query ``with_status_now`` and ``with_mark``, its attribute
# of a ``PastDID``)}
COLUMNS = {
    "id": ("pk", "pk"),
    "status": ("status_now", "status_now"),
    "operator": ("operator__name", "operator_name"),
    "number": ("number", "number"),
    "tags": ("tag_set__label", "tag_label"),
    "notes": ("notes", "notes"),
    "client": ("account__client__name", "client_name"),
    "account": ("account__name", "account_name"),
    "package": ("client_package__package__name", "package_name"),
    "after_hold": ("after_hold", "after_hold"),
    "reseller": ("operator__reseller__name", "reseller_name"),
    "mark": ("mark_class", "mark_class"),
}
# After those of the inventory. An import leaves them out, and the mark, since they follow from the digits.
GEOGRAPHY = ("country", "area", "type")
HEADER = [LABELS.get(key) or listed.COLUMNS[key].label for key in (*COLUMNS, *GEOGRAPHY)]
OF_HOLDER = ("client", "account", "package")  # without a value when a hold is over


def values(now):
    """Return the values of a row for ``values_list`` of a query ``with_status_now`` and ``with_mark``."""
    return [
        Case(When(holds.over(now), then=None), default=F(field)) if key in OF_HOLDER else field
        for key, (field, _) in COLUMNS.items()
    ]


def missing_row(number, state):
    """Return the row of a number that was searched for and not found; its ``state`` is no status."""
    return tuple({"status": state, "number": number}.get(key, "") for key in (*COLUMNS, *GEOGRAPHY))


PAST_VALUES = [attribute for _, attribute in COLUMNS.values()]

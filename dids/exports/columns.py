"""The columns of a file of numbers, in the order of ``dids.imports.names``, which names them."""

from django.db.models import Case, F, Value, When

from dids.imports.names import LABELS
from dids.lifecycle import statuses as st


def _holder(path):
    """Return an expression for a name of the client's; blank for an overdue hold, which has no client."""
    return Case(When(status_now__in=st.HELD, then=F(path)), default=Value(""))


# {key of a column: (its value in a query ``with_status_now``, its attribute of a ``PastDID``)}
COLUMNS = {
    "id": ("pk", "pk"),
    "status": ("status_now", "status_now"),
    "operator": ("operator__name", "operator_name"),
    "number": ("number", "number"),
    "tags": ("tag_set__label", "tag_label"),
    "notes": ("notes", "notes"),
    "client": (_holder("account__client__name"), "client_name"),
    "account": (_holder("account__name"), "account_name"),
    "package": (_holder("client_package__package__name"), "package_name"),
    "after_hold": ("after_hold", "after_hold"),
    "reseller": ("operator__reseller__name", "reseller_name"),
}
HEADER = [LABELS[key] for key in COLUMNS]
VALUES = [value for value, _ in COLUMNS.values()]


def missing_row(number, state):
    """Return the row of a number that was searched for and not found; its ``state`` is no status."""
    return tuple({"status": state, "number": number}.get(key, "") for key in COLUMNS)


PAST_VALUES = [attribute for _, attribute in COLUMNS.values()]

"""The rows of a file of who had which numbers: the header, then a tuple of values for each number."""

from django.utils import timezone

from dids.history.ownership import ABSENT, DELETED, FREE, NEVER, ON_HOLD, UNKNOWN, USED

STATES = {
    USED: "in use",
    ON_HOLD: "on Hold after use",
    FREE: "unassigned",
    ABSENT: "not in the inventory at that time",
    DELETED: "deleted",
    NEVER: "never in the inventory",
    UNKNOWN: "unknown",
}
HEADER = (
    *("DID", "Time", "State", "Status", "Client", "Client then", "Account", "Account then"),
    *("Package", "Package then", "From", "Started by", "Started with", "Start change"),
    *("Until", "Ended by", "Ended with", "End change", "Note"),
)


def _local(at):
    return timezone.localtime(at).isoformat(" ")


def row(one, at, show=_local):
    """Return the row of an ``Ownership`` at the time ``at``.

    ``show``: returns the text of a time, by default as ISO 8601 in the active time zone with its UTC offset.
    """
    period, dated = one.period, one.dated
    return (
        *(one.number, show(at), STATES[one.kind], one.status_label),
        *(period.client, period.client_then, period.account_name, period.account_then),
        *(period.package, period.package_then),
        *_boundary_cells(dated and dated.began, show),
        *_boundary_cells(dated and dated.ended, show),
        one.note,
    )


def _boundary_cells(boundary, show):
    if boundary is None:
        return ("",) * 4
    change = boundary.change.pk if boundary.change else ""
    return show(boundary.at), boundary.actor, boundary.action, change

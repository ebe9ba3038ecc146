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


def row(one, at):
    """Return the row of an ``Ownership`` at the time ``at``; times as ISO 8601 with their UTC offset."""
    period, dated = one.period, one.dated
    return (
        *(one.number, _iso(at), STATES[one.kind], one.status_label),
        *(period.client, period.client_then, period.account_name, period.account_then),
        *(period.package, period.package_then),
        *_boundary_cells(dated and dated.began),
        *_boundary_cells(dated and dated.ended),
        one.note,
    )


def _boundary_cells(boundary):
    if boundary is None:
        return ("",) * 4
    change = boundary.change.pk if boundary.change else ""
    return _iso(boundary.at), boundary.actor, boundary.action, change


def _iso(at):
    return timezone.localtime(at).isoformat(" ")

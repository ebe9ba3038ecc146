"""The rows of a file of broken minimum holds: the header, then a tuple for each breach."""

from django.utils import timezone

from dids.history.breaches import every_breach

HEADER = (
    *("DID", "Assigned", "Days rested", "Days, at least", "Prefix"),
    *("Before", "Then", "By", "Change", "Reason"),
)


def breach_rows(viewer, now):
    """Yield the rows of all breaches that ``viewer`` may see; times are in the active time zone."""
    yield HEADER
    for one in every_breach(viewer, now):
        at = timezone.localtime(one.at).isoformat(" ", "seconds")
        yield (
            *(one.number, at, one.rested, one.minimum, one.prefix),
            *(one.before, one.then, one.who, one.change.pk, one.reason),
        )

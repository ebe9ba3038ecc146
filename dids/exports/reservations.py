"""The rows of a file of reservations: the header, then a tuple of text for each."""

from django.utils import timezone

from didmgmt.streams import stream

HEADER = (
    *("First number", "Last number", "Numbers", "Client", "Name", "Purpose"),
    *("Reserved by", "Since", "Ends"),
)
_FIELDS = (
    *("first", "last", "numbers", "client__name", "name", "purpose"),
    *("maker", "made_at", "ends_at"),
)


def reservation_rows(reservations):
    """Yield the rows of ``reservations``, a queryset ``with_numbers``; times are in the active time zone."""
    yield HEADER
    for *facts, made_at, ends_at in stream(reservations.values_list(*_FIELDS)):
        yield (*("" if fact is None else str(fact) for fact in facts), _time(made_at), _time(ends_at))


def _time(at):
    return timezone.localtime(at).isoformat(" ", "minutes") if at else ""

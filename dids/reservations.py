"""The sentences about reservations."""

from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone

from audit.models import Change
from didmgmt.dates import show_minute
from didmgmt.text import count_noun, enumerated
from dids.lifecycle.result import Refusal
from dids.models import DIDHistory


def until_words(ends_at):
    """Return "until 5 Dec 2026, 23:59" in the active time zone, or "without end"."""
    return f"until {show_minute(timezone.localtime(ends_at))}" if ends_at else "without end"


def reserved_sentence(reservation, result):
    """Return what was reserved for whom and until when, and what was refused."""
    return result.sentence(f"reserved for {reservation.whom} {until_words(reservation.ends_at)}")


def extended_sentence(reservation, result):
    """Return what an extension did."""
    if not result.done and not result.unchanged:
        return f"The reservation for {reservation.whom} is over already. Reserve the numbers again."
    ends = until_words(reservation.ends_at) if reservation.ends_at else "without an end"
    return f"{count_noun(result.done, 'number')} now reserved for {reservation.whom} {ends}."


def all_extended_sentence(count, ends_at, result):
    """Return what an extension of ``count`` reservations did."""
    return result.sentence(f"of {count_noun(count, 'reservation')} now reserved {until_words(ends_at)}")


def ended_sentence(reservation, result):
    """Return what the end of a reservation did."""
    return f"The reservation for {reservation.whom} has ended. {result.sentence('put in stock')}"


def newest_row():
    """Return the id of the newest row of the history of numbers, for ``taken_sentence``."""
    return DIDHistory.objects.aggregate(newest=Max("pk"))["newest"] or 0


def taken_sentence(result, expected, seen):
    """Return that numbers were taken since the rehearsal that found ``expected`` numbers, and by whom.

    ``seen``: ``newest_row`` then. "" if none of the refused numbers was written since. One query.
    """
    refused = [number for refusal in result.refusals.values() for number in refusal.numbers]
    later = DIDHistory.objects.filter(number__in=refused, history_id__gt=seen)
    last = later.filter(number=OuterRef("number")).order_by("-history_id").values("history_id")[:1]
    rows = later.filter(history_id=Subquery(last)).order_by("number").select_related("change")
    taken = [(row.number, _actor(row.change)) for row in rows]
    if not taken:
        return ""
    numbers = [number for number, _ in taken]
    named = Refusal("", "", len(numbers), numbers).named
    actors = enumerated(sorted({actor for _, actor in taken}))
    verb = "was" if len(numbers) == 1 else "were"
    return f"{len(numbers):,} of {expected:,} {verb} taken meanwhile by {actors}: {named}."


def _actor(change):
    if change is None:
        return "something outside the application"
    return "the system" if change.actor_kind == Change.Actor.SYSTEM else change.who

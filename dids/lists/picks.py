"""Pick numbers to assign: pasted ones, any available ones, or available ones in a row."""

from dataclasses import dataclass

from django.conf import settings

from didmgmt.listing import TICKED_LIMIT
from didmgmt.text import count_noun
from dids.lifecycle import statuses as st
from dids.lifecycle.result import SAMPLE, Refusal, Result
from dids.lists.filters import matching
from dids.models import DID
from dids.models.number_writes import CHUNK
from dids.numbering.search import Search

PICK_LIMIT = TICKED_LIMIT  # the page carries the id of each picked number
MISSING = "not in the inventory; create them with New DIDs or correct them"


class PickError(ValueError):
    """There are no such numbers to pick; the message is a sentence for people."""


@dataclass
class Pick:
    """Picked numbers, like a ``Selection``; ``missing`` counts pasted ones that are not in the inventory."""

    queryset: object
    count: int
    ids: str
    missing: Result
    pasted: str = ""
    query: str = ""
    scope = "ids"
    expected = note = error = ""

    @classmethod
    def of(cls, ids, missing=None, pasted=""):
        """Pick at most ``PICK_LIMIT`` ids. ``pasted``: the text that they were found by."""
        ids = list(ids)
        chosen = DID.objects.filter(pk__among=ids)
        return cls(chosen, len(ids), ",".join(map(str, ids)), missing or Result(), pasted)


def pick_pasted(text, numbers, visible):
    """Pick the ``visible`` ones of ``numbers``, which were read from ``text``. Raises PickError."""
    pick = pick_listed(numbers, visible, text)
    if not pick.count:
        named = pick.missing.refusals["missing"].named
        raise PickError(f"None of these numbers is in the inventory: {named}.")
    return pick


def pick_listed(numbers, visible, text=""):
    """Pick the ``visible`` ones of ``numbers``, perhaps none; the others are ``missing``."""
    found = {}
    for chunk in numbers.chunks(CHUNK):
        found.update(visible.filter(number__in=chunk).values_list("number", "pk"))
    missing = Result()
    if gone := [number for number in numbers if number not in found]:
        missing.refuse("missing", MISSING, len(gone), gone)
    return Pick.of(found.values(), missing, text)


def pick_matching(filterset):
    """Pick all that match a valid ``DIDFilter``, perhaps none; a job searches again."""
    found = filterset.qs.order_by()
    return Pick(found, found.count(), "", Result(), query=filterset.parameters().urlencode())


def pick_any(available, count):
    """Pick the first ``count`` of the ``available`` numbers. Raises PickError."""
    pick = Pick.of(available.order_by("number").values_list("pk", flat=True)[:count])
    if pick.count < count:
        most = f"Only {pick.count:,} can" if pick.count else "No number can"
        raise PickError(f"{most} be picked for this package. Enter a smaller count.")
    return pick


def pick_consecutive(available, count, runs):
    """Pick ``count`` of the ``available`` numbers that follow one another. Raises PickError.

    ``runs``: the ``FreeRuns`` of the available numbers, of which the shortest long enough is broken up.
    """
    found = runs.best_fit(count, limit=1).rows
    if not found:
        longest = runs.longest()
        most = f"The longest free run is {_size(*longest):,}: {longest[0]} – {longest[1]}." if longest else ""
        raise PickError(f"No {count:,} in a row can be picked. {most or 'Nothing is free.'}")
    return pick_any(matching(available, Search("range", low=found[0].first, high=found[0].last)), count)


def _size(first, last):
    return int(last) - int(first) + 1


def rows_to_pick(dids, viewer, now):
    """Return the rows of a page of numbers to pick from, with the clients that had them last."""
    return list(dids.for_table(now).with_last_holder(viewer))


def reuse_warning(pick, client, viewer, now):
    """Return a sentence about numbers that another client released recently, or ""."""
    days = settings.DID_REUSE_DAYS
    if pick.count > PICK_LIMIT:
        return f"Recent clients are not checked for more than {PICK_LIMIT:,} numbers."
    found = pick.queryset.in_status([st.INSTOCK], now).recently_released(days, client, viewer, now)
    numbers = list(found.order_by("number").values_list("number", flat=True))
    if not numbers:
        return ""
    recent = Refusal("", "", len(numbers), numbers[:SAMPLE])
    return (
        f"Another client released {len(numbers):,} of these numbers less than {count_noun(days, 'day')} ago:"
        f" {recent.named}."
    )

"""Previews of what writes to numbers mean for clients: numbers that go on Hold, and that return from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Count

from didmgmt.text import count_noun
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lifecycle.result import SAMPLE, Refusal

if TYPE_CHECKING:
    from datetime import datetime

BY_A_PERSON = "put there by a person; to use again, activate on the client’s DIDs tab"


@dataclass(frozen=True)
class HoldGroup:
    """``count`` numbers with the same hold: it ends at ``ends``, or with 0 ``days`` is skipped."""

    days: int
    ends: datetime | None
    after_hold: str
    count: int

    @property
    def label(self):
        return st.LABELS[self.after_hold]


@dataclass(frozen=True)
class HoldPreview:
    """Preview of a hold: ``groups`` of all numbers, and the ``first`` of them with ``hold_ends``."""

    groups: list[HoldGroup]
    first: list

    @property
    def count(self):
        return sum(group.count for group in self.groups)


@dataclass(frozen=True)
class Resumption:
    """What the activation of a package does, or did, with its numbers on Hold.

    ``returned``: {status: how many return to it}. ``stay``: those that remain on Hold, by reason.
    ``change``: the id of the recorded change, None in a preview.
    """

    returned: dict[str, int] = field(default_factory=dict)
    stay: list[Refusal] = field(default_factory=list)
    change: int | None = None

    @property
    def count(self):
        return sum(self.returned.values())

    @property
    def groups(self):
        """Return [(label of a status, how many return to it)], without empty ones."""
        return [(st.LABELS[key], self.returned[key]) for key in st.RESUMED if self.returned.get(key)]

    def __str__(self):
        """Return the result in words."""
        groups = ", ".join(f"{count:,} {label}" for label, count in self.groups)
        done = f"{count_noun(self.count, 'number')} returned from Hold: {groups}." if self.count else ""
        stay = (
            f"{group.count:,} {'stays' if group.count == 1 else 'stay'} on Hold ({group.named}): {group.why}."
            for group in self.stay
        )
        return " ".join([done or "No number returned from Hold.", *stay])


def resting(numbers, client_package, now):
    """Return the numbers that the stop of their package put on Hold, in the order in which they return."""
    on_hold = numbers.filter(holds.running(now), client_package=client_package)
    return on_hold.filter(resumes_as__isnull=False).order_by("hold_from", "pk")


def preview_resumption(numbers, client_package, full, now):
    """Return the ``Resumption`` of ``client_package``; at most five queries.

    ``full``: why the numbers beyond its DID limit stay.
    """
    stopped, free = resting(numbers, client_package, now), client_package.free_slots()
    returned, stay = _by_status(stopped), []
    if (over := sum(returned.values()) - free) > 0:
        returned = _by_status(numbers.model.objects.filter(pk__in=stopped.values("pk")[:free]))
        stay.append(Refusal("full", full, over, _sample(stopped[free : free + SAMPLE])))
    by_hand = numbers.filter(
        holds.running(now), client_package=client_package, resumes_as__isnull=True
    ).order_by("number")
    if count := by_hand.count():
        stay.append(Refusal("by hand", BY_A_PERSON, count, _sample(by_hand[:SAMPLE])))
    return Resumption(returned, stay)


def _by_status(numbers):
    return dict(numbers.order_by().values_list("resumes_as").annotate(Count("pk")))


def _sample(numbers):
    return list(numbers.values_list("number", flat=True))

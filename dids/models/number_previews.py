"""Previews of what writes to numbers mean for clients: numbers that go on Hold, and that return from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Count, Value

from didmgmt.text import count_noun
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lifecycle.result import SAMPLE, Refusal, Result
from dids.models.ageing import minimum_days
from dids.models.package_classes import outside, refusals

if TYPE_CHECKING:
    from datetime import datetime

CLIENTS_SHOWN = 5  # clients that a preview names
CLIENTS_LISTED = 100  # clients that it lists on request
BY_A_PERSON = "put there by a person; to use again, activate on the client’s DIDs tab"


@dataclass(frozen=True)
class HoldGroup:
    """``count`` numbers with the same hold: it ends at ``ends``, or with 0 ``days`` is skipped."""

    status: str
    days: int
    ends: datetime | None
    after_hold: str
    count: int


@dataclass(frozen=True)
class Loss:
    """A client that loses the use of ``count`` numbers, of ``total`` that it uses.

    ``package``: the package of these numbers, "" for several. ``total`` is 0 where it was not counted.
    ``url``: of their list, if a screen has one.
    """

    pk: int
    client: str
    package: str
    count: int
    total: int
    url: str = ""

    @property
    def is_total(self):
        return self.count >= self.total


@dataclass(frozen=True)
class Losses:
    """The clients that lose the use of numbers: the ``first`` of them, those with the most numbers.

    ``more``: how many other clients do, and ``more_numbers`` how many numbers these lose; ``others``: the
    next of these. ``url``: of the list of all the numbers, if a screen has one.
    """

    first: list[Loss]
    more: int = 0
    more_numbers: int = 0
    others: list[Loss] = field(default_factory=list)
    url: str = ""

    @property
    def clients(self):
        return len(self.first) + self.more

    @property
    def numbers(self):
        return sum(loss.count for loss in self.first) + self.more_numbers

    @property
    def unlisted(self):
        return self.more - len(self.others)


@dataclass(frozen=True)
class HoldPreview:
    """Preview of a hold: the ``groups`` of numbers, and the clients that lose them.

    ``first``: some of the numbers with ``hold_ends``, where the caller asks for them.
    """

    groups: list[HoldGroup]
    losses: Losses
    first: list = field(default_factory=list)

    @property
    def count(self):
        return sum(group.count for group in self.groups)

    @property
    def unreachable(self):
        """How many numbers become unreachable; the others are Blocked already."""
        return sum(group.count for group in self.groups if group.status == st.ACTIVE)

    @property
    def blocked(self):
        return self.count - self.unreachable

    @property
    def rests(self):
        """Whether any number stays on Hold for a time."""
        return any(group.days for group in self.groups)

    @property
    def ends(self):
        """Return [(when a hold ends, days, count)], soonest first; None and 0 for those that skip it."""
        counts = Counter()
        for group in self.groups:
            counts[group.ends, group.days] += group.count
        return [
            (ends, days, count) for (ends, days), count in sorted(counts.items(), key=lambda one: one[0][1])
        ]

    @property
    def then(self):
        """Return [(status, label, how many become it)], the most first."""
        counts = Counter()
        for group in self.groups:
            counts[group.after_hold] += group.count
        return [(key, st.LABELS[key], count) for key, count in counts.most_common()]


@dataclass(frozen=True)
class EditPreview:
    """What an edit does: the ``result`` it would have, and what it means for clients.

    ``hold``: of the numbers that go on Hold, None if none does. ``blocked``: the clients whose numbers become
    unreachable because they are Blocked, None if none is.
    """

    result: Result
    hold: HoldPreview | None = None
    blocked: Losses | None = None


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


def preview_hold(numbers, by_days, viewer, now, rules):
    """Return the ``HoldPreview`` of ``numbers`` in use that go on Hold; five queries, one of all numbers.

    ``numbers`` are annotated with ``then``, their After Hold status. ``by_days``: see ``count_by_days``.
    ``rules``: those of minimum holds.
    """
    least = numbers.order_by().annotate(least=minimum_days(rules) or Value(0))
    held = least.values("account", "client_package", "operator", "hold_days", "least", "status", "then")
    sql, params = held.annotate(numbers=Count("pk")).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAYS_AND_CLIENT.format(held=sql), [*params, CLIENTS_LISTED])
        found = cursor.fetchall()
    counts = by_days([(*days, int(count)) for is_client, *days, _, count, _, _ in found if not is_client])
    clients = [
        (client, name, count, package, last, every, all_numbers)
        for is_client, client, _, _, _, name, package, last, count, every, all_numbers in found
        if is_client
    ]
    groups = [
        HoldGroup(status, days, holds.end(now, days), then, count)
        for (status, days, then), count in sorted(counts.items())
    ]
    return HoldPreview(groups, _losses_of(clients, numbers.model, viewer))


def losses(numbers, viewer):
    """Return the ``Losses`` of clients that no longer use ``numbers``; at most two queries.

    Raw SQL, because only few rows are left to join once the numbers of each account are counted.
    """
    held = numbers.order_by().values("account", "client_package").annotate(numbers=Count("pk"))
    sql, params = held.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_BY_CLIENT.format(held=f"({sql})"), [*params, CLIENTS_LISTED])
        return _losses_of(cursor.fetchall(), numbers.model, viewer)


def _losses_of(found, model, viewer):
    """Return the ``Losses`` of rows of ``_BY_CLIENT``; at most one query."""
    if not found:
        return Losses([])
    shown = found if len(found) <= CLIENTS_SHOWN else found[: CLIENTS_SHOWN - 1]
    used = model.objects.visible_to(viewer).filter(
        account__client__in=[client for client, *_ in shown], status__in=st.IN_USE
    )
    totals = dict(used.order_by().values_list("account__client").annotate(Count("pk")))
    listed = [
        Loss(
            client,
            name,
            package if package == last_package else "",
            int(count),
            totals.get(client, int(count)) if position < len(shown) else 0,
        )
        for position, (client, name, count, package, last_package, *_) in enumerate(found)
    ]
    first, others = listed[: len(shown)], listed[len(shown) :]
    if not others:
        return Losses(first)
    *_, clients, every = found[0]
    return Losses(first, clients - len(first), int(every) - sum(loss.count for loss in first), others)


_BY_CLIENT = """
    SELECT client.id, client.name, sum(held.numbers) AS numbers, min(package.name) AS first_package,
           max(package.name) AS last_package, count(*) OVER () AS clients,
           sum(sum(held.numbers)) OVER () AS every
    FROM {held} AS held
    JOIN clients_account account ON account.id = held.account
    JOIN clients_client client ON client.id = account.client_id
    JOIN dids_clientpackage given ON given.id = held.client_package
    JOIN clients_package package ON package.id = given.package_id
    GROUP BY client.id, client.name ORDER BY 3 DESC, 2, 1 LIMIT %s
"""
# One pass over the numbers: what they have in common is counted first, and these few rows twice.
_BY_DAYS_AND_CLIENT = f"""
    WITH counted AS MATERIALIZED ({{held}})
    SELECT 0, hold_days, client_package, operator, least, status, "then", '', sum(numbers), 0, 0
    FROM counted GROUP BY 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT 1, id, 0, 0, 0, name, first_package, last_package, numbers, clients, every
    FROM ({_BY_CLIENT.format(held="counted")}) AS by_client
"""


def resting(numbers, client_package, now):
    """Return the numbers that the stop of their package put on Hold, in the order in which they return.

    Without those of a class that the package does not take any more.
    """
    stopped, refused = _stopped(numbers, client_package, now), outside(client_package.package)
    return stopped.exclude(refused) if refused else stopped


def _stopped(numbers, client_package, now):
    on_hold = numbers.filter(holds.running(now), client_package=client_package)
    return on_hold.filter(resumes_as__isnull=False).order_by("hold_from", "pk")


def preview_resumption(numbers, client_package, full, now):
    """Return the ``Resumption`` of ``client_package``; at most five queries, more with a rule on classes.

    ``full``: why the numbers beyond its DID limit stay.
    """
    stopped, free = resting(numbers, client_package, now), client_package.free_slots()
    returned = _by_status(stopped)
    stay = refusals(_stopped(numbers, client_package, now), client_package.package)
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

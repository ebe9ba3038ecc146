"""What will happen to numbers by itself, by day: the ends of holds, reservations and packages, and starts.

Days are those of the active time zone. Counted is what follows from what is stored now if nobody interferes:
a hold and a reservation end with their time; the end of a package puts its numbers in use on Hold for their
hold days, and the ends of these holds follow. Not counted is what people and programs do until then.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from django.db import connections
from django.db.models import Count, Value
from django.utils import timezone

from clients.models import Reseller
from didmgmt.dates import midnight
from didmgmt.streams import stream
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Reservation
from dids.models.ageing import in_force, minimum_days
from dids.models.hold_days import days_of
from operators.models import Operator

DAYS_AHEAD = 366  # the last day that can be asked for, from today
HOLD_ENDS, FOLLOWING, RESERVATION_ENDS = "hold_ends", "following_hold_ends", "reservation_ends"
PACKAGE_ENDS, PACKAGE_STARTS = "package_ends", "package_starts"
# {kind: what it is called}, in the order of a day. The holds that follow have not begun yet.
KINDS = {
    HOLD_ENDS: "Hold ends",
    FOLLOWING: "Follow-on hold ends",
    RESERVATION_ENDS: "Reservation ends",
    PACKAGE_ENDS: "Package ends",
    PACKAGE_STARTS: "Package starts",
}
EVENTS_MOST = 100
PACKAGES_AT_ONCE = 1_000
_MOMENT = timedelta(microseconds=1)

# A range of the index on ``hold_until``, which has all that is counted. Raw SQL, because one statement reads
# the ranges of all days, and grouping by texts takes twice as long. Counted are
# reservations, then holds by what they become.
_ENDING = [
    f"status = '{st.RESERVED}'",
    *(f"status = '{st.HOLD}' AND after_hold = '{one}'" for one in st.FREE),
]
_OF_DAY = f"""
    SELECT {{day}}, {", ".join(f"count(*) FILTER (WHERE {one})" for one in _ENDING)}
    FROM dids_did WHERE hold_until >= %s AND hold_until < %s{{branch}}
"""  # noqa: S608 - constants


@dataclass
class Entry:
    """What of one kind happens on a day.

    ``outcomes``: {status: how many numbers get it}. ``events``: how many packages or reservations it is; for
    holds, which end each by itself, 0.
    """

    day: date
    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    events: int = 0

    @property
    def numbers(self) -> int:
        return self.outcomes.total()

    @property
    def label(self) -> str:
        return KINDS[self.kind]

    @property
    def becomes(self) -> str:
        return becomes(self.outcomes)


@dataclass
class Event:
    """A reservation or a client package (``record``) that ends or starts at ``at``.

    Its numbers get ``outcomes``; those that go on Hold stay there until a time of ``until``.
    """

    kind: str
    at: datetime
    record: Any
    outcomes: Counter[str] = field(default_factory=Counter)
    until: set[datetime] = field(default_factory=set)

    @property
    def numbers(self) -> int:
        return self.outcomes.total()


def becomes(outcomes: Counter[str]) -> str:
    """Return what numbers become: "to In Stock", or "20 to In Stock, 3 to Reserved" with the most first."""
    found = [(st.LABELS[status], count) for status, count in outcomes.most_common() if count]
    if len(found) == 1:
        return f"to {found[0][0]}"
    return ", ".join(f"{count:,} to {label}" for label, count in found)


class Upcoming:
    """What happens from ``first`` to ``last``, both included, to what ``viewer`` may see.

    ``first`` is today or later. ``reseller``: only what is of it. ``named``: (first, last) of the days of
    which ``events`` has the single reservations and packages.
    """

    def __init__(
        self,
        viewer: Any,
        first: date,
        last: date,
        *,
        now: datetime,
        reseller: Reseller | None = None,
        named: tuple[date, date] | None = None,
    ) -> None:
        self.viewer, self.first, self.last, self.now, self.reseller = viewer, first, last, now, reseller
        self.named = named
        self.begins = max(midnight(first), now + _MOMENT)  # what is over by the clock does not happen again
        self.ends = midnight(last + timedelta(days=1))

    @cached_property
    def events(self) -> list[Event]:
        """The first ``EVENTS_MOST`` of each kind on the ``named`` days; ``entries`` adds what packages do.

        It reads the numbers of packages that end anyway.
        """
        if self.named is None:
            return []
        first, last = self.named
        begins, ends = midnight(first), midnight(last + timedelta(days=1))
        found = []
        for kind, column, records in self._records():
            # What is overdue is on the first day.
            some = records.filter(**{f"{column}__lt": ends}).order_by(column, "pk")
            if first > self.first:
                some = some.filter(**{f"{column}__gte": begins})
            if kind == RESERVATION_ENDS:
                some = some.with_numbers().select_related("client")
            else:
                some = some.select_related("client", "package")
            for record in some[:EVENTS_MOST]:
                event = Event(kind, getattr(record, column), record)
                if kind == RESERVATION_ENDS:
                    event.outcomes[st.INSTOCK] = record.numbers or 0
                found.append(event)
        return found

    def _records(self) -> list[tuple[str, str, Any]]:
        """Return [(kind, column of its time, querysets of what ends or starts on the days)]."""
        packages = self._own(ClientPackage.objects).filter(active=True)
        # One whose end has come is switched off by the worker within a minute.
        ending = packages.filter(ends_at__lt=self.ends)
        if self.begins > self.now + _MOMENT:
            ending = ending.filter(ends_at__gte=self.begins)
        starting = packages.filter(starts_at__gte=self.begins, starts_at__lt=self.ends)
        reservations = self._own(Reservation.objects).running(self.now)
        reservations = reservations.filter(ends_at__gte=self.begins, ends_at__lt=self.ends)
        return [
            (RESERVATION_ENDS, "ends_at", reservations),
            (PACKAGE_ENDS, "ends_at", ending),
            (PACKAGE_STARTS, "starts_at", starting),
        ]

    def _own(self, records: Any) -> Any:
        found = records.visible_to(self.viewer)
        return found if self.reseller is None else found.filter(**{found.branch: self.reseller})

    @cached_property
    def entries(self) -> dict[tuple[date, str], Entry]:
        """{(day, kind): Entry}, by day, of what happens; at most ten queries, with many packages more."""
        found: dict[tuple[date, str], Entry] = {}
        ends = {event.record.pk: event for event in self.events if event.kind == PACKAGE_ENDS}

        def entry(day: date | None, kind: str) -> Entry:
            """Return the entry of a day, one that nobody sees for a day that is not among these."""
            return found.setdefault((day, kind), Entry(day, kind)) if day else Entry(self.first, kind)

        for on, kind, outcome, count in self._timed():
            if count:
                entry(on, kind).outcomes[outcome] += count
        for kind, column, records in self._records():
            for at, count in stream(records.order_by().values_list(column).annotate(Count("pk"))):
                entry(self._day_of(at), kind).events += count
        for package, at, days, after_hold, count in self._stopped():
            until = holds.end(at, days)
            outcome = st.HOLD if until else after_hold
            entry(self._day_of(at), PACKAGE_ENDS).outcomes[outcome] += count
            if until:
                entry(self._day_of(until), FOLLOWING).outcomes[after_hold] += count
            if event := ends.get(package):
                event.outcomes[outcome] += count
                event.until |= {until} if until else set()
        order = list(KINDS)
        return dict(sorted(found.items(), key=lambda item: (item[0][0], order.index(item[0][1]))))

    def _timed(self) -> Iterator[tuple[date, str, str, int]]:
        """Yield (day, kind, outcome, numbers) of holds and reservations that end; one or two queries."""
        operators = self._operators()
        if operators == []:
            return
        branch = ""
        if operators is not None:
            branch = f" AND operator_id IN ({', '.join(['%s'] * len(operators))})"
        days = [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        bounds = [self.begins, *map(midnight, days[1:]), self.ends]
        connection = connections[DID.objects.db]
        adapted = list(map(connection.ops.adapt_datetimefield_value, bounds))
        params = [one for n in range(len(days)) for one in (*adapted[n : n + 2], *(operators or ()))]
        statement = " UNION ALL ".join(_OF_DAY.format(day=n, branch=branch) for n in range(len(days)))
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            for n, reserved, *held in cursor.fetchall():
                yield days[n], RESERVATION_ENDS, st.INSTOCK, reserved
                for after_hold, count in zip(st.FREE, held, strict=True):
                    yield days[n], HOLD_ENDS, after_hold, count

    def _operators(self) -> list[int] | None:
        """Return the primary keys of the operators whose numbers count, None for all."""
        if self.reseller is None and self.viewer.reseller_id is None:
            return None
        found = Operator.objects.visible_to(self.viewer)
        if self.reseller is not None:
            found = found.filter(reseller=self.reseller)
        return list(found.values_list("pk", flat=True))

    def _stopped(self) -> Iterator[tuple[int, datetime, int, str, int]]:
        """Yield (client package, when, hold days, after hold, numbers) of packages that end by the last day.

        Those of earlier days are among them, because their holds may end later. The hold days are found for
        each combination of what they are inherited from, see ``days_of``. Numbers are grouped by few columns
        and not through a cursor, for whose first rows PostgreSQL would sort them all.
        """
        stopping = self._own(ClientPackage.objects).filter(active=True, ends_at__lt=self.ends)
        packages = iter(stream(stopping.values_list("pk", "ends_at")))
        least = minimum_days(in_force()) or Value(0)
        while ends := dict(islice(packages, PACKAGES_AT_ONCE)):
            stopped = DID.objects.filter(client_package__in=list(ends), status__in=st.IN_USE).order_by()
            groups = stopped.annotate(least=least).values_list(
                "client_package", "operator", "hold_days", "least", "after_hold"
            )
            found = list(groups.annotate(Count("pk")))
            days = days_of({(own, package, operator) for package, operator, own, *_ in found})
            for package, operator, own, minimum, after_hold, count in found:
                at = max(ends[package], self.now)  # the worker ends one that is over within a minute
                yield package, at, max(days[own, package, operator], minimum), after_hold, count

    def _day_of(self, at: datetime) -> date | None:
        """Return the day of a time, None if it is not among the days."""
        day = timezone.localtime(max(at, self.now)).date()
        return day if self.first <= day <= self.last else None

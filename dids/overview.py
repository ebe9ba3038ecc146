"""The overview of a branch: what is in stock, what comes back when, where it runs dry, what needs somebody.

Counts of statuses and groups are live, from the counters. Everything over time is from the days and the
outlook that the worker keeps (``stock_days``). The inventory is not counted.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import chain
from urllib.parse import urlencode

from django.db.models import Count, F, FloatField, Max, Min, Q, Sum
from django.db.models.functions import Cast, Length, NullIf, Substr
from django.utils import timezone

from dids.forecast import DAYS, Forecast, Rate, forecast
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import (
    DID,
    ClientPackage,
    CountedDay,
    HeadStock,
    LowStock,
    Reservation,
    Stock,
    StockDay,
    StockLevel,
    StockOutlook,
    head_geography,
    stock_days,
)
from dids.models.number_reads import any_hold_over
from dids.models.prefixes import TAIL
from dids.models.stock_days import COUNTRY, OPERATOR, PLACES, PREFIX, PREFIX_DIGITS, SUBJECTS, TAG, TYPE
from dids.numbering.countries import COUNTRIES
from dids.numbering.geography import TYPES, UNKNOWN, grouped
from operators.models import Operator

STATUSES = (st.ACTIVE, st.BLOCKED, st.HOLD, st.RESERVED, st.INSTOCK, st.ARCHIVE)  # in use first
PLACE_NAMES = {COUNTRY: COUNTRIES, TYPE: TYPES}
GROUPED = (TAG, COUNTRY, TYPE, PREFIX)  # what the last panel shows
PAST, AHEAD = 90, 120  # days of a curve
RETURNS = 45  # days of returns from Hold
CHANGE = 30  # days ago with which a status is compared
SHOWN, ALL_MOST = 8, 200  # subjects that run dry first, and with ``everything``
RANKED = 60  # subjects of which the shown ones are the first
GROUPS_MOST = 100
URGENT, SOON = timedelta(days=7), timedelta(days=14)  # until the stock runs dry
ENDING = timedelta(days=3)  # packages and reservations
SILENT = timedelta(hours=3)  # without a snapshot


@dataclass
class StatusCount:
    status: str
    numbers: int
    total: int
    before: int | None  # 30 days ago; None: not known

    @property
    def label(self):
        return st.LABELS[self.status]

    @property
    def change(self):
        return None if self.before is None else self.numbers - self.before

    @property
    def share(self):
        """Return its part of all, in percent."""
        return 100 * self.numbers / self.total if self.total else 0


@dataclass
class Group:
    """An operator, a tag, a country or a prefix.

    ``query``: the parameters of the list of its numbers; ``blocks``: those of the block map, {} if that has
    no such part, or shows the numbers of more resellers.
    """

    label: str
    query: dict
    counts: dict = field(default_factory=lambda: dict.fromkeys(st.LABELS, 0))
    bold: str = ""  # digits in front of the label
    blocks: dict = field(default_factory=dict)
    key: str = ""

    @property
    def total(self):
        return sum(self.counts.values())

    @property
    def address(self):
        return urlencode(self.query)

    @property
    def blocks_address(self):
        return urlencode(self.blocks)

    @property
    def name(self):
        return " ".join(filter(None, [self.bold, self.label]))


@dataclass
class Subject(Group):
    """A group with its forecast; ``level``: how many should be In Stock, 0 for none."""

    of: str = ""
    in_stock: int = 0
    rates: dict = field(default_factory=dict)  # {30 or 90: Rate}
    returns: dict = field(default_factory=dict)  # {day from the snapshot: numbers}
    level: int = 0

    def forecast(self, days=DAYS[0]) -> Forecast:
        if days not in self._forecasts:
            self._forecasts[days] = forecast(self.in_stock, self.returns, self.rates[days], self.level)
        return self._forecasts[days]

    @cached_property
    def _forecasts(self):
        return {}

    @property
    def order(self):
        """The soonest first; those that never run dry come last, those that nobody takes at the very end."""
        dry = self.forecast().dry
        return (dry is None, dry or 0, not self.rates[DAYS[0]].out, self.in_stock, self.key)


@dataclass
class Concern:
    """Something that needs somebody.

    ``kind``: "dry", "low" and "falls" (below its level) of a ``subject``; "packages" and "reservations" that
    end; "worker", which has not counted. ``day``: when; ``count``: of how many.
    """

    kind: str
    urgency: int  # 0 urgent, 1 soon, 2 for information
    day: date | None = None
    subject: Subject | None = None
    count: int = 0

    @property
    def order(self):
        return (self.urgency, self.day or date.min, self.kind)


@dataclass
class FlowDay:
    """``assigned`` and ``released`` are None on a day whose flows are not counted."""

    day: date
    assigned: int | None = None
    released: int | None = None


class Overview:
    """``user``: who looks; ``reseller``: whose numbers, None for all that the user may see."""

    def __init__(self, user, now, reseller=None):
        self.user, self.now = user, now
        self.reseller_id = reseller.pk if reseller else user.reseller_id
        self.today = stock_days.local_day(now)

    @property
    def in_lists(self):
        """Return the parameters of lists of the numbers that it counts, besides the reseller."""
        return {}

    @cached_property
    def _operators(self):
        """Return the operators whose numbers count, for conditions; None for all."""
        return Operator.objects.filter(reseller=self.reseller_id).values("pk") if self.reseller_id else None

    def _own(self, rows):
        return rows.filter(reseller=self.reseller_id) if self.reseller_id else rows

    # --- live

    @cached_property
    def _overdue(self):
        """Return [(key of the subject, status, after_hold, numbers)] whose hold or reservation is over."""
        if not any_hold_over(self.now):
            return []
        over = DID.objects.hold_over(self.now)
        if self._operators is not None:
            over = over.filter(operator__in=self._operators)
        return list(stock_days.by_subject(over, "status", "after_hold"))

    @cached_property
    def statuses(self):
        overdue = None if self._overdue else False
        counts = Stock.objects.by_status(self._operators, self.now, overdue=overdue)
        before, total = self._statuses_before, sum(counts.values())
        return [StatusCount(one, counts[one], total, before and before[one]) for one in STATUSES]

    @cached_property
    def total(self):
        return sum(count.numbers for count in self.statuses)

    @cached_property
    def _statuses_before(self):
        day = self.today - timedelta(days=CHANGE)
        if day not in self._days or self._days[day].stock_at is None:
            return None
        rows = self._own(StockDay.objects.filter(of=OPERATOR, day=day))
        return rows.aggregate(**{status: Sum(status, default=0) for status in st.LABELS})

    def grouped(self, by):
        """Return the groups of operators, tags, countries or prefixes, the largest first."""
        if by in PLACES:
            return self._by_place(by)
        if by == PREFIX:
            return self._by_prefix()
        counts = self._stock_counts(by)
        self._move_overdue(by, counts)
        names = self._names(by, counts)
        groups = (
            Group(names[key], self._query(by, key), found, key=key)
            for key, found in counts.items()
            if key in names
        )
        return largest(groups)

    def _names(self, of, keys):
        """Return {key: name} of operators or tags; operators that are gone have none."""
        if of != OPERATOR:
            return {key: key for key in keys}
        found = Operator.objects.visible_to(self.user).filter(pk__in=[int(key) for key in keys])
        return {str(pk): name for pk, name in found.values_list("pk", "name")}

    def _stock_counts(self, by):
        """Return {operator or tag: {status: numbers}} of those with the most numbers."""
        column = {OPERATOR: "operator", TAG: "tag_set__tags__name"}[by]
        rows = Stock.objects.of(self._operators, None).filter(**{f"{column}__isnull": False}).order_by()
        sums = {f"n_{one}": Sum("numbers", filter=Q(status=one), default=0) for one in st.LABELS}
        rows = rows.values_list(column).annotate(**sums, _all=Sum("numbers")).order_by("-_all")[:GROUPS_MOST]
        return {str(key): dict(zip(st.LABELS, counts, strict=True)) for key, *counts, _ in rows}

    def _heads(self):
        heads = HeadStock.objects.order_by()
        return heads if self._operators is None else heads.filter(operator__in=self._operators)

    def _by_prefix(self):
        heads = self._heads().annotate(_length=Length("head"), _key=Substr("head", 1, PREFIX_DIGITS))
        rows = heads.filter(_length__gte=PREFIX_DIGITS).values_list("_key")
        rows = list(rows.annotate(Min("head"), Max("head"), *(Sum(status) for status in st.LABELS)))
        places = prefix_places({key: (first, last) for key, first, last, *_ in rows})
        counts = {key: dict(zip(st.LABELS, found, strict=True)) for key, _, _, *found in rows}
        self._move_overdue(PREFIX, counts)
        groups = (
            Group(
                places[key][1],
                self._query(PREFIX, key),
                found,
                places[key][0],
                self._blocks(PREFIX, key),
                key,
            )
            for key, found in counts.items()
        )
        return largest(groups)

    def _by_place(self, by):
        """Return the groups of countries or types."""
        over = DID.objects.hold_over(self.now) if self._overdue else None
        groups = (
            Group(
                PLACE_NAMES[by].get(key, "Unknown"),
                self._scope | {by: key},
                found,
                blocks=self._blocks(by, key),
                key=key,
            )
            for (key,), found in HeadStock.objects.by_place(by, self._operators, over=over).items()
        )
        return largest(groups)

    def _move_overdue(self, of, counts):
        for (one, key, _), status, after_hold, count in self._overdue:
            if one == of and key in counts:
                counts[key][status] -= count
                counts[key][holds.after(status, after_hold)] += count

    @property
    def _scope(self):
        """Return the parameters that lists need besides, for who sees other resellers too."""
        return {"reseller": self.reseller_id} if self.reseller_id and not self.user.reseller_id else {}

    def _blocks(self, of, key):
        return {} if self._scope or of == TYPE or key == UNKNOWN else {of: key}

    def _query(self, of, key):
        query = {OPERATOR: {"operator": key}, TAG: {"tag": key}, PREFIX: {"q": f"{key}*"}}[of]
        return query | ({} if of == OPERATOR else self._scope)

    # --- over time

    @cached_property
    def _days(self):
        """Return {day: its ``stock_at`` and ``flows_at``} of the last days that the worker knows of."""
        days = CountedDay.objects.filter(day__range=(self.today - timedelta(days=2 * PAST), self.today))
        return {one.day: one for one in days.values_list("day", "stock_at", "flows_at", named=True)}

    @cached_property
    def counted_at(self):
        """Return when the last snapshot was taken, None if there is none of the last months."""
        return max((one.stock_at for one in self._days.values() if one.stock_at), default=None)

    @cached_property
    def base(self):
        """Return the day from which forecasts count: that of the last snapshot."""
        return stock_days.local_day(self.counted_at) if self.counted_at else self.today

    @cached_property
    def history_days(self):
        """Return how many whole days before the snapshot have their flows counted, without a gap."""
        for days in range(PAST):
            found = self._days.get(self.base - timedelta(days=days + 1))
            if found is None or found.flows_at is None:
                return days
        return PAST

    def flows(self):
        """Return the FlowDay of each of the last days, today included."""
        first = self.today - timedelta(days=PAST - 1)
        days = {day: FlowDay(day, 0, 0) for day, one in self._days.items() if one.flows_at}
        rows = self._own(StockDay.objects.filter(of=OPERATOR, day__range=(first, self.today))).order_by()
        for day, assigned, released in rows.values_list("day").annotate(Sum("assigned"), Sum("released")):
            if day in days:
                days[day] = FlowDay(day, assigned, released)
        every = (first + timedelta(days=n) for n in range(PAST))
        return [days.get(day) or FlowDay(day) for day in every]

    def returns(self):
        """Return (day, {status: numbers that become it}) of each of the next days."""
        days = {self.base + timedelta(days=n): dict.fromkeys(st.FREE, 0) for n in range(RETURNS)}
        rows = self._own(StockOutlook.objects.filter(of=OPERATOR))
        for returns in rows.values_list("returns", flat=True):
            for day, counts in returns.items():
                if (shown := days.get(date.fromisoformat(day))) is not None:
                    for status, count in counts.items():
                        shown[status] += count
        return list(days.items())

    @cached_property
    def levels(self):
        """Return {(of, key): minimum} of the levels that count the same numbers."""
        return {(one.of, str(one.operator_id or one.subject)): one.minimum for one in self._levels()}

    def _levels(self):
        levels = StockLevel.objects.visible_to(self.user).in_force()
        if self.reseller_id:
            return levels.filter(reseller=self.reseller_id)
        return levels.filter(Q(reseller=None) | Q(operator__isnull=False))

    def count_subjects(self, of):
        return self._outlook(StockOutlook.objects.filter(of=of)).count()

    def subjects(self, of, most=RANKED):
        """Return the subjects, those first that run dry first; at most ``most``.

        They are picked by how long the stock would last without returns: so soon can they run dry.
        """
        rows = self._outlook(StockOutlook.objects.filter(of=of))
        soonest = F("in_stock") / NullIf(Cast("out", FloatField()), 0.0)
        rows = rows.order_by(soonest.asc(nulls_last=True), "-in_stock", "key")[:most]
        return sorted(self._subjects(rows), key=lambda subject: subject.order)

    def subject(self, of, key):
        """Return one subject, None if the branch has none of that name."""
        found = self._subjects(self._outlook(StockOutlook.objects.filter(of=of, key=key)))
        return found[0] if found else None

    def _outlook(self, rows):
        """Return the sums of each subject that has numbers In Stock, or had some lately."""
        sums = {f"s_{way}_{days}": Sum(f"{way}_{days}") for way in ("out", "back") for days in DAYS}
        rows = self._own(rows).order_by().values("of", "key")
        sums |= {"first": Min("first_head"), "last": Max("last_head")}
        rows = rows.annotate(in_stock=Sum("instock"), out=Sum(f"out_{DAYS[0]}"), **sums)
        return rows.filter(Q(in_stock__gt=0) | Q(out__gt=0))

    def _subjects(self, rows):
        """Return the subjects of these rows without those that are gone; each is made once."""
        rows = list(rows)
        self._make([row for row in rows if (row["of"], row["key"]) not in self._made])
        subjects = (self._made[row["of"], row["key"]] for row in rows)
        return [subject for subject in subjects if subject]

    @cached_property
    def _made(self):
        """{(of, key): subject} of those made so far, None for one that is gone."""
        return {}

    def _make(self, rows):
        if not rows:
            return
        names = {of: self._names(of, [row["key"] for row in rows if row["of"] == of]) for of in SUBJECTS}
        places = prefix_places(
            {row["key"]: (row["first"], row["last"]) for row in rows if row["of"] == PREFIX}
        )
        found = {}
        for row in rows:
            of, key = row["of"], row["key"]
            self._made[of, key] = None
            if key not in names[of]:
                continue
            bold, label = places[key] if of == PREFIX else ("", names[of][key])
            found[of, key] = Subject(
                label,
                self._query(of, key) | {"status": st.INSTOCK},
                bold=bold,
                of=of,
                key=key,
                in_stock=row["in_stock"],
                rates={days: Rate(row[f"s_out_{days}"], row[f"s_back_{days}"], days) for days in DAYS},
                level=self.levels.get((of, key), 0),
            )
        self._add_returns(found)
        self._made |= found

    def _add_returns(self, found):
        """Add what is known to return to {(of, key): subject}."""

        @cache  # each subject has the same few days
        def ahead(day):
            return max(0, (date.fromisoformat(day) - self.base).days)

        named = Q(pk__in=[])
        for of in SUBJECTS:
            named |= Q(of=of, key__in=[key for one, key in found if one == of])
        rows = self._own(StockOutlook.objects.filter(named)).exclude(returns={})
        for of, key, returns in rows.values_list("of", "key", "returns"):
            days = found[of, key].returns
            for day, counts in returns.items():
                if count := counts.get(st.INSTOCK):
                    days[ahead(day)] = days.get(ahead(day), 0) + count

    # --- what needs somebody

    def concerns(self):
        """Return the concerns, the most urgent first, as far as the user may see what they are about."""
        found = [*self._shortages(), *self._below()]
        if self.counted_at and self.now - self.counted_at > SILENT:
            found.append(Concern("worker", 0, stock_days.local_day(self.counted_at)))
        soon = self.now + ENDING
        if self.user.has_perm("dids.view_clientpackage"):
            packages = ClientPackage.objects.visible_to(self.user).filter(active=True, ends_at__gt=self.now)
            found += self._ending("packages", packages.filter(ends_at__lte=soon), "package__reseller")
        reservations = Reservation.objects.visible_to(self.user).running(self.now).filter(ends_at__lte=soon)
        found += self._ending("reservations", reservations, "reseller")
        return sorted(found, key=lambda concern: concern.order)

    def _shortages(self):
        """Return the subjects that run dry or fall below their level soon."""
        if self.history_days < DAYS[0]:
            return []
        rows = self._outlook(StockOutlook.objects.all()).filter(out__gt=0)
        # Without returns they would have run dry by then, or have a level that may be crossed.
        urgent = Q(in_stock__lte=F("out") * 1.0 / DAYS[0] * SOON.days)
        for of, key in self.levels:
            urgent |= Q(of=of, key=key)
        concerns = []
        for subject in self._subjects(rows.filter(urgent).order_by("in_stock", "of", "key")[:RANKED]):
            found = subject.forecast()
            if found.dry is not None and found.dry <= SOON.days:
                day = self.base + timedelta(days=found.dry)
                urgency = 0 if found.dry <= URGENT.days else 1
                concerns.append(Concern("dry", urgency, day, subject))
            elif found.low and found.low <= SOON.days:
                concerns.append(Concern("falls", 1, self.base + timedelta(days=found.low), subject))
        return concerns

    def _below(self):
        """Return the levels that the stock was found to be below."""
        low = LowStock.objects.filter(level__in=self._levels()).select_related("level__operator")
        return [
            Concern(
                "low",
                1,
                stock_days.local_day(one.since),
                self._of_level(one.level),
                one.in_stock,
            )
            for one in low.order_by("since")[:RANKED]
        ]

    def _of_level(self, level):
        key = str(level.operator_id or level.subject)
        return Subject(str(level), level.query, of=level.of, key=key, level=level.minimum)

    def _ending(self, kind, rows, reseller):
        if self.reseller_id:
            rows = rows.filter(**{reseller: self.reseller_id})
        found = rows.order_by().aggregate(count=Count("pk"), first=Min("ends_at"))
        if not found["count"]:
            return []
        return [Concern(kind, 1, timezone.localdate(found["first"]), count=found["count"])]

    def past(self, of, keys):
        """Return {key: [(days before the snapshot, negative, and the stock then)]}; a gap has no entry."""
        first = self.base - timedelta(days=PAST)
        rows = self._own(StockDay.objects.filter(of=of, key__in=keys, day__gte=first)).order_by()
        stock = defaultdict(dict)
        for key, day, count in rows.values_list("key", "day").annotate(Sum("instock")):
            stock[key][day] = count
        days = sorted(day for day, one in self._days.items() if one.stock_at and first <= day <= self.base)
        return {key: [((day - self.base).days, stock[key].get(day, 0)) for day in days] for key in keys}


def largest(groups):
    """Return those with numbers, the largest first, at most ``GROUPS_MOST``."""
    found = sorted(groups, key=lambda group: (-group.total, group.name))
    return [group for group in found if group.total][:GROUPS_MOST]


def prefix_places(heads):
    """Return {prefix: ("+44 20", "London")} of {prefix: (its first head, its last one)}.

    What the two have in common names it: their area, their type, or their country.
    """
    numbers = {prefix: [f"{head}{'0' * TAIL}" for head in both] for prefix, both in heads.items()}
    head_geography.learn(chain.from_iterable(numbers.values()))
    return {prefix: _place(prefix, *both) for prefix, both in numbers.items()}


def _place(prefix, first, last):
    one, other = head_geography.of_number(first), head_geography.of_number(last)
    kind = one.type_name if one.type not in ("geographic", UNKNOWN) else ""
    names = [one.area_label if one.area == other.area else "", kind if one.type == other.type else ""]
    names.append(one.country_name if one.country == other.country else "")
    return _begin(grouped(first, one.pattern), len(prefix)), next(filter(None, names), "")


def _begin(written, digits):
    """Return the part of a number with so many digits, "4420…" if it is not written with a plus."""
    end = next(n for n in range(len(written) + 1) if sum(map(str.isdigit, written[:n])) == digits)
    return written[:end] if written.startswith("+") else f"{written[:end]}…"

"""The stock day by day, as the worker keeps it."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from didmgmt import clock
from dids.lifecycle import statuses as st
from dids.models import (
    DID,
    ClientPackage,
    CountedDay,
    Stock,
    StockDay,
    StockLevel,
    StockOutlook,
    head_geography,
    stock_days,
)
from dids.models.stock_days import count_stock, forget_old_days
from dids.overview import Overview
from dids.periodic import count_stock_of_the_day
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.world import member

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)  # of the last day


class Carrier:
    """A reseller with an operator, a client and numbers of London that rest for ten days."""

    def __init__(self, name, numbers, now, prefix="4420"):
        self.reseller = Reseller.objects.create(name=name, hold_days=10)
        self.operator = Operator.objects.create(reseller=self.reseller, name=f"{name} Telecom")
        client = Client.objects.create(reseller=self.reseller, name=f"{name} Ltd")
        self.account = Account.objects.create(client=client, name=f"{name}_account")
        package = Package.objects.create(reseller=self.reseller, name="Basic", did_limit=9_999)
        self.given = ClientPackage(client=client, package=package, starts_at=now - DAY)
        self.given.give(by=SYSTEM, now=now)
        numbers = [f"{prefix}7000{n:04d}" for n in range(numbers)]
        DID.objects.create_numbers(numbers, operator=self.operator, by=SYSTEM, tags=["London"], now=now)

    def some(self, status, count):
        rows = DID.objects.filter(operator=self.operator, status=status).order_by("number")
        return DID.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:count]))

    def assign(self, count, now):
        return self.some("instock", count).assign(self.given, self.account, by=SYSTEM, now=now).done

    def release(self, count, now):
        return self.some("active", count).hold(by=SYSTEM, now=now).done

    def in_stock(self):
        return DID.objects.filter(operator=self.operator, status="instock").count()


def end_due_holds(now):
    DID.objects.hold_over(now).end_hold(by=SYSTEM, now=now)


def count_all(now):
    """Do the worker's task until nothing is missing."""
    while count_stock_of_the_day(now):
        pass


def flows(**conditions):
    rows = StockDay.objects.filter(**conditions).exclude(assigned=0, released=0, returned=0)
    return sorted(rows.values_list("day", "assigned", "released", "returned"))


def test_the_snapshot_is_the_stock_with_overdue_holds_treated_as_over(world):
    now = clock.now()
    tagged = DID.objects.filter(number__in=["2563", "2567"])
    tagged.edit(by=SYSTEM, add_tags=["gold", "London"])
    assert count_stock(now + 400 * DAY) > 0  # every hold is over by then
    rows = StockDay.objects.filter(of="operator", key=str(world.operator.pk)).values(*stock_days.st.LABELS)
    counts = Stock.objects.by_status([world.operator.pk], now + 400 * DAY)
    assert dict(rows.get()) == counts and counts["hold"] == 0
    gold = StockDay.objects.get(of="tag", key="gold")
    assert (gold.active, gold.instock, gold.hold) == (1, 1, 0)
    assert gold.reseller_id == world.reseller.pk


@pytest.mark.parametrize("of", ["country", "type"])
def test_countries_and_types_are_kept_as_counting_the_inventory_finds_them(of):
    house, other = carrier(), carrier("South")
    for one, ends in ((house, ("100", "101", "102")), (other, ("200",))):
        for status in st.LABELS:
            for place in ("442079", "447700", "1800555", "99"):
                digits = f"{place}{list(st.LABELS).index(status)}"
                numbers_in(status, [f"{digits}{end}" for end in ends], one, hold_days=5)
    DID.objects.filter(number__endswith="102").edit(by=SYSTEM, after_hold="reserved")
    DID.objects.filter(number__endswith="101").edit(by=SYSTEM, hold_days=365)
    head_geography.renew()
    now = clock.now() + 6 * DAY  # some holds are over, which no worker has written
    count_stock(now)
    counted = Counter()
    for did in DID.objects.with_status_now(now).select_related("operator"):
        place = getattr(head_geography.of_number(did.number), of)
        counted[place, did.operator.reseller_id, did.status_now] += 1
    kept = Counter()
    for row in StockDay.objects.filter(of=of).values():
        for status in st.LABELS:
            kept[row["key"], row["reseller_id"], status] += row[status]
    assert +kept == counted and len({place for place, *_ in counted}) > 1
    assert any(status == "reserved" and place != "unknown" for place, _, status in counted)
    assert set(StockOutlook.objects.values_list("of", flat=True)) == {"operator", "prefix"}


def test_flows_are_what_clients_got_gave_back_and_what_returned():
    carrier = Carrier("North", 20, NOW - 20 * DAY)
    carrier.assign(8, NOW - 15 * DAY)
    carrier.release(3, NOW - 14 * DAY)
    end_due_holds(NOW - 4 * DAY)
    carrier.some("active", 2).block(by=SYSTEM, now=NOW - 2 * DAY)  # remains with the client
    carrier.some("instock", 2).edit(by=SYSTEM, notes="new", now=NOW - 2 * DAY)
    count_all(NOW)
    day = NOW.date()
    expected = [(day - 15 * DAY, 8, 0, 0), (day - 14 * DAY, 0, 3, 0), (day - 4 * DAY, 0, 0, 3)]
    for of, key in (("operator", str(carrier.operator.pk)), ("tag", "London"), ("prefix", "4420")):
        assert flows(of=of, key=key, reseller=carrier.reseller) == expected


def test_a_hold_that_was_over_has_returned_before_its_number_is_assigned_again():
    carrier = Carrier("North", 1, NOW - 30 * DAY)
    carrier.assign(1, NOW - 20 * DAY)
    carrier.release(1, NOW - 19 * DAY)
    DID.objects.all().assign(carrier.given, carrier.account, by=SYSTEM, now=NOW - 5 * DAY)  # no worker ran
    count_all(NOW)
    assert flows(of="operator")[-1] == (NOW.date() - 5 * DAY, 1, 0, 1)


def test_counting_again_or_on_another_host_changes_nothing():
    carrier = Carrier("North", 20, NOW - 3 * DAY)
    carrier.assign(5, NOW - DAY)
    count_all(NOW)
    rows = [*StockDay.objects.order_by("pk").values()]
    assert count_stock(NOW + HOUR / 2) == 0  # it is counted every hour
    assert stock_days._write_stock({}, NOW) == 0 == stock_days._write_flows(NOW.date(), {}, NOW)
    assert [*StockDay.objects.order_by("pk").values()] == rows
    carrier.assign(5, NOW + HOUR)
    assert count_stock(NOW + HOUR) > 0
    today = StockDay.objects.get(of="prefix", day=NOW.date())
    assert (today.instock, today.assigned) == (10, 5)
    assert StockOutlook.objects.get(of="prefix").instock == 10


def test_days_without_a_worker_have_flows_and_a_gap_in_the_stock():
    carrier = Carrier("North", 20, NOW - 9 * DAY)
    count_all(NOW - 8 * DAY)
    carrier.assign(5, NOW - 5 * DAY)
    count_all(NOW)
    day = NOW.date()
    assert flows(of="operator") == [(day - 5 * DAY, 5, 0, 0)]
    counted = CountedDay.objects.filter(stock_at__isnull=False).values_list("day", flat=True)
    assert set(counted) == {day - 8 * DAY, day}
    overview = Overview(member("Viewer"), NOW)
    assert overview.history_days == 8
    assert overview.past("prefix", ["4420"]) == {"4420": [(-8, 20), (0, 15)]}


def test_numbers_count_for_the_reseller_that_they_had_on_the_day():
    carrier, other = Carrier("North", 20, NOW - 9 * DAY), Reseller.objects.create(name="South")
    carrier.assign(5, NOW - 5 * DAY)
    carrier.some("active", 5).hold(by=SYSTEM, now=NOW - 4 * DAY)
    count_all(NOW - 2 * DAY)
    DID.objects.filter(status="hold").end_hold(by=SYSTEM, now=NOW - 2 * DAY)
    Operator.objects.update(reseller=other)
    count_all(NOW)
    south = Overview(member("Viewer", reseller=other), NOW)
    assert south.total == 20 and sum(day.assigned or 0 for day in south.flows()) == 0
    assert [subject.in_stock for subject in south.subjects("prefix")] == [20]
    assert south.past("prefix", ["4420"]) == {"4420": [(-2, 0), (0, 20)]}
    north = Overview(member("Viewer", username="north", reseller=carrier.reseller), NOW)
    assert north.total == 0 and sum(day.assigned or 0 for day in north.flows()) == 5
    assert north.subjects("prefix") == []


def test_prefixes_with_a_level_are_subjects_of_their_own_and_others_are_bounded(monkeypatch):
    Carrier("North", 20, NOW - DAY)
    Carrier("South", 30, NOW - DAY, prefix="4930")
    StockLevel(prefix="44207", minimum=5).create(by=SYSTEM)
    monkeypatch.setattr(stock_days, "SUBJECTS_MOST", 2)
    head_geography.renew()
    count_all(NOW)
    countries = StockDay.objects.filter(of="country").values_list("key", flat=True)
    assert sorted(countries) == ["DE", "GB"]
    prefixes = StockDay.objects.filter(of="prefix").values_list("key", "instock")
    assert Counter(dict(prefixes)) == {"44207": 20, "4930": 30}


def test_old_days_are_deleted_bit_by_bit():
    days = [NOW.date() - ago * DAY for ago in (400, 401, 402, 403)]
    for day in days:
        CountedDay.objects.create(day=day)
        StockDay.objects.create(of="tag", key="London", reseller_id=1, day=day)
    assert forget_old_days(NOW, 2) == 2 and StockDay.objects.count() == 2
    while forget_old_days(NOW, 2):
        pass
    assert [row.day for row in StockDay.objects.all()] == [days[0]]
    assert [row.day for row in CountedDay.objects.all()] == [days[0]]


def test_the_stock_runs_dry_on_the_day_that_was_forecast():
    """Every day five numbers are assigned and two released, which rest for ten days."""
    start = NOW - 45 * DAY
    carrier = Carrier("North", 135, start - DAY)

    def live(day):
        noon = start + day * DAY
        carrier.release(2, noon - HOUR)
        end_due_holds(noon)
        carrier.assign(5, noon + HOUR)

    for day in range(35):
        live(day)
    evening = start + 34 * DAY + 4 * HOUR
    count_all(evening)
    subject = Overview(member("Viewer"), evening).subject("prefix", "4420")
    expected = subject.forecast().dry
    assert (subject.in_stock, subject.rates[30].out, expected) == (carrier.in_stock(), 150, 3)
    days = 0
    while carrier.in_stock():
        days += 1
        live(34 + days)
    assert days == expected

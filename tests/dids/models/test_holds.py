"""Hold: its length, its end, and reads of overdue holds that the worker has not written yet."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM
from dids.history.explain import explain
from dids.models import DID, ClientPackage, DIDHistory, Stock
from dids.models.number_reads import any_hold_over
from operators.models import Operator
from staff.models import User
from tests.carrier import carrier, numbers_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_a_hold_lasts_exactly_the_hold_days():
    now = timezone.now()
    did = numbers_in("hold", ["100"], carrier(), hold_days=12, now=now).get()

    assert (did.hold_from, did.hold_until) == (now, now + 12 * DAY)
    assert did.days_left == 12


@pytest.mark.parametrize(
    ("number", "package", "operator", "reseller", "days"),
    [
        (1, 2, 3, 4, 1),
        (None, 2, 3, 4, 2),
        (None, None, 3, 4, 3),
        (None, None, None, 4, 4),
        (None,) * 4 + (30,),
    ],
)
def test_hold_days_are_inherited_from_package_operator_reseller_and_setting(
    number, package, operator, reseller, days
):
    house = carrier(hold_days=package)
    house.operator.hold_days, house.reseller.hold_days = operator, reseller
    house.operator.save()
    house.reseller.save()

    did = numbers_in("hold", ["100"], house, hold_days=number).get()

    assert did.hold_until - did.hold_from == days * DAY


def test_with_0_hold_days_one_write_moves_a_number_to_after_hold():
    dids = numbers_in("active", ["100"], carrier(), hold_days=0, after_hold="archive")
    rows = DIDHistory.objects.count()

    result = dids.hold(by=SYSTEM)

    did = dids.get()
    assert result.done == 1
    assert (did.status, did.account, did.client_package, did.hold_until) == ("archive", None, None, None)
    assert DIDHistory.objects.count() == rows + 1


def test_numbers_with_different_hold_days_are_put_on_hold_in_one_call():
    house = carrier()
    for number, days in (("100", 0), ("101", 5), ("102", 9)):
        numbers_in("active", [number], house, hold_days=days)
    now = timezone.now()

    DID.objects.all().hold(by=SYSTEM, now=now)

    assert list(DID.objects.order_by("number").values_list("status", "hold_until")) == [
        ("instock", None),
        ("hold", now + 5 * DAY),
        ("hold", now + 9 * DAY),
    ]


def test_new_hold_days_are_counted_from_the_start_of_the_hold():
    start = timezone.now() - 3 * DAY
    dids = numbers_in("hold", ["100"], carrier(hold_days=20), hold_days=12, now=start)

    dids.edit(by=SYSTEM, hold_days=5)
    assert dids.get().hold_until == start + 5 * DAY
    dids.edit(by=SYSTEM, hold_days=None)
    assert dids.get().hold_until == start + 20 * DAY


def test_new_hold_days_of_a_number_in_use_set_no_dates():
    dids = numbers_in("active", ["100"], carrier())

    dids.edit(by=SYSTEM, hold_days=5)

    did = dids.get()
    assert (did.hold_days, did.hold_from, did.hold_until) == (5, None, None)


def overdue(house, **new):
    """Create a number whose hold ended two days ago, with no worker running since."""
    return numbers_in("hold", ["100"], house, hold_days=5, now=timezone.now() - 7 * DAY, **new)


def test_an_overdue_hold_reads_as_its_after_hold_status():
    house = carrier()
    dids = overdue(house, after_hold="reserved")
    assert dids.get().status == "hold"

    assert dids.with_status_now().get().status_now == "reserved"
    assert dids.get().status_now == "reserved"
    assert dids.get().holder is None
    assert dids.get().days_left is None
    assert not DID.objects.in_status(["hold"]).exists()
    assert DID.objects.in_status(["reserved"]).count() == 1
    assert DID.objects.in_status(["hold", "reserved"]).count() == 1
    assert not DID.objects.held_by([house.client]).exists()
    counts = Stock.objects.by_status()
    assert (counts["hold"], counts["reserved"]) == (0, 1)


def test_a_running_hold_reads_as_hold_with_its_last_client():
    house = carrier()
    dids = numbers_in("hold", ["100"], house)

    assert dids.with_status_now().get().status_now == "hold"
    assert dids.get().holder == house.account
    assert DID.objects.in_status(["hold"]).count() == 1
    assert not DID.objects.in_status(["instock"]).exists()
    assert DID.objects.held_by([house.client]).count() == 1


def test_a_hold_is_over_exactly_at_its_end():
    until = numbers_in("hold", ["100"], carrier()).get().hold_until

    just_before = until - timedelta(microseconds=1)
    assert DID.objects.in_status(["hold"], just_before).count() == 1
    assert DID.objects.in_status(["instock"], until).count() == 1


def test_without_overdue_holds_the_status_filter_is_a_plain_comparison():
    numbers_in("hold", ["100"], carrier())

    where = str(DID.objects.in_status(["instock"]).query).partition("WHERE")[2]
    assert where.strip() == '"dids_did"."status" = instock'


def test_an_edit_of_an_overdue_hold_releases_it_first_in_a_separate_change():
    dids = overdue(carrier())

    result = dids.edit(by=SYSTEM, status="reserved")

    assert result.done == 1
    ended, edited = DIDHistory.objects.order_by("-history_id")[:2][::-1]
    assert (ended.status, ended.change.label, ended.account_id) == ("instock", "Overdue hold ended", None)
    assert edited.status == "reserved"
    assert edited.change != ended.change


def test_a_number_with_an_overdue_hold_can_be_deleted_or_assigned():
    house = carrier()
    dids = overdue(house)
    assert dids.preview_delete(by=SYSTEM).done == 1
    assert dids.assign(house.client_package, house.account, by=SYSTEM).done == 1


def test_the_worker_releases_only_overdue_holds_and_only_once():
    house = carrier()
    overdue(house, after_hold="archive")
    numbers_in("hold", ["200"], house)

    call_command("worker", "--once")
    call_command("worker", "--once")

    assert dict(DID.objects.values_list("number", "status")) == {"100": "archive", "200": "hold"}
    released = DIDHistory.objects.filter(change__kind="end_hold")
    assert released.count() == 1
    assert (released.get().change.actor_kind, released.get().change.source) == ("system", "worker")


def test_the_worker_switches_off_a_client_package_after_its_end():
    house = carrier()
    numbers_in("active", ["100"], house)
    ClientPackage.objects.update(ends_at=timezone.now() - timedelta(seconds=1))

    call_command("worker", "--once")

    assert DID.objects.get().status == "hold"
    assert DIDHistory.objects.latest("history_id").change.label == "Package Basic of North Bakery ended"
    assert not ClientPackage.objects.get().active


def test_counters_of_one_operator_ignore_overdue_holds_of_others():
    north = carrier()
    overdue(north)
    south = carrier("South")
    numbers_in("instock", ["300"], south)

    counts = Stock.objects.by_status(Operator.objects.filter(pk=south.operator.pk))

    assert {s: n for s, n in counts.items() if n} == {"instock": 1}


# --- daylight saving time

SPRING = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)  # the following night Vilnius goes from UTC+2 to UTC+3
AUTUMN = datetime(2027, 10, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins", "shown"), [(SPRING, "28 Mar 2027, 15:00"), (AUTUMN, "31 Oct 2027, 14:00")]
)
def test_a_day_of_hold_is_24_hours_across_clock_changes(begins, shown):
    house = carrier()
    ClientPackage.objects.update(starts_at=begins - 9 * DAY)
    dids = numbers_in("hold", ["100"], house, hold_days=1, now=begins)

    assert dids.get().hold_until - begins == timedelta(hours=24)
    with timezone.override("Europe/Vilnius"):
        sentence = explain(dids.for_table(), User(), now=begins + timedelta(hours=2))[dids.get().pk]
    assert sentence.endswith(f"becomes In Stock on {shown}.")
    end = begins + timedelta(hours=24)
    assert not DID.objects.hold_over(end - timedelta(seconds=1)).exists()
    assert dids.hold_over(end).end_hold(by=SYSTEM, now=end).done == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans without statistics")
def test_the_lookup_of_overdue_holds_uses_its_index_with_stale_statistics():
    numbers_in("instock", [str(n) for n in range(10_000, 15_000)], carrier())

    with CaptureQueriesContext(connection) as seen:
        assert not any_hold_over(timezone.now())

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {seen.captured_queries[0]['sql']}")
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "did_hold_end" in plan

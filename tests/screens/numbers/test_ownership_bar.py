"""The bar on a number's history page that shows who had the number when."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

import audit
from audit import SYSTEM
from clients.models import Account, Package
from dids.history import ownership
from dids.models import DID, ClientPackage
from screens.numbers import ownership_bar as module
from screens.numbers.ownership_bar import ownership_bar
from tests.carrier import carrier, numbers_in, person
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def day(n):
    return BEGIN + timedelta(days=n)


@pytest.fixture
def house(db):
    house = carrier()
    ClientPackage.objects.update(starts_at=BEGIN)
    numbers_in("instock", ["100"], house, now=day(0))
    return house


@pytest.fixture
def anna(db):
    return person("anna", "dids.view_did")


def number():
    return DID.objects.filter(number="100")


def drawn(viewer, now=None):
    """Return [(kind, holder, first day, last day or None)]."""
    bar = ownership_bar(number().get().pk, viewer, now or day(100))
    return [
        (one.kind, one.holder, (one.begin - BEGIN).days, one.end and (one.end - BEGIN).days)
        for one in bar.segments
    ]


def test_the_bar_of_a_number_created_again_shows_its_earlier_life(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().hold(by=SYSTEM, now=day(20))
    number().end_hold(by=SYSTEM, now=day(25))
    earlier = number().get().pk
    number().delete_unused(by=SYSTEM, now=day(30))
    numbers_in("instock", ["100"], house, now=day(40))
    holder = f"{house.client.name} | {house.account.name}"
    assert drawn(anna) == [("use", holder, 10, 20), ("hold", holder, 20, 25)]
    bar = ownership_bar(earlier, anna, day(100))
    assert ((bar.begin - BEGIN).days, bar.end, len(bar.segments)) == (0, None, 2)


def test_use_and_hold_by_one_account_are_two_segments(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().edit(by=SYSTEM, notes="x", now=day(12))
    number().block(by=SYSTEM, now=day(14))
    number().hold(by=SYSTEM, now=day(20))
    number().end_hold(by=SYSTEM, now=day(25))
    other = Account.objects.create(client=house.client, name="other")
    number().assign(house.client_package, other, by=SYSTEM, now=day(60))

    assert drawn(anna) == [
        ("use", "North Bakery | north_bakery", 10, 20),
        ("blocked", "North Bakery | north_bakery", 14, 20),
        ("hold", "North Bakery | north_bakery", 20, 25),
        ("use", "North Bakery | other", 60, None),
    ]
    bar = ownership_bar(number().get().pk, anna, day(100))
    assert [(one.x, one.width) for one in bar.segments] == [(10, 10), (14, 6), (20, 5), (60, 40)]
    assert [one.shade for one in bar.segments] == [0, 0, 0, 1]
    assert [one.length for one in bar.segments] == ["10 days", "6 days", "5 days", "40 days"]
    assert (bar.begin, bar.end, bar.is_cut, bar.next) == (day(0), None, False, None)


def test_the_times_in_which_a_number_was_blocked_are_segments_within_its_use(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().block(by=SYSTEM, now=day(20))
    number().edit(by=SYSTEM, notes="unpaid", now=day(25))
    number().unblock(by=SYSTEM, now=day(30))
    number().block(by=SYSTEM, now=day(50))
    holder = "North Bakery | north_bakery"
    assert drawn(anna) == [
        ("use", holder, 10, None),
        ("blocked", holder, 20, 30),
        ("blocked", holder, 50, None),
    ]


def next_of(viewer, now):
    did = DID.objects.for_table(now).get(number="100")
    return ownership_bar(did.pk, viewer, now, did=did)


def test_the_bar_goes_on_to_the_end_of_the_hold_or_of_the_package(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    assert next_of(anna, day(50)).next is None  # the package has no end
    ClientPackage.objects.update(ends_at=day(200))
    bar = next_of(anna, day(50))
    assert (bar.next.at, bar.next.event, bar.next.x, bar.next.width) == (day(200), "Basic ends", 50, 50)
    assert (bar.segments[0].x, bar.segments[0].width) == (10, 40)  # the future takes half at the most
    number().hold(by=SYSTEM, now=day(50))
    bar = next_of(anna, day(60))
    assert (bar.next.at, bar.next.event) == (day(80), "becomes In Stock")
    assert bar.segments[-1].length == "10 of 30 days" and bar.next.width == 25
    assert next_of(anna, day(80)).next is None  # over, whether or not the worker has written it


def test_a_hold_ends_by_the_clock_before_the_worker_writes_it(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().hold(by=SYSTEM, now=day(20))

    assert drawn(anna, day(40))[-1][2:] == (20, None)
    assert drawn(anna, day(60))[-1][2:] == (20, 50)
    number().end_hold(by=SYSTEM, now=day(70))
    assert drawn(anna, day(80))[-1][2:] == (20, 50)


def test_the_bar_ends_at_the_deletion_of_the_number(house, anna):
    pk = number().get().pk
    number().delete_unused(by=SYSTEM, now=day(30))

    bar = ownership_bar(pk, anna, day(100))
    assert (bar.end, bar.segments) == (day(30), [])


def test_a_reseller_does_not_see_who_had_the_number_under_another_reseller(house, anna):
    south = carrier("South")
    ClientPackage.objects.update(starts_at=BEGIN)
    number().update(operator=south.operator)
    number().assign(south.client_package, south.account, by=SYSTEM)

    nora, sven = person("nora", reseller=house.reseller), person("sven", reseller=south.reseller)
    pk = number().get().pk
    assert [one.holder for one in ownership_bar(pk, sven).segments] == ["South Bakery | south_bakery"]
    assert ownership_bar(pk, nora).segments == []
    assert ownership_bar(pk, person("otto", reseller=carrier("West").reseller)) is None


def test_a_long_history_is_cut_and_costs_no_more_queries(house, anna, monkeypatch):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(1))
    pk = number().get().pk
    with CaptureQueriesContext(connection) as short:
        assert not ownership_bar(pk, anna).is_cut
    for n in range(8):
        number().hold(by=SYSTEM, now=day(2 + 2 * n))
        number().activate(by=SYSTEM, now=day(3 + 2 * n))
    monkeypatch.setattr(module, "SEGMENTS_MOST", 6)
    with CaptureQueriesContext(connection) as long:
        bar = ownership_bar(pk, anna)

    assert (len(bar.segments), bar.is_cut, bar.begin) == (6, True, bar.segments[0].begin)
    assert bar.segments[0].x == 0
    assert len(long) == len(short) <= 6
    monkeypatch.setattr(ownership, "VERSIONS_MOST", 5)
    assert ownership_bar(pk, anna).is_cut


def test_another_package_of_the_same_account_continues_the_segment(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    plus = Package.objects.create(reseller=house.reseller, name="Plus", did_limit=9)
    given = ClientPackage.objects.create(client=house.client, package=plus)
    with audit.change("edit", by=SYSTEM, at=day(20)):
        number().update(client_package=given)

    assert drawn(anna) == [("use", "North Bakery | north_bakery", 10, None)]


def test_the_bar_is_cut_where_recorded_history_begins_later_than_the_number(house, anna, tmp_path):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().edit(by=SYSTEM, notes="x", now=day(40))
    with as_owner():
        call_command("prune_history", before="2026-02-01", export=str(tmp_path / "old"), verbosity=0)

    bar = ownership_bar(number().get().pk, anna, day(100))
    assert bar.is_cut and bar.begin == bar.segments[0].begin > day(0)


def test_the_deletion_under_another_reseller_is_not_shown(house):
    south = carrier("South")
    nora = person("nora", reseller=house.reseller)
    pk = number().get().pk
    number().update(operator=south.operator)
    number().delete_unused(by=SYSTEM)

    assert ownership_bar(pk, nora).end is None
    assert ownership_bar(pk, person("sven", reseller=south.reseller)).end

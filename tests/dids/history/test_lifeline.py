"""Who held a number when, as the bar over its history draws it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from clients.models import Account
from dids.history import lifeline as module
from dids.history.lifeline import WIDTH, lifeline
from dids.models import DID, ClientPackage
from tests.carrier import carrier, numbers_in, person

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
    """[(kind, holder, first day, last day or None)]."""
    found = lifeline(number().get().pk, viewer, now or day(100))
    return [(p.kind, p.holder, (p.begin - BEGIN).days, p.end and (p.end - BEGIN).days) for p in found.periods]


def test_versions_of_one_holder_are_one_period_and_hold_another(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().edit(by=SYSTEM, notes="x", now=day(12))
    number().block(by=SYSTEM, now=day(14))
    number().hold(by=SYSTEM, now=day(20))
    number().end_hold(by=SYSTEM, now=day(25))
    other = Account.objects.create(client=house.client, name="other")
    number().assign(house.client_package, other, by=SYSTEM, now=day(60))

    assert drawn(anna) == [
        ("use", "North Bakery | north_bakery", 10, 20),
        ("hold", "North Bakery | north_bakery", 20, 25),
        ("use", "North Bakery | other", 60, None),
    ]
    found = lifeline(number().get().pk, anna, day(100))
    assert [(p.x * 100 // WIDTH, p.width * 100 // WIDTH) for p in found.periods] == [
        (10, 10),
        (20, 5),
        (60, 40),
    ]
    assert [p.shade for p in found.periods] == [0, 0, 1]
    assert (found.begin, found.end, found.is_cut) == (day(0), None, False)


def test_a_hold_ends_by_the_clock_before_the_worker_has_written_it(house, anna):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(10))
    number().hold(by=SYSTEM, now=day(20))

    assert drawn(anna, day(40))[-1][2:] == (20, None)
    assert drawn(anna, day(60))[-1][2:] == (20, 50)
    number().end_hold(by=SYSTEM, now=day(70))
    assert drawn(anna, day(80))[-1][2:] == (20, 50)


def test_the_bar_ends_where_the_number_was_deleted(house, anna):
    pk = number().get().pk
    number().delete_unused(by=SYSTEM, now=day(30))

    found = lifeline(pk, anna, day(100))
    assert (found.deleted, found.end, found.periods) == (True, day(30), [])


def test_a_branch_does_not_see_who_held_the_number_in_another_one(house, anna):
    south = carrier("South")
    ClientPackage.objects.update(starts_at=BEGIN)
    number().update(operator=south.operator)
    number().assign(south.client_package, south.account, by=SYSTEM)

    nora, sven = person("nora", reseller=house.reseller), person("sven", reseller=south.reseller)
    pk = number().get().pk
    assert [p.holder for p in lifeline(pk, sven).periods] == ["South Bakery | south_bakery"]
    assert lifeline(pk, nora).periods == []
    assert lifeline(pk, person("otto", reseller=carrier("West").reseller)) is None


def test_a_long_life_is_cut_and_costs_no_more_queries(house, anna, monkeypatch):
    number().assign(house.client_package, house.account, by=SYSTEM, now=day(1))
    pk = number().get().pk
    with CaptureQueriesContext(connection) as short:
        assert not lifeline(pk, anna).is_cut
    for n in range(8):
        number().hold(by=SYSTEM, now=day(2 + 2 * n))
        number().activate(by=SYSTEM, now=day(3 + 2 * n))
    monkeypatch.setattr(module, "PERIODS_MOST", 6)
    with CaptureQueriesContext(connection) as long:
        found = lifeline(pk, anna)

    assert (len(found.periods), found.is_cut, found.begin) == (6, True, found.periods[0].begin)
    assert found.periods[0].x == 0
    assert len(long) == len(short) <= 4
    monkeypatch.setattr(module, "VERSIONS_MOST", 5)
    assert lifeline(pk, anna).is_cut

"""Counters by operator and status: kept by the database, exact after any kind of write."""

import pytest
from django.db import connection

from audit import SYSTEM
from dids.models import DID, Stock
from tests.carrier import carrier, numbers_in

pytestmark = pytest.mark.django_db


def counts(operator=None):
    found = Stock.objects.by_status(None if operator is None else [operator.pk])
    return {status: n for status, n in found.items() if n}


def test_counters_follow_every_kind_of_write():
    house = carrier()
    numbers_in("instock", [str(n) for n in range(100, 110)], house)
    assert counts() == {"instock": 10}
    DID.objects.filter(number__lt="104").edit(by=SYSTEM, status="reserved")
    assert counts() == {"instock": 6, "reserved": 4}
    DID.objects.filter(number="109").assign(house.client_package, house.account, by=SYSTEM)
    assert counts() == {"instock": 5, "reserved": 4, "active": 1}
    DID.objects.filter(status="reserved").delete_unused(by=SYSTEM)
    assert counts() == {"instock": 5, "active": 1}


def test_counters_follow_raw_sql_and_a_change_of_operator():
    north, south = carrier(), carrier("South")
    numbers_in("instock", ["100", "101"], north)

    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET operator_id = %s WHERE number = '101'", [south.operator.pk])

    assert counts(north.operator) == {"instock": 1}
    assert counts(south.operator) == {"instock": 1}
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dids_did WHERE number = '101'")
    assert counts(south.operator) == {}
    assert counts() == {"instock": 1}


def test_counters_of_operators_are_told_apart():
    north, south = carrier(), carrier("South")
    numbers_in("instock", ["100", "101"], north)
    numbers_in("reserved", ["200"], south)

    assert counts(north.operator) == {"instock": 2}
    assert counts(south.operator) == {"reserved": 1}
    assert counts() == {"instock": 2, "reserved": 1}


def test_an_edit_that_moves_nothing_costs_the_counters_nothing():
    numbers_in("instock", ["100"], carrier())
    rows = Stock.objects.count()

    DID.objects.all().edit(by=SYSTEM, notes="x")

    assert Stock.objects.count() == rows


def test_counters_cost_the_same_number_of_queries_at_any_size(django_assert_num_queries):
    numbers_in("instock", [str(n) for n in range(1000, 1500)], carrier())

    with django_assert_num_queries(2):
        Stock.objects.by_status()

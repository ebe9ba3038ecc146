"""Statistics make SQLite choose the most selective index, without wrong results."""

import pytest
from django.db import connection
from django.utils import timezone

from dids.lists import sqlite_stats
from dids.models import DID
from dids.periodic import renew_statistics
from tests.carrier import carrier, numbers_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps statistics by itself"),
]


@pytest.fixture
def house():
    return carrier()


def test_statistics_of_a_large_inventory_are_written_once(house, monkeypatch):
    numbers_in("instock", ["100", "101"], house)
    assert renew_statistics(timezone.now()) == 0
    monkeypatch.setattr(sqlite_stats, "FROM", 2)
    assert renew_statistics(timezone.now()) == 1
    assert renew_statistics(timezone.now()) == 0
    monkeypatch.setattr(sqlite_stats, "FROM", 1_000)
    assert renew_statistics(timezone.now()) == 1
    assert renew_statistics(timezone.now()) == 0


def test_the_most_selective_index_is_used():
    sqlite_stats.write_statistics(sqlite_stats.FROM)
    operators, accounts = DID.objects.filter(operator__in=[1, 2]), DID.objects.filter(account__in=[1, 2])
    assert "did_operator_status" in operators.explain()
    assert "did_account_status" in operators.filter(account__in=[1, 2]).explain()
    assert "did_account_status" in accounts.filter(status="active").explain()
    tagged = DID.objects.filter(tag_set__in=[1, 2])
    for numbers in (operators, tagged, operators & tagged):
        assert "did_hold_end" in numbers.hold_over(timezone.now()).explain()
    assert "did_tag_set" in DID.objects.filter(tag_set=None).order_by("number")[5:6].explain()
    assert "did_notes" in DID.objects.filter(notes="").order_by("-number")[5:6].explain()
    for few in (DID.objects.filter(pk__named=[1, 2]), operators.filter(pk__named=[1, 2])):
        assert "USING INTEGER PRIMARY KEY" in few.filter(status="instock").order_by("number")[:5].explain()


def test_a_list_of_values_and_a_range_of_keys_are_intersected(house):
    """With the averages of ANALYZE, SQLite 3.40 finds keys outside the range."""
    first = numbers_in("instock", [str(n) for n in range(1_000, 1_003)], house)
    last = first.order_by("pk").last().pk
    numbers_in("instock", [str(n) for n in range(1_003, 6_000)], house)
    sqlite_stats.write_statistics(200_000)
    listed = DID.objects.filter(number__in=[str(n) for n in range(1_000, 6_000)])
    assert list(listed.filter(pk__lte=last).order_by("number")) == list(first.order_by("number"))
    free = DID.objects.filter(operator=house.operator, status__in=["instock", "reserved", "archive"])
    assert free.filter(number__gt="5997").count() == 2
    assert free.filter(pk__gt=last).count() == 4_997

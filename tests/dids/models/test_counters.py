"""Counters by operator, status and tags: maintained by triggers, exact after any kind of write."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM, triggers
from dids.lists import sqlite_stats
from dids.models import DID, Stock, TagSet, counters
from tests.carrier import carrier, numbers_in
from tests.roles import as_owner

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


def test_each_operator_has_its_own_counters():
    north, south = carrier(), carrier("South")
    numbers_in("instock", ["100", "101"], north)
    numbers_in("reserved", ["200"], south)

    assert counts(north.operator) == {"instock": 2}
    assert counts(south.operator) == {"reserved": 1}
    assert counts() == {"instock": 2, "reserved": 1}


def test_each_tag_set_has_its_own_counters():
    house = carrier()
    numbers_in("instock", ["100", "101", "102"], house)
    some = DID.objects.filter(number__lt="102")

    some.edit(by=SYSTEM, tags=["Gold"])
    gold = TagSet.objects.get(label="Gold")
    assert Stock.objects.by_status(tag_sets=[gold.pk])["instock"] == 2
    some.filter(number="101").edit(by=SYSTEM, tags=[], status="reserved")
    found = Stock.objects.by_status([house.operator.pk], tag_sets=[gold.pk])
    assert {status: n for status, n in found.items() if n} == {"instock": 1}
    assert counts() == {"instock": 2, "reserved": 1}
    assert checked()[1] == ""


def test_an_edit_of_notes_writes_no_counter():
    numbers_in("instock", ["100"], carrier())
    rows = Stock.objects.count()

    DID.objects.all().edit(by=SYSTEM, notes="x")

    assert Stock.objects.count() == rows


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by the size of the table")
def test_overdue_holds_of_an_operator_are_counted_by_the_partial_index():
    house = carrier()
    sqlite_stats.write_statistics(sqlite_stats.FROM)
    with CaptureQueriesContext(connection) as seen:
        counts(house.operator)
    (overdue,) = [query["sql"] for query in seen if "hold_until" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {overdue}")
        plan = " ".join(row[-1] for row in cursor.fetchall())
    assert "did_hold_end" in plan


def test_counters_cost_the_same_number_of_queries_at_any_size(django_assert_num_queries):
    numbers_in("instock", [str(n) for n in range(1000, 1500)], carrier())

    with django_assert_num_queries(2):
        Stock.objects.by_status()


# --- compaction


def edit_one_by_one(status, numbers):
    for number in numbers:
        DID.objects.filter(number=number).edit(by=SYSTEM, status=status)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite never has surplus rows, see below")
def test_compaction_sums_the_rows_of_each_counter_when_there_are_many(monkeypatch):
    monkeypatch.setattr(counters, "COMPACT_ABOVE", 10)
    numbers_in("instock", ["100", "101", "102", "103", "104"], carrier())
    edit_one_by_one("reserved", ["100", "101", "102", "103", "104"])
    edit_one_by_one("archive", ["100"])
    assert Stock.objects.count() == 13  # for three counters, so ten are surplus
    assert (counters.compact(), Stock.objects.count()) == (0, 13)

    edit_one_by_one("archive", ["101"])
    assert counters.compact() == 15 - 2
    assert Stock.objects.count() == 2  # the counter of In Stock is 0
    assert counts() == {"reserved": 3, "archive": 2}
    assert checked()[1] == ""


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL inserts differences instead")
def test_sqlite_updates_counters_in_place_so_there_is_nothing_to_compact(monkeypatch):
    monkeypatch.setattr(counters, "COMPACT_ABOVE", 0)
    numbers_in("instock", ["100", "101", "102"], carrier())
    for status in ("reserved", "instock", "archive"):
        edit_one_by_one(status, ["100", "101", "102"])
    keys = list(Stock.objects.values_list("operator", "status", "tag_set"))
    assert len(keys) == len(set(keys)) == 3
    assert counters.compact() == 0
    assert counts() == {"archive": 3}


# --- the check


def checked(*arguments):
    """Return (the output of ``check_stock``, its error message or "")."""
    out = StringIO()
    try:
        call_command("check_stock", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_check_reports_how_many_counters_and_numbers_it_compared():
    house = carrier()
    numbers_in("instock", ["100", "101"], house)
    numbers_in("active", ["102"], house)

    assert checked() == ("All 3 counters of 3 numbers are exact.\n", "")
    assert checked("--repair") == ("All 3 counters of 3 numbers are exact.\n", "")


def test_the_check_of_an_empty_inventory_finds_nothing_wrong():
    assert checked() == ("All 0 counters of 0 numbers are exact.\n", "")


def test_a_counter_changed_by_sql_is_found_and_repaired():
    numbers_in("instock", ["100", "101", "102"], carrier())
    execute("UPDATE dids_stock SET numbers = numbers + 5 WHERE status = 'instock'")

    output, failed = checked()
    assert output == "North Telecom, In Stock: the counter says 8, counted 3.\n"
    assert failed == (
        "1 of 2 counters of 3 numbers are wrong. Correct them with manage.py check_stock --repair"
    )
    assert counts() == {"instock": 8}

    output, failed = checked("--repair")
    assert output.endswith("1 of 2 counters of 3 numbers were wrong and have been corrected.\n")
    assert (failed, counts()) == ("", {"instock": 3})
    assert checked() == ("All 2 counters of 3 numbers are exact.\n", "")


def test_a_wrong_counter_of_a_tag_set_is_reported_with_its_tags():
    numbers_in("instock", ["100", "101"], carrier())
    DID.objects.filter(number="101").edit(by=SYSTEM, tags=["Gold", "sip"])
    execute("UPDATE dids_stock SET numbers = numbers + 1 WHERE tag_set_id IS NOT NULL")

    assert checked()[0] == "North Telecom, In Stock, Gold, sip: the counter says 2, counted 1.\n"
    checked("--repair")
    assert checked() == ("All 3 counters of 2 numbers are exact.\n", "")


def test_writes_without_triggers_are_found_and_repaired():
    north, south = carrier(), carrier("South")
    numbers_in("instock", ["100", "101"], north)
    numbers_in("reserved", ["200"], south)
    with as_owner():
        for event in ("insert", "update", "delete"):
            on = " ON dids_did" if connection.vendor == "postgresql" else ""
            execute(f"DROP TRIGGER dids_stock_{event}{on}")
    DID.objects.create_numbers(["102", "103"], operator=north.operator, by=SYSTEM)
    DID.objects.filter(number="100").edit(by=SYSTEM, status="archive")
    DID.objects.filter(number="200").delete_unused(by=SYSTEM)
    with as_owner():
        triggers.install(connection)

    output, _ = checked()
    assert output.splitlines() == [
        "North Telecom, Archive: the counter says 0, counted 1.",
        "North Telecom, In Stock: the counter says 2, counted 3.",
        "South Telecom, Reserved: the counter says 1, counted 0.",
    ]
    checked("--repair")

    assert (counts(north.operator), counts(south.operator)) == ({"archive": 1, "instock": 3}, {})
    DID.objects.filter(status="archive").edit(by=SYSTEM, status="instock")
    assert counts() == {"instock": 4}
    assert checked()[1] == ""


def test_a_counter_of_a_deleted_operator_is_reported_by_its_last_name():
    house = carrier()
    execute(
        f"INSERT INTO dids_stock (operator_id, status, numbers) VALUES ({house.operator.pk}, 'instock', 7)"
    )
    house.operator.delete()

    assert checked()[0] == "North Telecom, In Stock: the counter says 7, counted 0.\n"

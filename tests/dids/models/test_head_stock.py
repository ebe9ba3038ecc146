"""Counters by prefix, operator and status: maintained by triggers, exact after any kind of write."""

import random
from collections import Counter
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from audit import SYSTEM, triggers
from dids.lifecycle import statuses as st
from dids.models import DID, HeadStock, head_stock
from dids.models.prefixes import TAIL
from dids.periodic import compact_counters
from tests.carrier import carrier, numbers_in
from tests.dids.models.test_counters import checked, execute
from tests.examples import scaled
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite updates its counters in place"
)


def heads(*status, **options):
    return dict(HeadStock.objects.by_head(statuses=status or None, most=100, **options))


def counted(numbers, statuses=tuple(st.LABELS)):
    """Return {prefix: numbers} of (number, status) pairs."""
    return Counter(number[:-TAIL] for number, status in numbers if status in statuses)


def is_exact():
    return all(count.is_exact for count in head_stock.check())


def test_numbers_are_counted_by_all_digits_but_the_last_four():
    numbers_in("instock", ["1", "1234", "12345", "442000000001", "442000000002", "44200000000"], carrier())
    assert heads() == {"": 2, "1": 1, "4420000": 1, "44200000": 2}


def test_a_status_and_an_operator_have_their_own_counts():
    north, south = carrier(), carrier("South")
    numbers_in("instock", ["442000000001", "442000000002"], north)
    numbers_in("reserved", ["442000000003"], south)
    assert heads("instock", "reserved") == {"44200000": 3}
    assert heads("instock") == {"44200000": 2}
    assert heads("reserved", operators=[north.operator.pk]) == {}
    assert heads(operators=[south.operator.pk]) == {"44200000": 1}


def test_more_prefixes_than_are_read_are_not_counted():
    numbers_in("instock", ["442000000001", "442000010001"], carrier())
    assert HeadStock.objects.by_head(most=1) is None


def test_an_edit_of_notes_writes_no_counter():
    numbers_in("instock", ["442000000001"], carrier())
    before = list(HeadStock.objects.values())
    DID.objects.edit(by=SYSTEM, notes="x")
    assert list(HeadStock.objects.values()) == before


def write_at_random(dice, houses):
    """Make one random write of any kind, through the product or by SQL."""
    lengths = [1, 3, 4, 5, 5, 6, 6, 6, 20]
    number = "".join(dice.choice("01") for _ in range(dice.choice(lengths)))
    some = DID.objects.filter(number__lte=number)
    house = dice.choice(houses)
    new = {"operator": house.operator, "by": SYSTEM}
    keys = sorted(DID.objects.values_list("pk", flat=True))
    key = dice.choice(keys) if keys else 0
    writes = [
        lambda: DID.objects.create_numbers([number], **new, status=dice.choice(st.FREE)),
        lambda: DID.objects.create_numbers([number], **new),
        lambda: some.edit(by=SYSTEM, status=dice.choice(["reserved", "instock", "archive", "blocked"])),
        lambda: some.assign(house.client_package, house.account, by=SYSTEM),
        lambda: some.hold(by=SYSTEM),
        lambda: some.delete_unused(by=SYSTEM),
        lambda: execute(f"UPDATE dids_did SET operator_id = {house.operator.pk} WHERE id = {key}"),
        lambda: execute(
            f"UPDATE dids_did SET number = '{number}', status = 'reserved' WHERE id = {key}"
            f" AND account_id IS NULL AND NOT EXISTS (SELECT 1 FROM dids_did WHERE number = '{number}')"
        ),
        lambda: execute(f"DELETE FROM dids_did WHERE id = {key}"),
        head_stock.compact,
    ]
    dice.choice(writes)()


@pytest.mark.parametrize("seed", range(scaled(20)))
def test_counters_equal_the_numbers_after_random_writes(seed, monkeypatch):
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 2)
    dice, houses = random.Random(seed), [carrier(), carrier("South")]
    for _ in range(30):
        write_at_random(dice, houses)
        numbers = list(DID.objects.values_list("number", "status"))
        assert heads() == counted(numbers)
    assert heads("reserved", "hold") == counted(numbers, ("reserved", "hold"))
    assert is_exact()


def test_a_hold_that_is_over_counts_in_its_after_hold_status():
    house = carrier()
    numbers_in("instock", ["442000000001"], house)
    numbers_in("hold", ["442000000002", "442000000003", "442000010001"], house)
    past = timezone.now() - timedelta(days=40)
    DID.objects.filter(number__gt="442000000002").update(
        hold_from=past, hold_until=past + timedelta(days=1), after_hold="archive"
    )
    over = DID.objects.hold_over(timezone.now())
    assert heads("hold", over=over) == {"44200000": 1}
    assert heads("archive", over=over) == {"44200000": 1, "44200001": 1}
    assert heads("archive", "hold", over=over) == {"44200000": 2, "44200001": 1}
    assert heads("archive", over=over, operators=[house.operator.pk + 1]) == {}


@on_postgresql
def test_compaction_merges_the_differences_when_there_are_many(monkeypatch):
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 2)
    numbers_in("instock", ["442000000001", "442000010001"], carrier())
    assert (head_stock.compact(), HeadStock.objects.count()) == (0, 2)
    DID.objects.filter(number="442000000001").edit(by=SYSTEM, status="reserved")
    assert head_stock.compact() == 3
    assert list(HeadStock.objects.order_by("head").values_list("head", "merged", "instock", "reserved")) == [
        ("44200000", True, 0, 1),
        ("44200001", True, 1, 0),
    ]
    DID.objects.edit(by=SYSTEM, status="archive")
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 0)
    assert compact_counters(timezone.now()) == 2
    assert (HeadStock.objects.count(), heads("archive")) == (2, {"44200000": 1, "44200001": 1})
    assert is_exact()


def test_wrong_counters_by_prefix_are_found_and_repaired(monkeypatch):
    numbers_in("instock", ["100", "442000000001", "442000000002"], carrier())
    execute("UPDATE dids_headstock SET instock = instock + 5, archive = archive - 1 WHERE head <> ''")
    output, failed = checked()
    assert output.splitlines() == [
        "North Telecom, In Stock, numbers 44200000xxxx: the counter says 7, counted 2.",
        "North Telecom, Archive, numbers 44200000xxxx: the counter says -1, counted 0.",
    ]
    assert failed.startswith("1 of 3 counters of 3 numbers are wrong.")
    checked("--repair")
    assert checked() == ("All 3 counters of 3 numbers are exact.\n", "")


def test_a_write_without_triggers_is_found_and_repaired():
    house = carrier()
    with as_owner():
        on = " ON dids_did" if connection.vendor == "postgresql" else ""
        execute(f"DROP TRIGGER dids_headstock_insert{on}")
    numbers_in("instock", ["100"], house)
    with as_owner():
        triggers.install(connection)
    output, _ = checked()
    assert output == "North Telecom, In Stock, numbers of up to 4 digits: the counter says 0, counted 1.\n"
    checked("--repair")
    assert heads() == {"": 1}


@pytest.mark.django_db(transaction=True)
def test_the_migration_counts_the_numbers():
    house = carrier()
    numbers_in("reserved", ["7", "442000000001", "442000000002", "553000000001"], house)
    numbers_in("active", ["553000000002"], house)
    with as_owner():
        execute("DELETE FROM dids_headstock")
        with connection.schema_editor() as editor:
            import_module("audit.migrations.0015_head_stock_triggers").fill(None, editor)
    assert heads() == {"": 1, "44200000": 2, "55300000": 2}
    assert is_exact()

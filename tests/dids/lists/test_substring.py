"""The search for digits inside numbers finds the same as Python does, after any kind of write."""

from importlib import import_module

import pytest
from django.db import connection, transaction
from django.db.models import Q
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from audit import SYSTEM
from dids.lists import substring
from dids.lists.substring import Substring
from dids.models import DID
from dids.models.prefixes import NumberHead
from tests.carrier import carrier, numbers_in
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

# Few digits and shared prefixes, because random numbers would rarely match.
texts = some.text("0012", min_size=1, max_size=20)
inventories = some.lists(
    texts
    | some.builds(lambda prefix, tail: prefix + tail, some.sampled_from(["", "0", "2100", "0021"]), texts),
    max_size=30,
).map(lambda numbers: sorted({number[:20] for number in numbers}))


def numbers(condition):
    return sorted(DID.objects.filter(condition).values_list("number", flat=True))


def contains(digits):
    return Substring(digits).condition


def ends(digits):
    return Substring(digits, at_end=True).condition


def insert(numbers, operator):
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            " VALUES (%s, %s, 'instock', 'instock', '')",
            [(number, operator.pk) for number in numbers],
        )


@pytest.fixture
def house(db):
    return carrier()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=inventories,
    deleted=inventories,
    added=inventories,
    digits=texts,
    ids_max=some.sampled_from([0, 2, 99]),
    scans_max=some.sampled_from([0, 100, 20_000]),
)
@example(
    stored=["12", "0012", "10012", "0001200"],
    deleted=[],
    added=[],
    digits="0012",
    ids_max=99,
    scans_max=20_000,
)
@example(
    stored=["02", "020000", "2", "20000"],
    deleted=[],
    added=["2"],
    digits="20000",
    ids_max=99,
    scans_max=20_000,
)
@example(
    stored=["0" * 20, "0" * 19 + "2"], deleted=[], added=[], digits="0" * 20, ids_max=99, scans_max=20_000
)
def test_it_finds_the_same_as_python(house, stored, deleted, added, digits, ids_max, scans_max):
    before = transaction.savepoint()
    insert(stored, house.operator)
    DID.objects.filter(number__in=deleted).delete_unused(by=SYSTEM)
    left, new = set(stored) - set(deleted), set(added) - (set(stored) - set(deleted))
    undone = transaction.savepoint()
    insert(new, house.operator)
    transaction.savepoint_rollback(undone)
    insert(new, house.operator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(substring, "IDS_MAX", ids_max)
        patch.setattr(substring, "SCANS_MAX", scans_max)
        for length in range(1, len(digits) + 1):
            part = digits[:length]
            assert numbers(contains(part)) == sorted(n for n in left | new if part in n)
            assert numbers(ends(part)) == sorted(n for n in left | new if n.endswith(part))
    transaction.savepoint_rollback(before)


def test_a_changed_number_is_found_by_its_new_digits(house):
    numbers_in("instock", ["442071230001"], house)

    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET number = '0370612345678'")

    assert numbers(contains("3706123")) == ["0370612345678"]
    assert numbers(ends("5678")) == ["0370612345678"]
    assert numbers(contains("44207123")) == []
    assert numbers(ends("30001")) == []


def test_many_matches_are_found_like_few(house, monkeypatch):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_300)], house)
    numbers_in("instock", ["100", "37044200000", "990000000000"], house)
    everything = numbers(Q())

    for ids_max, scans_max in ((10_000, 20_000), (5, 20_000), (5, 1), (10_000, 0)):
        monkeypatch.setattr(substring, "IDS_MAX", ids_max)
        monkeypatch.setattr(substring, "SCANS_MAX", scans_max)
        for digits in ("44200000", "0000", "000001", "00100", "9900", "37044200000", "7777"):
            assert numbers(contains(digits)) == [n for n in everything if digits in n]
            assert numbers(ends(digits)) == [n for n in everything if n.endswith(digits)]


def test_it_combines_with_other_conditions_order_and_slices(house):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_300)], house)
    numbers_in("reserved", ["112000000001"], house)

    found = DID.objects.filter(Q(number="442000000299") | contains("200000001"), status="instock")

    assert found.count() == 11
    assert list(found.order_by("-number").values_list("number", flat=True)[:2]) == [
        "442000000299",
        "442000000019",
    ]
    assert not DID.objects.filter(contains("555555")).exists()


def test_few_matches_are_listed_by_id_and_many_bounded_by_a_range(house, monkeypatch):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_030)], house)

    few = Substring("44200000002")
    assert (len(few.ids), few.many) == (10, False)
    assert few.condition.children[1:] == [("pk__named", few.ids)]
    monkeypatch.setattr(substring, "IDS_MAX", 9)
    many = Substring("44200000002")
    assert (len(many.ids), many.many) == (10, True)
    assert set(many.condition.children[1:]) == {
        ("number__gte", "44200000002"),
        ("number__lt", "44200000002:"),
    }
    monkeypatch.setattr(substring, "SCANS_MAX", 0)
    endless = Substring("200000002")
    assert (endless.ids, endless.front(), endless.many) == (None, None, True)
    assert set(endless.condition.children[1:]) == {("number__gte", "44200000"), ("number__lt", "44200000:")}


@pytest.mark.parametrize(
    ("digits", "at_end"), [("2000", False), ("0001", False), ("001", False), ("0002", True), ("02", True)]
)
def test_the_first_and_the_last_matches_are_found_in_order(house, monkeypatch, digits, at_end):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_130)], house)
    numbers_in("instock", ["112000", "0002", "20001200012000", "995000002"], house)
    found = DID.objects.filter(Substring(digits, at_end=at_end).condition)
    monkeypatch.setattr(substring, "IDS_MAX", 4)
    many = Substring(digits, at_end=at_end)

    for backwards, order in ((False, "number"), (True, "-number")):
        first = DID.objects.filter(many.front(backwards=backwards)).order_by(order)
        assert list(first) == list(found.order_by(order)[:4])
    assert many.ids == list(found.order_by("number").values_list("pk", flat=True)[:5])


def test_a_search_costs_two_more_queries(house, django_assert_num_queries):
    numbers_in("instock", ["442000000000"], house)

    for search in (contains, ends):
        with django_assert_num_queries(2):
            search("2000000")


def test_consecutive_numbers_share_one_prefix(house):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_030)], house)
    DID.objects.edit(by=SYSTEM, notes="x")
    insert(["442000009999", "17"], house.operator)

    assert sorted(NumberHead.objects.values_list("head", flat=True)) == ["", "44200000"]


def test_a_prefix_has_the_lowest_id_that_a_number_with_it_has_or_had(house):
    numbers_in("instock", ["442000000001", "442000000002", "553000000001"], house)
    first, second, third = DID.objects.order_by("pk").values_list("pk", flat=True)
    DID.objects.filter(pk=first).delete_unused(by=SYSTEM)
    numbers_in("instock", ["442000000003"], house)
    assert lowest() == {"44200000": first, "55300000": third}
    DID.objects.filter(pk=second).update(number="553000000002")
    assert lowest() == {"44200000": first, "55300000": second}


def lowest():
    """Return {prefix: its lowest id}."""
    rows = NumberHead.objects.order_by("head", "-first_id").values_list("head", "first_id")
    return dict(rows)


@pytest.mark.django_db(transaction=True)
def test_the_migration_reads_the_lowest_ids_of_numbers_and_deletions(house):
    numbers_in("instock", ["442000000001", "442000000002", "553000000001", "7"], house)
    first, _, third, short = DID.objects.order_by("pk").values_list("pk", flat=True)
    DID.objects.filter(pk=first).delete_unused(by=SYSTEM)
    NumberHead.objects.update(first_id=None)
    fill = import_module("dids.migrations.0012_first_ids").fill
    with as_owner(), connection.schema_editor() as editor:
        fill(None, editor)
    assert lowest() == {"44200000": first, "55300000": third, "": short}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_prefix_stays_when_a_concurrent_writer_of_it_rolls_back(house):
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
                " VALUES ('442000000001', %s, 'instock', 'instock', '')",
                [house.operator.pk],
            )
            insert(["442000000002"], house.operator)
            cursor.execute("ROLLBACK")
    finally:
        other.close()

    assert numbers(contains("420000000")) == ["442000000002"]

"""The search for digits inside of numbers finds what Python finds, after any kind of write."""

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

pytestmark = pytest.mark.django_db

# Few digits, and numbers that share their heads: by chance nothing would ever match.
texts = some.text("0012", min_size=1, max_size=20)
inventories = some.lists(
    texts | some.builds(lambda head, tail: head + tail, some.sampled_from(["", "0", "2100", "0021"]), texts),
    max_size=30,
).map(lambda numbers: sorted({number[:20] for number in numbers}))


def numbers(condition):
    return sorted(DID.objects.filter(condition).values_list("number", flat=True))


def contains(asked):
    return Substring(asked).condition


def ends(asked):
    return Substring(asked, at_end=True).condition


def insert(made, operator):
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            " VALUES (%s, %s, 'instock', 'instock', '')",
            [(number, operator.pk) for number in made],
        )


@pytest.fixture
def house(db):
    return carrier()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    there=inventories,
    gone=inventories,
    again=inventories,
    asked=texts,
    few=some.sampled_from([0, 2, 99]),
    looks=some.sampled_from([0, 100, 20_000]),
)
@example(there=["12", "0012", "10012", "0001200"], gone=[], again=[], asked="0012", few=99, looks=20_000)
@example(there=["02", "020000", "2", "20000"], gone=[], again=["2"], asked="20000", few=99, looks=20_000)
@example(there=["0" * 20, "0" * 19 + "2"], gone=[], again=[], asked="0" * 20, few=99, looks=20_000)
def test_it_finds_what_python_finds(house, there, gone, again, asked, few, looks):
    before = transaction.savepoint()
    insert(there, house.operator)
    DID.objects.filter(number__in=gone).delete_unused(by=SYSTEM)
    left, new = set(there) - set(gone), set(again) - (set(there) - set(gone))
    undone = transaction.savepoint()
    insert(new, house.operator)
    transaction.savepoint_rollback(undone)
    insert(new, house.operator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(substring, "IDS_MAX", few)
        patch.setattr(substring, "SCANS_MAX", looks)
        for length in range(1, len(asked) + 1):
            part = asked[:length]
            assert numbers(contains(part)) == sorted(n for n in left | new if part in n)
            assert numbers(ends(part)) == sorted(n for n in left | new if n.endswith(part))
    transaction.savepoint_rollback(before)


def test_a_number_that_is_changed_is_found_by_what_it_is_now(house):
    numbers_in("instock", ["442071230001"], house)

    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET number = '0370612345678'")

    assert numbers(contains("3706123")) == ["0370612345678"]
    assert numbers(ends("5678")) == ["0370612345678"]
    assert numbers(contains("44207123")) == []
    assert numbers(ends("30001")) == []


def test_many_are_found_as_well_as_few(house, monkeypatch):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_300)], house)
    numbers_in("instock", ["100", "37044200000", "990000000000"], house)
    everything = numbers(Q())

    for few, looks in ((10_000, 20_000), (5, 20_000), (5, 1), (10_000, 0)):
        monkeypatch.setattr(substring, "IDS_MAX", few)
        monkeypatch.setattr(substring, "SCANS_MAX", looks)
        for asked in ("44200000", "0000", "000001", "00100", "9900", "37044200000", "7777"):
            assert numbers(contains(asked)) == [n for n in everything if asked in n]
            assert numbers(ends(asked)) == [n for n in everything if n.endswith(asked)]


def test_it_goes_with_other_conditions_order_and_slices(house):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_300)], house)
    numbers_in("reserved", ["112000000001"], house)

    found = DID.objects.filter(Q(number="442000000299") | contains("200000001"), status="instock")

    assert found.count() == 11
    assert list(found.order_by("-number").values_list("number", flat=True)[:2]) == [
        "442000000299",
        "442000000019",
    ]
    assert not DID.objects.filter(contains("555555")).exists()


def test_few_that_match_are_named_and_many_lie_between_two_numbers(house, monkeypatch):
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
    ("asked", "at_end"), [("2000", False), ("0001", False), ("001", False), ("0002", True), ("02", True)]
)
def test_the_first_and_the_last_that_match_are_at_hand_in_order(house, monkeypatch, asked, at_end):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_130)], house)
    numbers_in("instock", ["112000", "0002", "20001200012000", "995000002"], house)
    found = DID.objects.filter(Substring(asked, at_end=at_end).condition)
    monkeypatch.setattr(substring, "IDS_MAX", 4)
    many = Substring(asked, at_end=at_end)

    for backwards, order in ((False, "number"), (True, "-number")):
        first = DID.objects.filter(many.front(backwards=backwards)).order_by(order)
        assert list(first) == list(found.order_by(order)[:4])
    assert many.ids == list(found.order_by("number").values_list("pk", flat=True)[:5])


def test_a_search_costs_two_queries_beside_the_one_that_it_is_for(house, django_assert_num_queries):
    numbers_in("instock", ["442000000000"], house)

    for search in (contains, ends):
        with django_assert_num_queries(2):
            search("2000000")


def test_numbers_made_side_by_side_share_one_head(house):
    numbers_in("instock", [str(n) for n in range(442_000_000_000, 442_000_000_030)], house)
    DID.objects.edit(by=SYSTEM, notes="x")
    insert(["442000009999", "17"], house.operator)

    assert sorted(NumberHead.objects.values_list("head", flat=True)) == ["", "44200000"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_head_stays_when_another_who_brought_it_as_well_takes_it_back(house):
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

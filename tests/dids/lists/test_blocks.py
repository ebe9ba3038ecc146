"""The block map: what it sums up are the numbers that a person sees."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from dids.lifecycle import statuses as st
from dids.lists.blocks import BlockMap, place_of
from dids.models import DID
from tests.carrier import carrier, numbers_in
from tests.examples import scaled
from tests.world import member

pytestmark = pytest.mark.django_db
HEADS = ("44207946", "44207947", "44208000", "4420800", "44740012", "1212555", "33199004", "9", "12345")


@pytest.fixture(scope="module")
def inventory(module_db):
    dice = random.Random(11)
    for house in (carrier(did_limit=500), carrier("South", did_limit=500)):
        for status in ("instock", "reserved", "active", "hold", "blocked", "archive"):
            numbers = {f"{dice.choice(HEADS)}{dice.randrange(10_000):04}" for _ in range(60)} | {
                f"44207946{n:04}" for n in dice.sample(range(300), 30)
            }
            taken = set(DID.objects.values_list("number", flat=True))
            numbers_in(status, sorted(numbers - taken), house)
    held = DID.objects.filter(status="hold", number__startswith="442")
    assert held.update(hold_until=timezone.now() - timedelta(days=1), after_hold="instock")


def seen(viewer):
    return dict(DID.objects.visible_to(viewer).with_status_now().values_list("number", "status_now"))


def counted(numbers, beginning, digits):
    return Counter(s for n, s in numbers.items() if n.startswith(beginning) and len(n) == digits)


@pytest.mark.parametrize("bound", [False, True])
def test_parts_and_numbers_are_those_that_the_person_sees(inventory, db, bound):
    house = DID.objects.filter(operator__name="South Telecom").first().operator.reseller
    viewer = member("Viewer", reseller=house if bound else None)
    numbers, blocks, dice = seen(viewer), BlockMap(viewer, timezone.now()), random.Random(2)
    assert sum(one.counts.total for one in blocks.countries) == len(numbers)
    for number in dice.sample(sorted(numbers), scaled(12)):
        digits = len(number)
        for length in range(digits):
            place = blocks.place(number[:length], digits)
            assert (digits - len(place.prefix)) % 2 == 0 and len(place.prefix) <= digits - 4
            assert number.startswith(place.prefix[:length]) and len(place.parts) == 100
            for part in place.parts:
                assert part.counts == counted(numbers, part.prefix, digits)
            assert place.block_counts == counted(numbers, place.block, digits)
            below = place.statuses if place.has_numbers else {}
            assert all(numbers[one] == status for one, status in below.items())
            assert len(below) == (place.block_counts.total if place.has_numbers else 0)


def test_overdue_holds_of_short_numbers_are_counted_as_what_follows():
    house = carrier("East")
    numbers_in("hold", ["77", "4620795"], house)
    held = DID.objects.filter(operator=house.operator)
    held.update(hold_until=timezone.now() - timedelta(days=1), after_hold="instock")
    blocks = BlockMap(member("Viewer", reseller=house.reseller), timezone.now())
    assert blocks.short == 1 and [one.counts for one in blocks.countries] == [{"instock": 1}]


def test_a_level_with_one_owned_part_is_skipped(inventory, db):
    viewer = member("Viewer")
    blocks, numbers = BlockMap(viewer, timezone.now()), seen(viewer)
    assert blocks.place("33", 12).prefix == "33199004"
    assert blocks.place("442", 12).prefix == "4420"
    assert blocks.place("44207946", 12).prefix == "44207946"
    assert [*blocks.way("44207946", 12)][-3:] == ["4420", "442079", "44207946"]
    with pytest.raises(LookupError):
        blocks.place("55", 12)
    assert blocks.digits_of("4420") == sorted(
        blocks.digits_of("4420"), key=lambda n: -counted(numbers, "4420", n).total()
    )


def test_free_runs_and_a_range_are_told():
    house = carrier("West")
    numbers_in("instock", [f"46207946{n:04}" for n in (*range(95), *range(96, 110))], house)
    numbers_in("active", ["462079460095"], house)
    blocks = BlockMap(member("Viewer"), timezone.now())
    place = blocks.place("46207946", 12, "4620794600")
    assert [(run.first[-3:], run.last[-3:], run.length) for run in place.runs] == [
        ("000", "094", 95),
        ("096", "099", 4),
    ]
    some = place.selected("462079460010", "462079460029")
    assert (some.counts, some.before, some.after) == ({"instock": 20}, 10, 65)
    mixed = place.selected("462079460090", "462079460099")
    assert (mixed.counts, mixed.run) == ({"instock": 9, "active": 1}, None)
    thousand = blocks.place("46207946", 12, "462079460")
    assert thousand.is_thousand and [run.length for run in thousand.runs] == [95, 14]
    across = place.selected("462079460090", "462079460119")
    assert (across.counts, across.size, across.run) == ({"instock": 19, "active": 1}, 30, None)
    for first, last in (("462079460110", "462079470120"), ("462079460020", "462079460010"), ("4", "5")):
        with pytest.raises(LookupError):
            place.selected(first, last)


@pytest.mark.parametrize("bound", [False, True])
def test_a_range_of_any_size_is_counted(inventory, db, bound):
    house = DID.objects.filter(operator__name="South Telecom").first().operator.reseller
    viewer = member("Viewer", reseller=house if bound else None)
    numbers, blocks, dice = seen(viewer), BlockMap(viewer, timezone.now()), random.Random(4)
    place = blocks.place("", 12)
    some = sorted(number for number in numbers if len(number) == 12)
    whole = [("4420794600", "4420794600"), ("44207946", "44207946"), ("44207946", "44208000"), ("", "")]
    ranges = [(low.ljust(12, "0"), high.ljust(12, "9")) for low, high in whole]
    ranges += [tuple(sorted(dice.sample(some, 2))) for _ in range(scaled(12))]
    for first, last in ranges:
        if place.has_number(first) and place.has_number(last):
            counts = Counter(numbers[one] for one in some if first <= one <= last)
            assert place.selected(first, last).counts == counts


def test_a_range_is_counted_with_two_ranges_of_the_index_at_most(
    inventory, db, django_assert_max_num_queries
):
    place = BlockMap(member("Viewer"), timezone.now()).place("4420", 12)
    with django_assert_max_num_queries(2):
        place.selected("442079460150", "442079999949")


def test_ranges_of_a_country_are_its_areas_and_types(inventory, db):
    viewer = member("Viewer")
    countries = {one.key: one for one in BlockMap(viewer, timezone.now()).countries}
    assert countries["GB"].code == "44" and countries["US"].code == "1"
    labels = {(one.prefix, one.digits, one.label) for one in countries["GB"].ranges}
    assert ("44740012", 12, "Mobile") in labels
    london = next(one for one in countries["GB"].ranges if one.label == "London" and one.digits == 12)
    numbers = seen(viewer)
    assert london.counts.free == sum(
        counted(numbers, head, 12)[st.INSTOCK] for head in ("44207946", "44207947", "44208000")
    )


def test_a_number_has_its_place():
    assert place_of("442079460010", "442079460019") == {
        "prefix": "44207946",
        "digits": 12,
        "block": "4420794600",
        "select": "442079460010-442079460019",
    }
    assert place_of("442079460090", "442079460110")["select"] == "442079460090-442079460110"
    assert "select" not in place_of("442079469990", "442079470010")
    assert place_of("2567", "2568") == {}


def test_the_map_reads_counters_and_one_range(inventory, db, django_assert_max_num_queries):
    viewer = member("Viewer")
    with django_assert_max_num_queries(8):
        blocks = BlockMap(viewer, timezone.now())
        place = blocks.place("44207946", 12)
        assert blocks.countries and place.parts and place.statuses and place.runs is not None

"""Filters by country, type and area: ranges of numbers that have exactly the numbers with such heads."""

import random

import pytest
from django.utils import timezone

from audit import SYSTEM
from dids.lists import listing as lists
from dids.lists import places
from dids.lists.places import Places
from dids.models import DID, HeadGeography, head_geography
from dids.numbering import geography
from dids.numbering.geography import head_of, of_head
from tests.carrier import carrier, numbers_in
from tests.dids.lists.test_keyset import SORTS, check_pages, page_at
from tests.world import member

pytestmark = pytest.mark.django_db
# Those of shorter heads lie among those of longer ones: 4420791234 is between 442079120000 and 442079130000.
HEADS = """44207912 44207946 442079 44740012 44791112 44780012 44800080 1212555 1416555 1876555 1213555
1800555 3319900 33805123 3531234 8001234 4940669 3 39 1 0301234 99999999""".split()
FILTERS = [
    "country=GB",
    "country=US",
    "country=unknown",
    "country=JE",
    "type=mobile",
    "type=tollfree&type=geographic",
    "area=LOND",
    "country=US&area=ny",
    "country=GB&type=geographic",
    "type=unknown&country=GB",
]


@pytest.fixture(scope="module")
def inventory(module_db):
    dice, houses = random.Random(3), [carrier(), carrier("South")]
    for house in houses:
        for status in ("instock", "reserved", "active", "hold"):
            numbers = {f"{dice.choice(HEADS)}{dice.randrange(10_000):04}" for _ in range(40)}
            numbers |= {str(dice.randrange(10, 1_000)) for _ in range(3)}
            taken = set(DID.objects.values_list("number", flat=True))
            numbers_in(status, sorted(numbers - taken), house, tags=dice.choice([[], ["gold"]]))


def numbers_of(query):
    """Return the numbers (texts) that a filter by place means, from each number’s own head."""
    values = dict.fromkeys(("country", "area"), "") | {"type": []}
    for part in query.split("&"):
        name, value = part.split("=")
        values[name] = [*values[name], value] if name == "type" else value
    return sorted(
        number
        for number in DID.objects.values_list("number", flat=True)
        for place in [of_head(head_of(number))]
        if values["country"] in ("", place.country)
        and (not values["type"] or place.type in values["type"])
        and values["area"].casefold() in place.area.casefold()
    )


@pytest.mark.parametrize("most", [100, 3, 1])
@pytest.mark.parametrize("query", FILTERS)
def test_a_place_has_the_numbers_with_its_heads(inventory, query, most, monkeypatch):
    monkeypatch.setattr(places, "RANGES_MAX", most)
    listing = page_at(member("Viewer"), f"/dids/?{query}")
    expected = numbers_of(query)
    assert list(listing.matches.values_list("number", flat=True).order_by("number")) == expected
    assert listing.total == len(expected)
    parts = Places(*(listing.form.cleaned_data[name] for name in ("country", "type", "area"))).parts
    apart = [number for one in parts for number in DID.objects.filter(one).values_list("number", flat=True)]
    assert sorted(apart) == expected and len(parts) <= most + 1


@pytest.mark.parametrize("sort", SORTS)
def test_pages_of_a_place_are_the_sorted_list(inventory, administrator, sort, monkeypatch):
    monkeypatch.setattr(lists, "SORTED_MAX", 0)
    dice = random.Random(sort)
    for query in dice.sample(FILTERS, 3):
        more = dice.choice(["", "&status=instock", "&tag=gold", "&status=hold&status=active", "&q=4*"])
        check_pages(administrator, f"{query}{more}&per_page=20", sort)


def test_a_place_is_counted_by_heads_for_a_person_of_one_reseller(inventory):
    house = DID.objects.filter(operator__name="South Telecom")
    viewer = member("Viewer", reseller=house.first().operator.reseller)
    listing = page_at(viewer, "/dids/?country=GB&status=active")
    own = set(house.filter(status="active").values_list("number", flat=True))
    assert listing.total == len(own & set(numbers_of("country=GB"))) > 0


def test_an_overdue_hold_counts_as_what_follows(inventory, db):
    held = DID.objects.filter(status="hold", number__startswith="44")
    assert held.update(hold_until=timezone.now() - timezone.timedelta(days=1), after_hold="archive")
    viewer = member("Viewer")
    counts = {
        status: page_at(viewer, f"/dids/?country=GB&status={status}").total for status in ("hold", "archive")
    }
    assert counts["hold"] < counts["archive"] == held.filter(number__in=numbers_of("country=GB")).count()


def test_the_worker_keeps_what_readers_would_compute(inventory, db, monkeypatch):
    assert head_geography.renew() == len(set(map(head_of, DID.objects.values_list("number", flat=True))))
    assert head_geography.renew() == 0
    DID.objects.create_numbers(["4312345678"], operator=DID.objects.first().operator, by=SYSTEM)
    monkeypatch.setattr(head_geography, "_known", {})
    monkeypatch.setattr(geography, "VERSION", "next")
    assert head_geography.renew() == HeadGeography.objects.count()
    stored = HeadGeography.objects.get(head="431234")
    assert (stored.version, stored.country, stored.type) == ("next", "AT", "geographic")
    monkeypatch.setattr(geography, "of_head", None)  # needed no more
    head_geography.learn(["4312345678"])
    assert head_geography.of_number("4312345678").country == "AT"


def test_the_worker_keeps_an_area_that_is_a_long_list_of_places(inventory):
    DID.objects.create_numbers(["61253410000"], operator=DID.objects.first().operator, by=SYSTEM)
    head_geography.renew()
    area = HeadGeography.objects.get(head="6125341").area
    assert len(area) > 400 and area.startswith("Blayney/Baldry/Bathurst/") and "/Young/" in area


def test_a_past_inventory_is_not_filtered_by_place(inventory):
    listing = page_at(member("Viewer"), "/dids/?as_of=2026-01-01T00:00&country=GB")
    assert not listing.valid and "can’t be filtered by the country" in " ".join(listing.errors)

"""Numbers In Stock as bits: what is read from them is what the numbers say, after any kind of write."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from dids.lists.free_runs import free_runs
from dids.models import DID, FreeNumbers, TagSet, free_numbers, head_stock
from dids.models.free_numbers import free_blocks
from dids.periodic import renew_free_numbers
from staff.models import User
from tests.carrier import carrier, numbers_in, person
from tests.dids.models.test_head_stock import write_at_random
from tests.examples import scaled

pytestmark = pytest.mark.django_db


def free(**narrowed):
    """Return the free numbers (texts) that ``free_blocks`` has."""
    found = []
    for digits, head, bits in free_blocks(now=timezone.now(), **narrowed):
        width = digits - len(head)
        found += [head + str(tail).zfill(width) for tail in range(bits.bit_length()) if bits >> tail & 1]
    return sorted(found)


def in_stock(**narrowed):
    found = DID.objects.in_status(["instock"]).filter(**narrowed)
    return sorted(found.values_list("number", flat=True))


@pytest.mark.parametrize("seed", range(scaled(15)))
def test_the_free_numbers_are_those_in_stock_after_random_writes(seed, monkeypatch):
    monkeypatch.setattr(head_stock, "COMPACT_ABOVE", 2)
    dice, houses = random.Random(seed), [carrier(), carrier("South")]
    for _ in range(25):
        write_at_random(dice, houses)
        tag = dice.choice(["gold", "silver", ""])
        DID.objects.filter(number__gte=dice.choice("01")).edit(by=SYSTEM, tags=[tag] if tag else [])
        if dice.random() < 0.4:
            free_numbers.renew()
        assert free() == in_stock()
        for house in houses:
            assert free(operators=[house.operator.pk]) == in_stock(operator=house.operator)
        sets = set(TagSet.objects.filter(label="gold").values_list("pk", flat=True))
        assert free(tag_sets=sets) == in_stock(tag_set__in=sets)
        prefix = dice.choice(["0", "1", "01", "0110", "01101", "110110"])
        assert free(prefix=prefix) == in_stock(number__startswith=prefix)


def test_what_did_not_change_is_not_read_again(django_assert_num_queries):
    numbers_in("instock", ["442000000001", "442000010001"], carrier())
    assert free_numbers.renew() == 2
    with django_assert_num_queries(3):  # counters, bits, overdue holds
        assert free() == ["442000000001", "442000010001"]
    DID.objects.edit(by=SYSTEM, notes="x")
    assert free_numbers.renew() == 0
    DID.objects.filter(number="442000000001").edit(by=SYSTEM, status="reserved")
    with django_assert_num_queries(3):  # a prefix without numbers In Stock has nothing to read
        assert free() == ["442000010001"]


def test_a_change_of_tags_is_noticed():
    numbers_in("instock", ["442000000001"], carrier(), tags=["gold"])
    free_numbers.renew()
    gold = set(TagSet.objects.values_list("pk", flat=True))
    DID.objects.edit(by=SYSTEM, tags=["silver"])
    assert (free(tag_sets=gold), free_numbers.renew()) == ([], 1)


def test_numbers_that_change_places_are_noticed():
    house = carrier()
    numbers_in("instock", ["442000000001"], house)
    numbers_in("reserved", ["442000000002"], house)
    free_numbers.renew()
    DID.objects.filter(number="442000000001").edit(by=SYSTEM, status="reserved")
    DID.objects.filter(number="442000000002").edit(by=SYSTEM, status="instock")
    assert free() == ["442000000002"]


def test_a_hold_that_is_over_is_free():
    numbers_in("hold", ["442000000002", "442000000003", "442000010001"], carrier())
    past = timezone.now() - timedelta(days=40)
    DID.objects.filter(number__gt="442000000002").update(hold_from=past, hold_until=past + timedelta(days=1))
    DID.objects.filter(number="442000010001").update(after_hold="archive")
    assert free() == in_stock() == ["442000000003"]


def test_the_worker_renews_the_bits(monkeypatch):
    numbers_in("instock", ["442000000001"], carrier())
    monkeypatch.setattr("dids.periodic.renew_free_numbers.due", float("-inf"))
    assert (renew_free_numbers(timezone.now()), FreeNumbers.objects.count()) == (1, 1)
    assert renew_free_numbers(timezone.now()) == 0


def test_a_person_finds_runs_of_their_reseller_only():
    north, south = carrier(), carrier("South")
    numbers_in("instock", [str(n) for n in range(4420000, 4420005)], north)
    numbers_in("instock", [str(n) for n in range(4420005, 4420012)], south)
    clerk, now = person("clerk", reseller=south.reseller), timezone.now()
    assert free_runs(clerk, now).longest() == ("4420005", "4420011")
    assert free_runs(clerk, now, operator=north.operator).longest() is None
    assert free_runs(clerk, now, package=north.package).longest() is None
    everyone = person("boss")
    assert free_runs(everyone, now).longest() == ("4420000", "4420011")
    assert free_runs(everyone, now, operator=north.operator).longest() == ("4420000", "4420004")
    assert free_runs(everyone, now, package=south.package).longest() == ("4420005", "4420011")
    assert free_runs(User(), now, prefix="442001").longest() == ("4420010", "4420011")


def test_runs_are_found_by_tag_and_by_the_tags_of_a_package():
    house = carrier(allowed_tags="Gold, Silver")
    lots = defaultdict(list, {"gold": ["10000", "10001"], "silver": ["10002"], "vip": ["10003"]})
    for tag, numbers in lots.items():
        numbers_in("instock", numbers, house, tags=[tag])
    boss, now = person("boss"), timezone.now()
    assert free_runs(boss, now, package=house.package).longest() == ("10000", "10002")
    assert free_runs(boss, now, tags="VIP, gold").longest() == ("10000", "10001")
    assert free_runs(boss, now, package=house.package, tags="silver").longest() == ("10002", "10002")

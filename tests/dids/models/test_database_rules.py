"""Database constraints refuse rows that the application must never write."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from audit import SYSTEM
from dids.models import DID, ClientPackage, Tag, TagSet
from tests.carrier import carrier, numbers_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        ("instock", {"status": "sold"}),
        ("instock", {"status": "active"}),
        ("instock", {"status": "hold"}),
        ("instock", {"after_hold": "active"}),
        ("instock", {"hold_until": timezone.now()}),
        ("instock", {"hold_days": 366}),
        ("active", {"account": None}),
        ("active", {"client_package": None}),
        ("active", {"status": "instock"}),
        ("hold", {"hold_until": None}),
        ("hold", {"hold_from": None}),
        ("hold", {"status": "active"}),
        ("instock", {"number": "12 34"}),
        ("instock", {"number": ""}),
    ],
)
def test_an_inconsistent_row_is_refused(status, wrong):
    dids = numbers_in(status, ["100"], carrier())

    with pytest.raises(IntegrityError), transaction.atomic():
        dids.update(**wrong)


def test_numbers_are_unique_across_resellers():
    numbers_in("instock", ["100"], carrier())

    with pytest.raises(IntegrityError), transaction.atomic():
        DID.objects.create(number="100", operator=carrier("South").operator)


def test_leading_zeros_are_significant():
    numbers_in("instock", ["0100", "100"], carrier())

    assert DID.objects.count() == 2


@pytest.mark.parametrize("parent", ["operator", "account", "client_package", "client", "package", "reseller"])
def test_records_that_a_number_depends_on_cannot_be_deleted(parent):
    house = carrier()
    numbers_in("active", ["100"], house)

    with pytest.raises(ProtectedError):
        getattr(house, parent).delete()


def test_a_client_package_ends_after_it_starts():
    house = carrier()
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientPackage.objects.update(ends_at=house.client_package.starts_at)


def test_a_tag_set_is_one_row_in_any_spelling_of_its_tags():
    one, two = TagSet.of(["vip", " gold "]), TagSet.of(["gold", "vip", "vip"])

    assert one == two
    assert one.label == "gold, vip"
    assert list(one.tags.order_by("name").values_list("name", flat=True)) == ["gold", "vip"]
    assert TagSet.of(["", " "]) is None
    assert Tag.objects.count() == 2


def test_creating_a_range_again_creates_no_duplicates():
    house = carrier()
    numbers = [f"{n:04}" for n in range(20)]
    DID.objects.create_numbers(numbers[:10], operator=house.operator, by=SYSTEM, notes="first")

    result = DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM, notes="second")

    assert (result.done, result.refused) == (10, 10)
    assert result.refusals["exists"].numbers == numbers[:10]
    assert "10 refused (0000, 0001, 0002, 0003, 0004 and 5 more): already exist" in result.sentence("created")
    assert DID.objects.filter(notes="first").count() == 10
    assert DID.objects.count() == 20

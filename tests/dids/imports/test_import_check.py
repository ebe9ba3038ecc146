"""What only many rows of a file together tell: numbers that stand there twice, places that run out."""

import pytest

from audit import SYSTEM
from clients.models import Account, Client, Package
from dids.imports import validate
from dids.models import DID, ClientPackage
from tests.imports import imported, staged
from tests.world import make_world

pytestmark = pytest.mark.django_db


def file_of(numbers, cells=""):
    header = "DID,Status,Client,Account,Package\n" if cells else "DID\n"
    return header + "".join(f"{number}{cells}\n" for number in numbers)


@pytest.mark.parametrize("together", [1, 2, 1_000])
def test_a_number_is_found_twice_wherever_it_stands(administrator, monkeypatch, together):
    monkeypatch.setattr(validate, "PARTITION", together)
    numbers = ["3005", "3001", "0123", "3005", "123", "3002", "3001", "3005"]

    one = staged(file_of(numbers), administrator, operator=make_world().operator)

    assert one.counts == {"created": 5, "updated": 0, "unchanged": 0, "refused": 3}
    told = [(row["line"], row["reason"]) for row in one.refusals(10)]
    assert [line for line, _ in told] == [5, 8, 9]
    assert "line 2" in told[0][1] and "line 3" in told[1][1] and "line 2" in told[2][1]


def test_a_number_is_found_twice_at_the_end_of_a_sorted_file(administrator):
    one = staged(file_of(["1", "2", "3", "3"]), administrator, operator=make_world().operator)

    assert one.counts["refused"] == 1


def test_an_id_is_found_twice(administrator):
    world = make_world()
    DID.objects.create_numbers(["71", "72", "73"], operator=world.operator, by=SYSTEM)
    keys = [DID.objects.get(number=number).pk for number in ("73", "71", "73", "72")]

    text = "ID,Notes\n" + "".join(f"{key},new\n" for key in keys)
    one = staged(text, administrator, operator=world.operator)

    assert one.counts == {"created": 0, "updated": 3, "unchanged": 0, "refused": 1}


@pytest.mark.parametrize(("places", "made"), [(4, 4), (5, 5), (6, 5)])
def test_places_go_to_the_rows_in_the_order_of_the_file(administrator, places, made):
    reseller = make_world().reseller
    operator = reseller.operators.first()
    package = Package.objects.create(reseller=reseller, name="Few", did_limit=places)
    client = Client.objects.create(reseller=reseller, name="Bakery")
    Account.objects.create(client=client, name="Main")
    given = ClientPackage.objects.create(client=client, package=package)
    numbers = [str(7_000 + n) for n in range(5)]

    one = imported(file_of(numbers, ",Active,Bakery,Main,Few"), administrator, operator=operator)

    assert one.counts == {"created": made, "updated": 0, "unchanged": 0, "refused": 5 - made}
    assert list(given.dids.order_by("number").values_list("number", flat=True)) == numbers[:made]


def test_names_of_rows_that_do_not_fit_are_not_created(administrator):
    reseller = make_world().reseller
    operator = reseller.operators.first()
    Package.objects.create(reseller=reseller, name="None", did_limit=0)
    text = file_of(["7001", "7002"], ",Active,Newcomer,Main,None")

    one = staged(text, administrator, operator=operator, create=True)

    assert one.counts["refused"] == 2
    assert one.job.result["missing"] == []


@pytest.mark.parametrize("pick", [[], [0], [0, 1, 2], [0, 2], [2, 1, 0], [0, 0, 1], [1, 2, 3, 5]])
def test_among_finds_just_these(pick):
    world = make_world()
    DID.objects.create_numbers([str(n) for n in range(8_000, 8_008)], operator=world.operator, by=SYSTEM)
    keys = list(DID.objects.filter(number__startswith="800").order_by("pk").values_list("pk", flat=True))

    wanted = [keys[n] for n in pick]

    assert set(DID.objects.filter(pk__among=wanted).values_list("pk", flat=True)) == set(wanted)

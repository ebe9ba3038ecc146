"""Creating the records that a file names and nobody has yet, and announcing them in the check."""

import pytest

from clients.models import Account, Client, Package
from dids.models import ClientPackage, TagSet
from operators.models import Operator
from tests.imports import imported, importer, staged

pytestmark = pytest.mark.django_db

HEADER = "DID,Operator,Reseller,Status,Client,Account,Package,Tag\n"


def announced(text, world):
    return staged(HEADER + text, importer(world), create=True).job.result["missing"]


def test_the_check_announces_what_will_be_created(world):
    text = "900,New,Reseller 3,active,Bakery,main,Loaf,\n901,New,Reseller 3,active,Bakery,main,Loaf,\n"

    assert announced(text, world) == [
        "1 reseller will be created: Reseller 3.",
        "1 operator will be created: New.",
        "1 client will be created: Bakery.",
        "1 account will be created: main.",
        "1 package will be created: Loaf (DID limit 2).",
        "1 package will be given to clients and be active immediately.",
    ]


@pytest.mark.parametrize(
    ("count", "names"),
    [(5, "New 1, New 2, New 3, New 4, New 5"), (7, "New 1, New 2, New 3, New 4, New 5 and 2 more")],
)
def test_five_names_are_listed(count, names, world):
    text = "".join(f"{900 + n},New {n},Reseller 1,,,,,\n" for n in range(1, count + 1))

    assert announced(text, world) == [f"{count} operators will be created: {names}."]


def test_records_of_the_same_name_count_once_for_each_owner(world):
    text = (
        "900,New,Reseller 1,active,Bakery,main,Loaf,\n901,New,Reseller 2,active,Bakery,main,Loaf,\n"
        "902,New,Reseller 2,active,Mill,main,Loaf,\n903,New,Reseller 1,active,Bakery,main,Loaf,\n"
    )

    assert announced(text, world) == [
        "2 operators will be created: New, New.",
        "3 clients will be created: Bakery, Bakery, Mill.",
        "3 accounts will be created: main, main, main.",
        "2 packages will be created: Loaf (DID limit 2), Loaf (DID limit 1).",
        "3 packages will be given to clients and be active immediately.",
    ]


def test_refused_rows_create_nothing(world):
    number_import = imported(HEADER + "9x,New,Reseller 3,,,,,fresh\n", importer(world), create=True)

    assert number_import.job.result["missing"] == []
    assert not Operator.objects.filter(name="New").exists()
    assert not TagSet.objects.filter(label="fresh").exists()


def test_missing_records_are_created_with_their_owners_and_the_tags(world):
    text = HEADER + (
        "900,New,Reseller 3,active,Bakery,main,Loaf,vip\n901,New,Reseller 3,blocked,Bakery,main,Loaf,\n"
        "902,New,Reseller 3,active,Mill,wheel,Loaf,\n903,New,Reseller 3,reserved,,,,\n"
    )

    number_import = imported(text, importer(world), create=True)

    assert number_import.counts == {"created": 4, "updated": 0, "unchanged": 0, "refused": 0, "flagged": 0}
    operator = Operator.objects.get(name="New")
    assert operator.reseller.name == "Reseller 3"
    assert set(Client.objects.filter(reseller=operator.reseller).values_list("name", flat=True)) == {
        "Bakery", "Mill",
    }  # fmt: skip
    accounts = Account.objects.filter(client__reseller=operator.reseller).values_list("client__name", "name")
    assert set(accounts) == {("Bakery", "main"), ("Mill", "wheel")}
    package = Package.objects.get(reseller=operator.reseller)
    assert (package.name, package.did_limit) == ("Loaf", 2)  # as many as Bakery needs
    given = ClientPackage.objects.filter(package=package, active=True).values_list("client__name", flat=True)
    assert sorted(given) == ["Bakery", "Mill"]
    assert world.did("900").tag_set.label == "vip"
    assert str(world.did("902").client_package) == "Loaf of Mill"


def test_records_that_exist_are_not_created_again(world):
    text = HEADER + "900,DID Operator,Reseller 1,active,Rose Orig,rose_orig,Basic,\n"

    number_import = imported(text, importer(world), create=True)

    assert number_import.job.result["missing"] == []
    assert world.did("900").client_package == world.client_package
    assert (Client.objects.count(), Package.objects.count(), ClientPackage.objects.count()) == (1, 1, 1)

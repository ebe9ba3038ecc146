"""Verdicts that depend on several rows of a file: duplicates, and packages that run full."""

import pytest

from audit import SYSTEM
from clients.models import Account, Client, Package
from dids.imports import apply, validate
from dids.imports.check import Check
from dids.models import DID, ClientPackage
from tests.imports import finished, imported, refusals, staged
from tests.world import make_world

pytestmark = pytest.mark.django_db


def file_of(numbers, cells=""):
    header = "DID,Status,Client,Account,Package\n" if cells else "DID\n"
    return header + "".join(f"{number}{cells}\n" for number in numbers)


@pytest.mark.parametrize("partition", [1, 2, 1_000])
def test_duplicates_of_a_number_are_found_anywhere_in_the_file(administrator, monkeypatch, partition, world):
    monkeypatch.setattr(validate, "PARTITION", partition)
    numbers = ["3005", "3001", "0123", "3005", "123", "3002", "3001", "3005"]

    number_import = staged(file_of(numbers), administrator, operator=world.operator)

    assert number_import.counts == {"created": 5, "updated": 0, "unchanged": 0, "refused": 3, "flagged": 0}
    refused = [(row["line"], row["reason"]) for row in refusals(number_import)]
    assert [line for line, _ in refused] == [5, 8, 9]
    assert "line 2" in refused[0][1] and "line 3" in refused[1][1] and "line 2" in refused[2][1]


def test_a_duplicate_is_found_at_the_end_of_a_sorted_file(administrator, world):
    number_import = staged(file_of(["1", "2", "3", "3"]), administrator, operator=world.operator)

    assert number_import.counts["refused"] == 1


def test_duplicates_of_an_id_are_found(administrator, world):
    DID.objects.create_numbers(["71", "72", "73"], operator=world.operator, by=SYSTEM)
    keys = [DID.objects.get(number=number).pk for number in ("73", "71", "73", "72")]

    text = "ID,Notes\n" + "".join(f"{key},new\n" for key in keys)
    number_import = staged(text, administrator, operator=world.operator)

    assert number_import.counts == {"created": 0, "updated": 3, "unchanged": 0, "refused": 1, "flagged": 0}


@pytest.mark.parametrize(("limit", "created"), [(4, 4), (5, 5), (6, 5)])
def test_the_did_limit_of_a_package_is_used_up_in_file_order(administrator, limit, created, world):
    reseller = world.reseller
    operator = reseller.operators.first()
    package = Package.objects.create(reseller=reseller, name="Few", did_limit=limit)
    client = Client.objects.create(reseller=reseller, name="Bakery")
    Account.objects.create(client=client, name="Main")
    given = ClientPackage.objects.create(client=client, package=package)
    numbers = [str(7_000 + n) for n in range(5)]

    number_import = imported(file_of(numbers, ",Active,Bakery,Main,Few"), administrator, operator=operator)

    assert number_import.counts == {
        "created": created,
        "updated": 0,
        "unchanged": 0,
        "refused": 5 - created,
        "flagged": 0,
    }
    assert list(given.dids.order_by("number").values_list("number", flat=True)) == numbers[:created]


def test_names_in_rows_over_the_did_limit_are_not_created(administrator, world):
    reseller = world.reseller
    operator = reseller.operators.first()
    Package.objects.create(reseller=reseller, name="None", did_limit=0)
    text = file_of(["7001", "7002"], ",Active,Newcomer,Main,None")

    number_import = staged(text, administrator, operator=operator, create=True)

    assert number_import.counts["refused"] == 2
    assert number_import.job.result["missing"] == []


@pytest.mark.parametrize("pick", [[], [0], [0, 1, 2], [0, 2], [2, 1, 0], [0, 0, 1], [1, 2, 3, 5]])
def test_among_finds_exactly_the_given_ids(pick, world):
    DID.objects.create_numbers([str(n) for n in range(8_000, 8_008)], operator=world.operator, by=SYSTEM)
    keys = list(DID.objects.filter(number__startswith="800").order_by("pk").values_list("pk", flat=True))

    wanted = [keys[n] for n in pick]

    assert set(DID.objects.filter(pk__among=wanted).values_list("pk", flat=True)) == set(wanted)


def flag(number_import, *lines):
    """Check the import again, with the rows of these lines flagged when they are staged."""
    job = number_import.job
    job.cursor = {"phase": "check"}
    check = Check(job).run()
    next(check)
    job.batches.get().rows.filter(line__in=lines).update(verdict="f")
    for _ in check:
        pass
    job.save()
    return number_import


def test_flagged_rows_are_left_out_and_are_neither_refused_nor_duplicates(administrator, world):
    text = file_of(["4", "3001", "4", "3002", "3001"])
    number_import = flag(staged(text, administrator, operator=world.operator), 2, 4)

    assert number_import.counts["flagged"] == 2
    assert number_import.apply(number_import.checked)
    finished(number_import)

    assert number_import.sentence == "2 created, 0 updated, 0 unchanged, 1 refused, 2 left out"
    assert [row.line for row in number_import.refused] == [6]
    assert not DID.objects.filter(number="4").exists()


def test_all_or_nothing_goes_through_with_flagged_rows(administrator, world):
    text = file_of(["4", "3001", "3002"])
    number_import = flag(staged(text, administrator, operator=world.operator, all_or_nothing=True), 2)

    assert number_import.apply(number_import.checked)

    assert finished(number_import).counts["created"] == 2


@pytest.fixture
def full_package():
    """Give Bakery the package Few, whose 2 places 7001 and 7002 take; return their operator."""
    reseller = make_world().reseller
    operator = reseller.operators.first()
    package = Package.objects.create(reseller=reseller, name="Few", did_limit=2)
    client = Client.objects.create(reseller=reseller, name="Bakery")
    account = Account.objects.create(client=client, name="Main")
    given = ClientPackage.objects.create(client=client, package=package)
    DID.objects.create_numbers(["7001", "7002"], operator=operator, by=SYSTEM)
    DID.objects.filter(number__startswith="700").assign(account=account, client_package=given, by=SYSTEM)
    return operator


SWAP = (
    "DID,Status,Client,Account,Package\n"
    "8001,active,Bakery,Main,Few\n"
    "8002,active,Bakery,Main,Few\n"
    "8003,active,Bakery,Main,Few\n"
    "7002,hold,,,\n"
    "7001,hold,,,\n"
)


@pytest.mark.parametrize("chunk", [1, 2, 5_000])
def test_places_that_a_file_frees_are_taken_by_its_other_rows(
    administrator, monkeypatch, full_package, chunk
):
    monkeypatch.setattr(apply, "CHUNK", chunk)

    number_import = imported(SWAP, administrator, operator=full_package)

    assert number_import.sentence == "2 created, 2 updated, 0 unchanged, 1 refused"
    assert [(row.line, row.reason) for row in number_import.refused] == [(4, "package full")]
    in_use = DID.objects.filter(client_package__package__name="Few", status="active")
    assert sorted(in_use.values_list("number", flat=True)) == ["8001", "8002"]
    assert number_import.job.change.touched == 4
    (reason,) = number_import.reasons
    assert reason["what"] == (
        "Package Few of Bakery has 2 places: 2 are used, the file frees 2 and 3 rows need one."
    )


def test_the_check_counts_the_places_that_an_import_takes_and_frees(administrator, full_package):
    new = "".join(f"{number},active,Bakery,Main,{package}\n" for number, package in enumerate("AAB", 900))

    swap = staged(SWAP, administrator, operator=full_package)
    created = staged(SWAP.partition("\n")[0] + f"\n{new}", administrator, operator=full_package, create=True)

    assert swap.places == [
        "2 places in 1 client package will be taken.", "2 places in 1 client package will be freed.",
    ]  # fmt: skip
    assert created.places == ["3 places in 2 client packages will be taken."]
    assert staged("DID\n12x\n", administrator, operator=full_package).places == []


def test_all_or_nothing_goes_through_when_places_are_swapped(administrator, monkeypatch, full_package):
    monkeypatch.setattr(apply, "CHUNK", 2)
    swap = SWAP.replace("8003,active,Bakery,Main,Few\n", "")

    number_import = imported(swap, administrator, operator=full_package, all_or_nothing=True)

    assert number_import.sentence == "2 created, 2 updated, 0 unchanged, 0 refused"


def test_a_package_is_never_over_its_limit_while_places_are_swapped(administrator, monkeypatch, full_package):
    monkeypatch.setattr(apply, "CHUNK", 1)
    number_import = staged(SWAP, administrator, operator=full_package)
    job = number_import.job
    job.cursor |= {"phase": "apply"}

    for _ in apply.Apply(job).run():
        assert DID.objects.filter(client_package__package__name="Few", status="active").count() <= 2


def test_a_freed_place_is_not_given_when_its_number_changed_after_the_check(
    administrator, monkeypatch, full_package
):
    monkeypatch.setattr(apply, "CHUNK", 2)
    number_import = staged(SWAP, administrator, operator=full_package)
    DID.objects.filter(number="7001").edit(by=SYSTEM, notes="meanwhile")

    number_import.apply(number_import.checked)
    finished(number_import)

    reasons = [(row.line, row.reason) for row in number_import.refused]
    assert reasons == [(3, "package full"), (4, "package full"), (6, "changed")]
    assert number_import.sentence == "1 created, 1 updated, 0 unchanged, 3 refused"

"""The verdicts of an import: which names a row means, and what it does to new and existing numbers."""

from datetime import timedelta

import pytest

from audit import SYSTEM
from clients.models import Account, Client, Package
from dids.imports.options import CLEAR, LEAVE
from dids.models import DID, ClientPackage
from operators.models import Operator
from staff.models import User
from tests.imports import client_with_package, imported, importer, staged

pytestmark = pytest.mark.django_db

EXISTING = "DID,Status,Client,Account,Package\n"


def only_refusal(number_import):
    """Return the code of the only refused row."""
    return number_import.refused.get().reason


# --- resellers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["2567", "2568", "2563"])
def test_a_number_with_a_client_moves_to_another_operator_of_its_reseller(number, world):
    sister = Operator.objects.create(reseller=world.reseller, name="Sister")

    number_import = imported(f"DID,Operator\n{number},Sister\n", importer(world))

    assert number_import.counts["updated"] == 1
    assert world.did(number).operator == sister
    assert world.did(number).client_package == world.client_package


def test_a_number_without_a_client_moves_to_an_operator_of_another_reseller(world):
    number_import = imported("DID,Operator\n111,DID Operator 2\n", importer(world))

    assert number_import.counts["updated"] == 1
    assert world.did("111").operator == world.operator_2


def test_a_row_may_name_the_reseller_that_the_number_has(world):
    number_import = staged("DID,Reseller,Notes\n111,Reseller 1,x\n", importer(world))

    assert number_import.counts["updated"] == 1


def test_a_number_goes_to_a_client_of_its_operators_reseller(world):
    client_package = client_with_package(world.reseller)

    number_import = imported(EXISTING + "256999,active,Bakery,main,Loaf\n", importer(world))

    assert number_import.counts["updated"] == 1
    assert world.did("256999").client_package == client_package


def test_a_number_goes_to_another_reseller_together_with_its_new_operator(world):
    client_package = client_with_package(world.reseller_2)
    text = "DID,Operator,Status,Client,Account,Package\n256999,DID Operator 2,active,Bakery,main,Loaf\n"

    number_import = imported(text, importer(world))

    assert number_import.counts["updated"] == 1
    did = world.did("256999")
    assert (did.operator, did.client_package) == (world.operator_2, client_package)


def test_a_number_of_another_reseller_is_not_found_by_its_id(world):
    key = world.did("3333").pk

    number_import = staged(f"ID,Notes\n{key},x\n", importer(world, bound=True))

    assert number_import.refused.get().reason == "no id"


def test_an_id_that_agrees_or_that_nobody_has_refuses_nothing(world):
    ids = (world.did("111").pk, "999999999", "A-7")
    rows = (f"{pk},{number},DID Operator\n" for pk, number in zip(ids, (111, 900, 901), strict=True))
    text = "ID,DID,Operator\n" + "".join(rows)

    number_import = staged(text, importer(world))

    assert number_import.sentence == "2 created, 0 updated, 1 unchanged, 0 refused"


def test_every_number_of_a_range_must_agree_with_its_id(world):
    number_import = staged(f"ID,DID,Operator\n{world.did('111').pk},111-113,DID Operator\n", importer(world))

    assert number_import.sentence == "0 created, 0 updated, 1 unchanged, 2 refused"
    assert {row.reason for row in number_import.refused} == {"other id"}


def test_an_id_of_another_branch_is_one_that_nobody_has(world):
    key = world.did("3333").pk

    number_import = staged(f"ID,DID,Operator\n{key},900,DID Operator\n", importer(world, bound=True))

    assert number_import.sentence == "1 created, 0 updated, 0 unchanged, 0 refused"


def test_a_bound_user_updates_numbers_of_the_own_reseller(world):
    number_import = imported("DID,Reseller,Notes\n111,Reseller 1,x\n", importer(world, bound=True))

    assert number_import.counts["updated"] == 1
    assert world.did("111").notes == "x"


def test_existing_numbers_that_are_left_alone_are_not_refused(world):
    text = "DID,Status,Operator\n111,blocked,Nobody\n"

    assert staged(text, importer(world), existing=LEAVE).counts["unchanged"] == 1


def test_a_number_of_another_reseller_is_refused_even_if_existing_numbers_are_left_alone(world):
    number_import = staged("DID\n3333\n", importer(world, bound=True), existing=LEAVE)

    assert number_import.refused.get().reason == "outside"


# --- blank cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("existing", "kept"), [("keep", True), (CLEAR, False)])
def test_a_blank_cell_clears_tags_notes_and_hold_days_only_if_chosen(existing, kept, world):
    values = {"tags": ["vip"], "notes": "note", "hold_days": 7}
    DID.objects.filter(number="111").edit(by=SYSTEM, **values)

    number_import = imported("DID,Tag,Notes,Hold days\n111,,,\n", importer(world), existing=existing)

    did = world.did("111")
    found = (did.tag_set and did.tag_set.label, did.notes, did.hold_days)
    assert found == (("vip", "note", 7) if kept else (None, "", None))
    assert number_import.counts == {
        "created": 0,
        "updated": not kept,
        "unchanged": kept,
        "refused": 0,
        "flagged": 0,
    }


@pytest.mark.parametrize("column", ["Tag", "Notes", "Hold days"])
def test_a_column_that_the_file_does_not_have_clears_nothing(column, world):
    values = {"tags": ["vip"], "notes": "note", "hold_days": 7}
    DID.objects.filter(number="111").edit(by=SYSTEM, **values)

    imported(f"DID,{column}\n111,\n", importer(world), existing=CLEAR)

    did = world.did("111")
    found = {"Tag": did.tag_set and did.tag_set.label, "Notes": did.notes, "Hold days": did.hold_days}
    assert {name for name, value in found.items() if not value} == {column}


# --- names ----------------------------------------------------------------------------------------


def test_a_bound_user_means_the_operator_of_the_own_reseller(world):
    Operator.objects.create(reseller=world.reseller_2, name="DID Operator")

    number_import = imported("DID,Operator\n900,DID Operator\n", importer(world, bound=True))

    assert number_import.counts["created"] == 1
    assert world.did("900").operator == world.operator


def test_the_reseller_column_tells_operators_of_the_same_name_apart(world):
    namesake = Operator.objects.create(reseller=world.reseller_2, name="DID Operator")

    imported("DID,Operator,Reseller\n900,DID Operator,Reseller 2\n", importer(world))

    assert world.did("900").operator == namesake


@pytest.mark.parametrize(("reseller", "created"), [("Reseller 1", 1), ("Reseller 2", 0), ("", 1)])
def test_the_default_operator_is_used_for_its_own_reseller_only(reseller, created, world):
    text = f"DID,Reseller\n900,{reseller}\n"

    number_import = staged(text, importer(world), operator=world.operator)

    assert number_import.counts["created"] == created
    assert created or only_refusal(number_import) == "no operator"


def test_missing_operators_are_created_for_the_reseller_of_a_bound_user(world):
    imported("DID,Operator\n900,New\n", importer(world, bound=True), create=True)

    assert world.did("900").operator.reseller == world.reseller


def test_missing_operators_are_created_for_the_only_reseller(world):
    DID.objects.filter(number="3333").delete()
    world.operator_2.delete()
    world.reseller_2.delete()

    imported("DID,Operator\n900,New\n", importer(world), create=True)

    assert world.did("900").operator.reseller == world.reseller


def test_the_first_of_two_running_client_packages_is_used(world):
    ClientPackage.objects.create(client=world.client, package=world.package)

    imported(EXISTING + "256999,active,Rose Orig,rose_orig,Basic\n", importer(world))

    assert world.did("256999").client_package == world.client_package


# --- existing numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "field", "value"),
    [
        ("Status\n111,instock", "status", "instock"),
        ("After Hold\n111,archive", "after_hold", "archive"),
        ("Hold days\n111,0", "hold_days", 0),
        ("Notes\n111,x", "notes", "x"),
        ("Tag\n111,new", "tag_set__label", "new"),
        ("Operator\n111,DID Operator 2", "operator__name", "DID Operator 2"),
    ],
)
def test_each_column_updates_its_field_alone(cells, field, value, world):
    user = importer(world)
    before = DID.objects.filter(number="111").values().get()

    assert imported(f"DID,{cells}\n", user).counts["updated"] == 1

    assert DID.objects.filter(number="111").values_list(field, flat=True).get() == value
    changed = {
        key for key, now in DID.objects.filter(number="111").values().get().items() if now != before[key]
    }
    assert len(changed) == 1
    assert staged(f"DID,{cells}\n", user).counts["unchanged"] == 1


def test_a_client_is_refused_for_an_existing_number_that_stays_free(world):
    assert only_refusal(staged("DID,Client\n111,Rose Orig\n", importer(world))) == "client on a free number"


@pytest.mark.parametrize(("account", "package"), [("second", "Basic"), ("rose_orig", "Spare")])
def test_a_number_in_use_keeps_its_account_and_its_package(account, package, world):
    Account.objects.create(client=world.client, name="second")
    spare = Package.objects.create(reseller=world.reseller, name="Spare", did_limit=5)
    ClientPackage.objects.create(client=world.client, package=spare)
    text = EXISTING + f"2567,active,Rose Orig,{account},{package}\n"

    assert only_refusal(staged(text, importer(world))) == "other client"


def test_naming_the_client_that_a_number_has_changes_nothing(world):
    text = EXISTING + "2567,active,Rose Orig,rose_orig,Basic\n2563,hold,Rose Orig,rose_orig,Basic\n"

    assert staged(text, importer(world)).counts["unchanged"] == 2


def test_an_existing_number_counts_against_the_did_limit_when_it_is_assigned(world):
    Package.objects.filter(pk=world.package.pk).update(did_limit=2)
    text = EXISTING + "256999,active,Rose Orig,rose_orig,Basic\n"

    assert only_refusal(staged(text, importer(world))) == "package full"


def test_a_number_that_goes_on_hold_does_not_count_against_the_did_limit(world):
    Package.objects.filter(pk=world.package.pk).update(did_limit=2)
    text = "DID,Operator,Status,Client,Account,Package\n900,DID Operator,hold,Rose Orig,rose_orig,Basic\n"

    assert staged(text, importer(world)).counts["created"] == 1


# --- holds ----------------------------------------------------------------------------------------


def test_an_update_keeps_the_dates_of_a_hold(world):
    before = world.did("2563")

    imported("DID,Notes\n2563,x\n", importer(world))

    did = world.did("2563")
    assert did.notes == "x"
    assert (did.hold_from, did.hold_until) == (before.hold_from, before.hold_until)


def test_an_update_keeps_what_a_number_returns_to_only_while_it_is_on_hold(world):
    world.client_package.deactivate(by=SYSTEM)

    imported("DID,Notes,Status\n2568,x,hold\n2567,y,instock\n", importer(world))

    assert (world.did("2568").status, world.did("2568").resumes_as) == ("hold", "blocked")
    assert (world.did("2567").status, world.did("2567").resumes_as) == ("instock", None)


def test_new_hold_days_move_the_end_of_a_hold(world):
    before = world.did("2563")

    imported("DID,Hold days\n2563,3\n", importer(world))

    did = world.did("2563")
    assert (did.hold_from, did.hold_until) == (before.hold_from, before.hold_from + timedelta(days=3))


@pytest.mark.parametrize("account", ["rose_orig", "second"])
def test_a_number_on_hold_returns_to_an_account_of_its_client(account, world):
    Account.objects.create(client=world.client, name="second")

    imported(EXISTING + f"2563,active,Rose Orig,{account},Basic\n", importer(world))

    did = world.did("2563")
    assert (did.status, did.account.name, did.client_package) == ("active", account, world.client_package)
    assert (did.hold_from, did.hold_until) == (None, None)


def test_a_number_on_hold_returns_to_the_client_it_had_without_naming_it(world):
    imported("DID,Status\n2563,active\n", importer(world))

    did = world.did("2563")
    assert (did.status, did.account, did.client_package) == ("active", world.account, world.client_package)


def test_a_number_on_hold_does_not_return_while_its_package_is_off(world):
    world.client_package.deactivate(by=SYSTEM)

    assert only_refusal(staged("DID,Status\n2563,active\n", importer(world))) == "package off"


def test_a_number_on_hold_does_not_go_to_a_client_that_is_yet_to_be_created(world):
    text = "DID,Operator,Status,Client,Account,Package\n2563,DID Operator,active,Newcomer,main,Basic\n"

    assert only_refusal(staged(text, importer(world), create=True)) == "held for another client"
    assert not Client.objects.filter(name="Newcomer").exists()


# --- tags that a package allows -------------------------------------------------------------------


@pytest.mark.parametrize(("defaults", "created"), [("vip", 1), ("silver", 0), ("", 0)])
def test_default_tags_of_a_new_number_satisfy_its_package(defaults, created, world):
    Package.objects.filter(pk=world.package.pk).update(allowed_tags="gold, vip")
    text = "DID,Operator,Status,Client,Account,Package\n900,DID Operator,active,Rose Orig,rose_orig,Basic\n"

    assert staged(text, importer(world), tags=defaults).counts["created"] == created


@pytest.mark.parametrize(("existing", "updated"), [("keep", 1), (CLEAR, 0)])
def test_the_tags_that_an_existing_number_keeps_satisfy_its_package(existing, updated, world):
    Package.objects.filter(pk=world.package.pk).update(allowed_tags="gold, vip")
    DID.objects.filter(number="256999").edit(by=SYSTEM, tags=["vip"])
    text = "DID,Status,Client,Account,Package,Tag\n256999,active,Rose Orig,rose_orig,Basic,\n"

    number_import = staged(text, importer(world), existing=existing)

    assert number_import.counts["updated"] == updated
    assert updated or only_refusal(number_import) == "package tags"


# --- long numbers ---------------------------------------------------------------------------------


def test_a_new_number_with_more_than_15_digits_is_refused_and_an_existing_one_is_updated(settings, world):
    DID.objects.filter(number="111").update(number="1234567890123456")
    text = "DID,Operator,Notes\n1234567890123456,,x\n1234567890123457,DID Operator,x\n"

    number_import = imported(text, importer(world))

    assert (number_import.counts["updated"], only_refusal(number_import)) == (1, "long")
    assert world.did("1234567890123456").notes == "x"
    assert not DID.objects.filter(number="1234567890123457").exists()
    settings.LONG_NUMBERS = True
    assert imported(text, User.objects.get(username="importer")).counts["created"] == 1

"""A name that a person would take for an existing one is asked about at every door."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clients.models import Account, Client, Package, Reseller
from dids.forms.clients import AccountForm, ClientForm
from dids.forms.operators import OperatorForm, ResellerForm
from dids.forms.packages import PackageForm
from operators.models import Operator
from tests.dids.models.test_racing import at_once
from tests.imports import staged
from tests.world import client_of

HTMX = {"HX-Request": "true"}
MODELS = {
    "operators": Operator,
    "resellers": Reseller,
    "clients": Client,
    "accounts": Account,
    "packages": Package,
}


FORMS = {
    "operators": OperatorForm,
    "resellers": ResellerForm,
    "clients": ClientForm,
    "accounts": AccountForm,
    "packages": PackageForm,
}


def new_url(kind, world):
    return f"/clients/{world.client.pk}/accounts/new/" if kind == "accounts" else f"/{kind}/new/"


def save(user, kind, world, url="", **fields):
    fields = {"apply": "1", "reseller": world.reseller.pk, "did_limit": 5, "allowed_classes": "gold"} | fields
    return client_of(user).post(url or new_url(kind, world), fields, headers=HTMX)


def made(kind, world, name):
    owner = {"accounts": {"client": world.client}, "resellers": {}}.get(kind, {"reseller": world.reseller})
    more = {"did_limit": 5} if kind == "packages" else {}
    return MODELS[kind].objects.create(name=name, **owner, **more)


def form_of(kind, world, user, record=None, **fields):
    """Return the bound form of a new record, or of an existing one."""
    record = record or MODELS[kind](**({"client": world.client} if kind == "accounts" else {}))
    return FORMS[kind](
        {"reseller": world.reseller.pk, "did_limit": 5, "allowed_classes": "gold"} | fields,
        instance=record,
        by=user,
    )


def error(page):
    return "".join(page.context["form"].errors.get("name", []))


@pytest.mark.parametrize("kind", MODELS)
def test_a_form_asks_before_it_creates_a_name_alike(world, administrator, kind):
    made(kind, world, "In-house")
    page = save(administrator, kind, world, name="IN-HOUSE")
    assert page.status_code == 422
    assert "“In-house”, which differs only in upper and lower case." in error(page)
    assert "Create it although “In-house” exists" in page.content.decode()
    assert not MODELS[kind].objects.filter(name="IN-HOUSE").exists()

    page = save(administrator, kind, world, name="IN-HOUSE", although="IN-HOUSE")
    assert page.status_code == 200, page.context["form"].errors
    assert MODELS[kind].objects.filter(name__in=["In-house", "IN-HOUSE"]).count() == 2


@pytest.mark.parametrize("kind", MODELS)
def test_a_form_takes_invisible_signs_and_blanks_for_the_existing_name(world, administrator, kind):
    made(kind, world, "In house")
    page = save(administrator, kind, world, name="\u202eIn\u00a0 hou\u200bse\n")
    assert page.status_code == 422
    assert "although" not in page.content.decode()
    assert MODELS[kind].objects.filter(name__startswith="In").count() == 1


def test_letters_of_another_script_are_asked_about(world, administrator):
    made("operators", world, "Alpha")
    page = save(administrator, "operators", world, name="Аlpha")
    assert "“Alpha”, which looks the same but is written with other characters." in error(page)


def test_the_box_counts_for_its_name_only(world, administrator):
    made("operators", world, "In-house")
    page = save(administrator, "operators", world, name="IN-house", although="IN-HOUSE")
    assert page.status_code == 422
    assert not Operator.objects.filter(name="IN-house").exists()


@pytest.mark.parametrize("kind", MODELS)
def test_a_name_alike_that_was_saved_since_the_check_is_asked_about(world, administrator, kind):
    record = made(kind, world, "Other")
    form = form_of(kind, world, administrator, name="IN-HOUSE")
    renamed = form_of(kind, world, administrator, record, name="in-house")
    assert form.is_valid() and renamed.is_valid(), (form.errors, renamed.errors)

    made(kind, world, "In-house")

    assert not form.save_record() and not renamed.save_record()
    for refused in (form, renamed):
        assert "“In-house”, which differs only in upper and lower case." in refused.errors["name"][0]
        assert "although" in refused.fields
    assert not MODELS[kind].objects.filter(name__in=["IN-HOUSE", "in-house"]).exists()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.django_db(transaction=True)
def test_of_two_names_alike_that_are_saved_at_once_one_is_asked_about(world, administrator, kind):
    forms = [form_of(kind, world, administrator, name=name) for name in ("In-house", "IN-HOUSE")]
    assert all(form.is_valid() for form in forms)

    assert sorted(at_once(*(form.save_record for form in forms))) == [False, True]
    assert MODELS[kind].objects.filter(name__in=["In-house", "IN-HOUSE"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_file_and_a_form_do_not_both_create_names_alike(world, administrator):
    browser = client_of(administrator)
    signed = check(administrator, "clients", "In-house").context["signed"]
    form = form_of("clients", world, administrator, name="IN-HOUSE")
    assert form.is_valid()

    at_once(form.save_record, lambda: browser.post("/clients/import/", {"signed": signed}))

    assert Client.objects.filter(name__in=["In-house", "IN-HOUSE"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_import_of_numbers_and_a_form_do_not_both_create_names_alike(world, administrator):
    text = "DID,Operator,Reseller\n441632960100,In-house,Reseller 1\n"
    number_import = staged(text, administrator, create=True)
    form = form_of("operators", world, administrator, name="IN-HOUSE")
    assert form.is_valid()

    at_once(form.save_record, lambda: number_import.apply(number_import.checked))

    assert Operator.objects.filter(name__in=["In-house", "IN-HOUSE"]).count() == 1


def test_no_box_is_shown_unasked(world, administrator):
    page = client_of(administrator).get("/operators/new/", headers=HTMX)
    assert "although" not in page.content.decode()


def test_the_case_of_a_name_can_be_corrected(world, administrator):
    operator = made("operators", world, "in-house")
    page = save(administrator, "operators", world, f"/operators/{operator.pk}/", name="In-house")
    assert page.status_code == 200
    operator.refresh_from_db()
    assert operator.name == "In-house"


def test_a_record_with_a_name_alike_can_be_edited_otherwise(world, administrator):
    made("operators", world, "In-house")
    operator = made("operators", world, "in-house")
    url = f"/operators/{operator.pk}/"
    page = save(administrator, "operators", world, url, name="in-house", hold_days="7")
    assert page.status_code == 200
    operator.refresh_from_db()
    assert operator.hold_days == 7


def test_a_move_to_a_reseller_with_a_name_alike_is_asked_about(world, administrator):
    made("operators", world, "In-house")
    operator = Operator.objects.create(reseller=world.reseller_2, name="in-house")
    page = save(administrator, "operators", world, f"/operators/{operator.pk}/", name="in-house")
    assert "Save it although “In-house” exists" in page.content.decode()
    operator.refresh_from_db()
    assert operator.reseller == world.reseller_2


def test_names_of_other_branches_are_neither_asked_about_nor_told(world, stranger):
    made("clients", world, "Bakery")
    page = save(stranger, "clients", world, name="BAKERY", reseller=world.reseller_2.pk)
    assert page.status_code == 200
    assert Client.objects.filter(reseller=world.reseller_2, name="BAKERY").exists()


def test_a_list_is_searched_by_a_clean_name(world, viewer):
    page = client_of(viewer).get("/clients/", {"name": "Rose\u00a0\u200b Orig"})
    assert [client.name for client in page.context["listing"].rows] == ["Rose Orig"]


# --- reference files --------------------------------------------------------------------------------

HEADERS = {
    "operators": ("Name,Reseller", "Reseller 1"),
    "clients": ("Name,Reseller", "Reseller 1"),
    "accounts": ("Name,Client", "Rose Orig"),
    "packages": ("Name,Reseller,DID limit", "Reseller 1,5"),
}


def check(user, kind, *names):
    header, owner = HEADERS[kind]
    text = "\n".join([header, *(f'"{name}",{owner}' for name in names)])
    file = SimpleUploadedFile("table.csv", text.encode())
    return client_of(user).post(f"/{kind}/import/", {"file": file})


def reasons(page):
    return [refusal["reason"] for refusal in page.context["refusals"]]


@pytest.mark.parametrize("kind", HEADERS)
def test_a_file_of_names_that_fold_to_an_existing_one_changes_nothing(world, administrator, kind):
    made(kind, world, "In house")
    for name in ("In house", "In  house", "In\u00a0house", "In house\u200b"):
        page = check(administrator, kind, name)
        assert (list(page.context["counts"].values()), reasons(page)) == ([0, 0, 1, 0], [])


@pytest.mark.parametrize("kind", HEADERS)
def test_a_name_alike_in_a_file_is_refused_with_the_existing_one(world, administrator, kind):
    made(kind, world, "In-house")
    page = check(administrator, kind, "in-house")
    (reason,) = reasons(page)
    assert "“In-house”, which differs only in upper and lower case. Write it so" in reason


@pytest.mark.parametrize("kind", HEADERS)
def test_two_new_names_alike_in_a_file_are_not_both_created(world, administrator, kind):
    page = check(administrator, kind, "In-house", "Other", "in-house")
    assert [refusal["line"] for refusal in page.context["refusals"]] == [4]


@pytest.mark.parametrize("kind", HEADERS)
def test_both_names_alike_can_be_imported_once_they_exist(world, administrator, kind):
    made(kind, world, "In-house")
    made(kind, world, "in-house")
    page = check(administrator, kind, "In-house", "in-house")
    assert (list(page.context["counts"].values()), reasons(page)) == ([0, 0, 2, 0], [])


def test_a_file_renames_to_another_case_but_not_to_a_name_alike_of_another_record(world, administrator):
    operator = made("operators", world, "in-house")
    browser = client_of(administrator)

    def rename(name):
        text = f"ID,Name,Reseller\n{operator.pk},{name},Reseller 1\n"
        return browser.post("/operators/import/", {"file": SimpleUploadedFile("table.csv", text.encode())})

    assert list(rename("In-house").context["counts"].values()) == [0, 1, 0, 0]
    assert list(rename("did operator").context["counts"].values()) == [0, 0, 0, 1]


def test_a_file_of_a_bound_person_is_not_told_names_of_other_branches(world, stranger):
    made("operators", world, "In-house")
    text = "Name\nIN-HOUSE\n"
    page = client_of(stranger).post(
        "/operators/import/", {"file": SimpleUploadedFile("table.csv", text.encode())}
    )
    assert (list(page.context["counts"].values()), reasons(page)) == ([1, 0, 0, 0], [])

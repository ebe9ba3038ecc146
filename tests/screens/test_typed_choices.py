"""Text that is typed into a choice of a search but not picked finds records by a part of their names."""

import pytest
from django.utils import timezone

from clients.models import Account, Client
from dids.models import DID, ClientPackage, Tag
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

OF_ROSE = ["2563", "2567", "2568"]


def listed(browser, query):
    listing = browser.get(f"/dids/?{query}").context["listing"]
    return [did.number for did in listing.rows], listing.errors


@pytest.mark.parametrize(
    "query", ["client_name=rose", "client_name=+ROSE%20o", "client_name=Rose&status=active&status=hold"]
)
def test_a_part_of_a_client_s_name_finds_its_numbers(world, owner, query):
    numbers, errors = listed(client_of(owner), query)
    assert numbers == [number for number in OF_ROSE if "status" not in query or number != "2568"]
    assert errors == []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("client_name=jarrwo", "Client: There is no client “jarrwo”."),
        ("operator_name=jarrwo", "Operator: There is no operator “jarrwo”."),
        ("reseller_name=jarrwo", "Reseller: There is no reseller “jarrwo”."),
        ("tag_name=jarrwo", "Tags: There is no tag “jarrwo”."),
    ],
)
def test_a_name_that_no_record_has_is_an_error_and_shows_nothing(world, owner, query, error):
    assert listed(client_of(owner), query) == ([], [error])


def test_only_records_of_the_own_branch_are_found(world, owner, stranger):
    Client.objects.create(reseller=world.reseller_2, name="Rosemary")
    assert listed(client_of(owner), "client_name=ros")[0] == OF_ROSE
    assert listed(client_of(stranger), "client_name=rose%20orig") == (
        [],
        ["Client: There is no client “rose orig”."],
    )
    assert listed(client_of(stranger), "operator_name=DID")[0] == ["3333"]


def test_typed_text_adds_to_what_was_picked(world, owner):
    other = Client.objects.create(reseller=world.reseller, name="Jarrow")
    account = Account.objects.create(client=other, name="jarrow")
    given = ClientPackage.objects.create(client=other, package=world.package)
    DID.objects.filter(number="256999").assign(given, account, by=owner)
    browser = client_of(owner)
    assert listed(browser, f"client={other.pk}&client_name=rose")[0] == ["2563", "2567", "2568", "256999"]
    listing = browser.get(f"/dids/?client={other.pk}&client_name=rose&sort=id").context["listing"]
    assert [(chip["label"], chip["relation"], chip["value"]) for chip in listing.chips] == [
        ("Client", "is", "Jarrow"),
        ("Client", "or contains", "rose"),
    ]
    assert listing.chips[1]["remove_url"] == f"/dids/?client={other.pk}&sort=id"
    assert listing.query == f"client={other.pk}&client_name=rose"


@pytest.mark.parametrize("wrong", ["operator_name=nobody", "operator=999999999", "operator=x"])
def test_a_choice_keeps_its_name_beside_an_error_in_the_same_field(world, owner, wrong):
    query = f"/dids/?operator={world.operator.pk}&{wrong}"
    listing = client_of(owner).get(query).context["listing"]
    assert listing.errors
    assert listing.chips[0]["value"] == str(world.operator)


def test_an_error_names_no_choice_of_another_reseller(world, stranger):
    listing = (
        client_of(stranger)
        .get(f"/dids/?operator={world.operator.pk}&operator_name=nobody")
        .context["listing"]
    )
    assert listing.chips[0]["value"] == str(world.operator.pk)


def test_a_name_is_found_however_its_letters_are_composed(world, owner):
    Client.objects.filter(pk=world.client.pk).update(name="Caf\u00e9 Rose")
    assert listed(client_of(owner), "client_name=cafe%CC%81") == (OF_ROSE, [])


def test_tags_are_found_in_any_case(world, owner):
    DID.objects.filter(number="111").edit(by=owner, tags=["Golden"])
    assert Tag.objects.get().name == "Golden"
    assert listed(client_of(owner), "tag_name=GOLD")[0] == ["111"]


def test_a_name_that_too_many_records_have_is_an_error(world, owner, monkeypatch):
    Client.objects.create(reseller=world.reseller, name="Rosemary")
    monkeypatch.setattr("didmgmt.filters.VALUES_MOST", 1)
    numbers, (error,) = listed(client_of(owner), "client_name=rose")
    assert numbers == []
    assert error.startswith("Client: The names of more than 1 clients contain “rose”. Type more of the name")


def test_one_of_several_must_be_named_where_one_is_wanted(world, owner):
    member("Clerk", username="clara", reseller=world.reseller)
    member("Clerk", username="clarabel", reseller=world.reseller)
    browser = client_of(owner)
    assert browser.get("/audit/?person_name=Clara").context["listing"].errors == []
    (error,) = browser.get("/audit/?person_name=cla").context["listing"].errors
    assert error.startswith("Person: “cla” is a part of several names: ") and "clarabel" in error


def test_exports_selections_and_past_lists_read_typed_text(world, owner):
    browser = client_of(owner)
    lines = browser.get("/dids/export/?client_name=rose").getvalue().decode().splitlines()
    assert len(lines) == 4
    everything = {"scope": "all", "query": "client_name=rose", "expected": "3"}
    assert "3 numbers" in browser.post("/dids/mass-edit/", everything).text
    wrong = browser.post("/dids/mass-edit/", everything | {"query": "client_name=rosx"})
    assert "Nothing is selected because the search is invalid. Client: There is no client" in wrong.text
    past = f"as_of={timezone.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    assert listed(browser, f"{past}&client_name=rose")[0] == OF_ROSE
    assert listed(browser, f"{past}&client_name=rosx")[1] == ["Client: There is no client “rosx”."]


def test_without_scripts_there_is_a_box_for_the_name(world, owner):
    page = client_of(owner).get("/dids/?advanced=1&client_name=rose").text
    assert '<input type="text" name="client_name" value="rose"' in page
    assert 'aria-label="Client: part of the name"' in page

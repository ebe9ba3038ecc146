"""The Operators tab: list, dialogs, refusals, history, and the choices that other forms load."""

import threading
from datetime import timedelta

import pytest
from django.db import connections

from audit import SYSTEM
from audit.models import Change
from dids.forms.operators import OperatorForm
from dids.models import DID
from operators.models import Operator, OperatorHistory
from tests.world import client_of

HTMX = {"HX-Request": "true"}


def rows_of(page):
    return [operator.name for operator in page.context["listing"].rows]


def apply(browser, url, **fields):
    return browser.post(url, fields | {"apply": "1"}, headers=HTMX)


# --- the list ---------------------------------------------------------------------------------------


def test_the_list_shows_each_operator_with_its_count_and_a_way_to_its_numbers(world, viewer):
    page = client_of(viewer).get("/operators/")
    assert [(o.name, o.did_count, o.reseller.name) for o in page.context["listing"].rows] == [
        ("DID Operator", 12, "Reseller 1"),
        ("DID Operator 2", 1, "Reseller 2"),
    ]
    html = page.content.decode()
    assert f'href="/dids/?operator={world.operator.pk}"' in html
    assert "New Operator" not in html and f"/operators/{world.operator.pk}/delete/" not in html


def test_the_count_follows_the_numbers(world, viewer):
    DID.objects.create_numbers(["77", "78"], operator=world.operator_2, by=SYSTEM)
    DID.objects.filter(number="3333").delete_unused(by=SYSTEM)
    page = client_of(viewer).get("/operators/?sort=-dids")
    assert [o.did_count for o in page.context["listing"].rows] == [12, 2]


@pytest.mark.parametrize("sort", ["id", "name", "dids", "reseller"])
def test_it_sorts_by_every_column_both_ways(world, viewer, sort):
    Operator.objects.create(reseller=world.reseller, name="alpha")
    browser = client_of(viewer)
    up, down = (
        rows_of(browser.get(f"/operators/?sort={sort}")),
        rows_of(browser.get(f"/operators/?sort=-{sort}")),
    )
    expected = {
        "id": ["DID Operator", "DID Operator 2", "alpha"],
        "name": ["alpha", "DID Operator", "DID Operator 2"],
        "dids": ["alpha", "DID Operator 2", "DID Operator"],
        "reseller": ["alpha", "DID Operator", "DID Operator 2"],
    }
    assert up == expected[sort]
    assert down == up[::-1]


def test_it_filters_by_reseller_and_by_name(world, viewer):
    browser = client_of(viewer)
    assert rows_of(browser.get(f"/operators/?reseller={world.reseller_2.pk}")) == ["DID Operator 2"]
    assert rows_of(browser.get("/operators/?name=operator+2")) == ["DID Operator 2"]


@pytest.mark.parametrize("reseller", ["0", "x", "99999999999999999999", "\0"])
def test_an_unknown_reseller_shows_an_error_and_no_rows(world, viewer, reseller):
    page = client_of(viewer).get("/operators/", {"reseller": reseller})
    assert rows_of(page) == []
    assert page.context["listing"].errors[0].startswith("Reseller: ")
    assert "No operators are shown until the search is corrected." in page.content.decode()


def test_a_bound_user_sees_only_operators_of_their_reseller(world, owner, stranger):
    assert rows_of(client_of(owner).get("/operators/")) == ["DID Operator"]
    assert rows_of(client_of(stranger).get("/operators/")) == ["DID Operator 2"]
    page = client_of(stranger).get(f"/operators/?reseller={world.reseller.pk}")
    assert rows_of(page) == [] and "Reseller 1" not in page.content.decode()


def test_an_empty_list_says_what_to_do(clerk):
    page = client_of(clerk).get("/operators/").content.decode()
    assert "No operators yet" in page and "New Operator" in page


@pytest.mark.parametrize("sort", ["name", "-dids"])
def test_a_page_needs_the_same_queries_for_any_number_of_operators(
    world, viewer, sort, django_assert_num_queries
):
    Operator.objects.bulk_create(Operator(reseller=world.reseller, name=f"Op {n}") for n in range(120))
    browser = client_of(viewer)
    # Session, user, own and group permissions, count, ids, rows.
    with django_assert_num_queries(7):
        page = browser.get(f"/operators/?per_page=100&sort={sort}")
    assert len(rows_of(page)) == 100


# --- new and edit -----------------------------------------------------------------------------------


def test_a_clerk_creates_an_operator_and_history_records_it(world, clerk):
    answer = client_of(clerk).post(
        "/operators/new/", {"name": " Oliver ", "reseller": world.reseller.pk}, headers=HTMX
    )
    assert answer.headers["HX-Redirect"] == "/operators/"
    operator = Operator.objects.get(name="Oliver")
    history = OperatorHistory.objects.get(object_id=operator.pk)
    assert (history.event, history.name, history.reseller_id) == ("+", "Oliver", world.reseller.pk)
    change = history.change
    assert (change.actor, change.kind, change.label) == (clerk, "operator", "New operator Oliver")
    assert (change.touched, change.source) == (1, "/operators/new/")


def test_without_scripts_the_dialog_is_a_page_and_leads_back_to_the_list_as_it_was(world, clerk):
    browser = client_of(clerk)
    came_from = {"Referer": "http://testserver/operators/?sort=-name"}
    page = browser.get("/operators/new/", headers=came_from).content.decode()
    assert "<html" in page and 'name="back" value="/operators/?sort=-name"' in page
    answer = browser.post(
        "/operators/new/",
        {"name": "Oliver", "reseller": world.reseller.pk, "back": "/operators/?sort=-name"},
        follow=True,
    )
    assert answer.redirect_chain == [("/operators/?sort=-name", 302)]
    assert "Operator Oliver saved." in answer.content.decode()


@pytest.mark.parametrize("back", ["https://elsewhere.example/operators/", "/admin/", "//elsewhere.example"])
def test_a_dialog_never_leads_elsewhere(world, clerk, back):
    fields = {"name": "Oliver", "reseller": world.reseller.pk, "back": back}
    assert client_of(clerk).post("/operators/new/", fields).url == "/operators/"


def test_apply_saves_and_stays_with_the_new_operator(world, clerk):
    browser = client_of(clerk)
    page = apply(browser, "/operators/new/", name="Oliver", reseller=world.reseller.pk)
    operator = Operator.objects.get(name="Oliver")
    assert page.status_code == 200
    html = page.content.decode()
    assert "Operator Oliver saved." in html and "data-reload-on-close" in html
    assert f'hx-post="/operators/{operator.pk}/"' in html

    apply(browser, f"/operators/{operator.pk}/", name="Olivia", reseller=world.reseller.pk, hold_days=7)
    operator.refresh_from_db()
    assert (operator.name, operator.hold_days) == ("Olivia", 7)
    assert Operator.objects.count() == 3
    events = OperatorHistory.objects.filter(object_id=operator.pk).order_by("history_id")
    assert [(row.event, row.name) for row in events] == [("+", "Oliver"), ("~", "Olivia")]


def test_saving_unchanged_values_writes_no_history(world, clerk):
    before = OperatorHistory.objects.count(), Change.objects.count()
    fields = {"name": "DID Operator", "reseller": world.reseller.pk}
    client_of(clerk).post(f"/operators/{world.operator.pk}/", fields)
    assert (OperatorHistory.objects.count(), Change.objects.count()) == before


def test_changed_hold_days_move_the_ends_of_its_holds_in_the_same_change(world, clerk):
    before = world.did("2563").hold_until
    fields = {"name": "DID Operator", "reseller": world.reseller.pk, "hold_days": 33}
    page = apply(client_of(clerk), f"/operators/{world.operator.pk}/", **fields)
    assert "1 number on Hold now ends at a different time." in page.content.decode()
    assert world.did("2563").hold_until == before + timedelta(days=3)
    change = Change.objects.latest("pk")
    assert (change.label, change.touched) == ("Operator DID Operator edited", 2)


def test_a_name_is_taken_once_per_reseller(world, clerk):
    browser = client_of(clerk)
    page = apply(browser, "/operators/new/", name="DID Operator", reseller=world.reseller.pk)
    assert page.status_code == 422
    assert page.context["form"].errors["name"] == ["Reseller 1 already has an operator “DID Operator”."]
    assert (
        apply(browser, "/operators/new/", name="DID Operator", reseller=world.reseller_2.pk).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("name", "\u200b \0"),
        ("reseller", ""),
        ("reseller", "0"),
        ("reseller", "9" * 30),
        ("hold_days", "366"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field(world, clerk, field, value):
    fields = {"name": "Oliver", "reseller": world.reseller.pk} | {field: value}
    page = apply(client_of(clerk), "/operators/new/", **fields)
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    assert not Operator.objects.filter(name="Oliver").exists()


def test_a_bound_user_can_choose_only_their_reseller(world, owner):
    browser = client_of(owner)
    page = browser.get("/operators/new/").content.decode()
    assert f'<option value="{world.reseller.pk}" selected>Reseller 1</option>' in page
    page = apply(browser, "/operators/new/", name="Mine", reseller=world.reseller_2.pk)
    assert (
        page.status_code == 422
        and "This reseller doesn’t exist, or you don’t have access to it." in page.content.decode()
    )
    assert apply(browser, "/operators/new/", name="Mine", reseller=world.reseller.pk).status_code == 200


def test_an_operator_stays_with_its_reseller_while_clients_have_its_numbers(world, supervisor):
    browser, url = client_of(supervisor), f"/operators/{world.operator.pk}/"
    fields = {"name": "DID Operator", "reseller": world.reseller_2.pk}
    page = browser.post(url, fields)
    assert page.status_code == 422
    assert "have 3 numbers of this operator (Active, Blocked or Hold)" in page.content.decode()
    assert "Reseller 1" not in page.context["form"].errors["reseller"][0]
    DID.objects.filter(status__in=["active", "blocked"]).hold(by=SYSTEM)
    DID.objects.filter(status="hold").end_hold(by=SYSTEM)
    assert browser.post(url, fields).status_code == 302
    assert Operator.objects.get(pk=world.operator.pk).reseller == world.reseller_2


def test_editing_a_deleted_operator_says_so(world, clerk):
    spare = Operator.objects.create(reseller=world.reseller, name="Spare")
    form = OperatorForm({"name": "Spore", "reseller": world.reseller.pk}, instance=spare, by=clerk)
    assert form.is_valid()
    Operator.objects.filter(pk=spare.pk).delete()
    assert not form.save_record()
    assert form.non_field_errors() == ["This operator has been deleted in the meantime."]


# --- delete -----------------------------------------------------------------------------------------


def test_an_operator_without_numbers_is_deleted_and_its_history_stays(world, supervisor):
    spare = Operator.objects.create(reseller=world.reseller, name="Spare")
    browser, url = client_of(supervisor), f"/operators/{spare.pk}/delete/"
    assert "Delete Spare?" in browser.get(url, headers=HTMX).content.decode()
    assert browser.post(url, headers=HTMX).headers["HX-Redirect"] == "/operators/"
    assert not Operator.objects.filter(pk=spare.pk).exists()
    last = OperatorHistory.objects.filter(object_id=spare.pk).latest("history_id")
    assert (last.event, last.name, last.change.actor) == ("-", "Spare", supervisor)
    assert last.change.label == "Operator Spare deleted" and last.change.touched == 1
    assert browser.post(url).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_operator_that_owns_numbers_is_not_deleted(world, supervisor, method):
    before = Change.objects.count()
    page = getattr(client_of(supervisor), method)(f"/operators/{world.operator.pk}/delete/", headers=HTMX)
    assert page.status_code == {"get": 200, "post": 422}[method]
    html = page.content.decode()
    assert "It has 12 numbers. Delete them first" in html
    assert f'href="/dids/?operator={world.operator.pk}"' in html
    assert "btn-danger" not in html
    assert Operator.objects.filter(pk=world.operator.pk).exists()
    assert Change.objects.count() == before


# --- choices ----------------------------------------------------------------------------------------


def test_choices_are_found_as_typed_twenty_at_a_time(world, viewer):
    Operator.objects.bulk_create(Operator(reseller=world.reseller, name=f"Line {n:02}") for n in range(30))
    browser = client_of(viewer)
    found = browser.get("/operators/choices/?q=line").json()
    assert len(found["results"]) == 20 and found["more"]
    assert found["results"][0]["text"] == "Line 00"
    found = browser.get("/operators/choices/?q=operator 2").json()
    assert found == {
        "results": [{"id": world.operator_2.pk, "text": "DID Operator 2", "note": "Reseller 2"}],
        "more": False,
    }
    assert browser.get("/operators/choices/?q=%00nothing").json()["results"] == []


def test_choices_are_limited_to_the_users_reseller(world, owner):
    browser = client_of(owner)
    assert [r["text"] for r in browser.get("/operators/choices/").json()["results"]] == ["DID Operator"]
    assert [r["text"] for r in browser.get("/operators/choices/resellers/").json()["results"]] == [
        "Reseller 1"
    ]


# --- concurrent requests ----------------------------------------------------------------------------


def run_concurrently(*calls):
    """Call each in its own thread and connection, all at once; return the results or exceptions."""
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index, call):
        try:
            gate.wait()
            results[index] = call()
        except Exception as error:  # noqa: BLE001 - the test checks it
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.mark.django_db(transaction=True)
def test_creating_the_same_operator_twice_at_once_refuses_one(world, clerk):
    def make():
        return apply(client_of(clerk), "/operators/new/", name="Oliver", reseller=world.reseller.pk)

    for _ in range(5):
        answers = run_concurrently(make, make)
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        refused = max(answers, key=lambda answer: answer.status_code)
        assert "already has an operator “Oliver”" in refused.content.decode()
        Operator.objects.filter(name="Oliver").delete()


@pytest.mark.django_db(transaction=True)
def test_either_a_delete_or_concurrent_new_numbers_win(world, supervisor):
    for turn in range(8):
        spare = Operator.objects.create(reseller=world.reseller, name=f"Spare {turn}")
        number = f"90{turn}"
        deleted, created = run_concurrently(
            lambda spare=spare: client_of(supervisor).post(f"/operators/{spare.pk}/delete/"),
            lambda spare=spare, number=number: client_of(supervisor).post(
                "/dids/new/",
                {"numbers": number, "operator": spare.pk, "status": "instock", "after_hold": "instock"},
            ),
        )
        exists = Operator.objects.filter(pk=spare.pk).exists()
        assert DID.objects.filter(number=number).exists() is exists
        assert deleted.status_code == (422 if exists else 302)
        assert created.status_code == (302 if exists else 422)


@pytest.mark.django_db(transaction=True)
def test_numbers_created_during_a_delete_keep_the_operator(world, supervisor):
    """The first check finds no numbers; one exists before the delete commits."""
    spare = Operator.objects.create(reseller=world.reseller, name="Spare")
    spare.uses = iter([[], ["1 number"]]).__next__
    DID.objects.create_numbers(["901"], operator=spare, by=SYSTEM)
    assert spare.delete_unused(by=supervisor) == ["1 number"]
    assert Operator.objects.filter(pk=spare.pk).exists()

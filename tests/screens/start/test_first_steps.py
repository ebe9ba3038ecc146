import re

import pytest
from django.utils import timezone

from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.lists.first_steps import first_steps
from dids.models import DID, ClientPackage
from operators.models import Operator
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/start/"}


def states(page):
    """Return {step: done, next or open} as the page tells screen readers."""
    text = re.sub(r"\s+", " ", page.text)
    return dict(re.findall(r"<h2> (\w+) <span class=\"visually-hidden\"> \((\w+)\)", text))


def test_an_empty_system_leads_from_the_reseller_to_the_first_assigned_number(administrator):
    browser = client_of(administrator)
    page = browser.get("/dids/", follow=True)
    assert page.redirect_chain == [("/start/", 302)]
    assert states(page) == {
        "Reseller": "next",
        "Operator": "open",
        "Numbers": "open",
        "Client": "open",
        "Package": "open",
    }

    # The dialog of the operator makes the first reseller as well, in one change.
    dialog = browser.get("/operators/new/", headers=HTMX).text
    assert 'name="new_reseller"' in dialog and 'name="reseller"' not in dialog
    answer = browser.post("/operators/new/", {"name": "Hansa Netz", "new_reseller": "Tessaly"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/start/"
    operator = Operator.objects.get(name="Hansa Netz")
    assert operator.reseller.name == "Tessaly"
    change = Change.objects.get()
    assert (change.label, change.touched) == ("New operator Hansa Netz of the new reseller Tessaly", 2)
    page = browser.get("/start/")
    assert states(page)["Operator"] == "done" and states(page)["Numbers"] == "next"

    sent = {"numbers": "4940-4942", "operator": operator.pk, "status": "instock", "after_hold": "instock"}
    browser.post("/dids/new/", sent)
    listed = browser.get("/dids/")
    assert listed.status_code == 200
    assert "No client has a number yet." in listed.text  # leads back here
    assert states(browser.get("/start/"))["Client"] == "next"

    sent = {"name": "Jarrow Dental", "reseller": operator.reseller_id}
    assert browser.post("/clients/new/", sent, headers=HTMX).headers["HX-Redirect"] == "/start/"
    client = Client.objects.get()
    page = browser.get("/start/")
    assert states(page)["Client"] == "next" and f"/clients/{client.pk}/accounts/new/" in page.text
    browser.post(f"/clients/{client.pk}/accounts/new/", {"name": "jarrow_dental"}, headers=HTMX)

    sent = {
        "name": "Office",
        "reseller": operator.reseller_id,
        "did_limit": 10,
        "allowed_classes": "unmarked",
    }
    assert browser.post("/packages/new/", sent, headers=HTMX).headers["HX-Redirect"] == "/start/"
    assert f"/clients/{client.pk}/give/" in browser.get("/start/").text
    given = {"package": Package.objects.get().pk, "starts_at": "2026-01-01T00:00"}
    answer = browser.post(f"/clients/{client.pk}/give/", given, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/start/"
    page = browser.get("/start/")
    assert states(page)["Package"] == "next" and f"/clients/{client.pk}/dids/add/" in page.text

    DID.objects.filter(number="4940").assign(
        ClientPackage.objects.get(), Account.objects.get(), by=administrator
    )
    page = browser.get("/start/")
    assert set(states(page).values()) == {"done"} and "All five steps are done" in page.text
    assert "No client has a number yet." not in browser.get("/dids/").text


def test_a_bound_person_sees_the_steps_of_the_branch_alone(world):
    reseller = Reseller.objects.create(name="Empty branch")
    page = client_of(member("Supervisor", username="bound", reseller=reseller)).get("/start/")
    assert states(page)["Reseller"] == "done" and states(page)["Operator"] == "next"
    assert "Empty branch" in page.text
    for other in (world.reseller, world.operator, world.client):
        assert other.name not in page.text


def test_only_people_with_the_right_can_do_a_step(viewer, clerk):
    assert "New operator" not in client_of(viewer).get("/start/").text
    page = client_of(clerk).get("/start/").text
    assert "New operator" in page and "New reseller" not in page and "New package" not in page
    assert "An administrator does this" in page
    assert "An administrator has to create the first one." in client_of(clerk).get("/operators/new/").text


def test_the_first_steps_need_the_same_queries_for_any_number_of_records(
    world, viewer, django_assert_num_queries
):
    Operator.objects.bulk_create(Operator(reseller=world.reseller, name=f"Op {n}") for n in range(20))
    with django_assert_num_queries(7):
        steps = first_steps(viewer, timezone.now())
    assert steps.operators.endswith("and more") and steps.numbers == DID.objects.count() and steps.next == ""


@pytest.mark.parametrize("path", ["/dids/", "/dids/?advanced=1", "/clients/{client}/dids/"])
def test_every_status_filter_explains_the_statuses(world, viewer, path):
    page = client_of(viewer).get(path.format(client=world.client.pk))
    assert 'hx-get="/start/statuses/"' in page.text.split("<footer")[0]
    dialog = client_of(viewer).get("/start/statuses/", headers=HTMX).text
    assert dialog.count("<desc ") == 2 and dialog.count('<b class="did-status') == 6

"""Clients: the list, a client's page, its accounts, closing and reopening it."""

import pytest

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, AccountHistory, Client, ClientHistory
from dids.models import DID, ClientPackage
from tests.world import client_of

HTMX = {"HX-Request": "true"}


def rows_of(page):
    return [client.name for client in page.context["listing"].rows]


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


# --- the list ---------------------------------------------------------------------------------------


def test_the_list_counts_accounts_running_packages_and_numbers_in_use(world, viewer):
    Account.objects.create(client=world.client, name="rose_2")
    ClientPackage.objects.create(client=world.client, package=world.package, active=False)
    page = client_of(viewer).get("/clients/")
    (rose,) = page.context["listing"].rows
    assert (rose.account_count, rose.package_count, rose.did_count) == (2, 1, 2)
    html = page.content.decode()
    assert f'href="/dids/?client={rose.pk}"' in html and f'href="/clients/{rose.pk}/"' in html
    assert "New Client" not in html and f"/clients/{rose.pk}/delete/" not in html


@pytest.mark.parametrize("sort", ["id", "name", "reseller", "accounts", "packages", "dids", "state"])
def test_it_sorts_by_every_column_both_ways(world, viewer, sort):
    Client.objects.create(reseller=world.reseller_2, name="Lily")
    browser = client_of(viewer)
    up, down = (rows_of(browser.get(f"/clients/?sort={sign}{sort}")) for sign in ("", "-"))
    assert sorted(up) == sorted(down) == ["Lily", "Rose Orig"]
    if sort != "state":  # neither is closed, and empty values sort last in both directions
        assert up == down[::-1]


def test_it_filters_by_name_reseller_and_whether_it_is_closed(world, viewer, supervisor):
    lily = Client.objects.create(reseller=world.reseller_2, name="Lily")
    ClientPackage.close_client(lily, by=supervisor)
    browser = client_of(viewer)
    assert rows_of(browser.get("/clients/?name=ros")) == ["Rose Orig"]
    assert rows_of(browser.get(f"/clients/?reseller={world.reseller_2.pk}")) == ["Lily"]
    assert rows_of(browser.get("/clients/?closed=yes")) == ["Lily"]
    assert rows_of(browser.get("/clients/?closed=no")) == ["Rose Orig"]


@pytest.mark.parametrize("query", ["closed=perhaps", "reseller=0", "sort=colour"])
def test_an_unknown_value_shows_an_error_and_no_rows(world, viewer, query):
    page = client_of(viewer).get(f"/clients/?{query}")
    assert rows_of(page) == [] and page.context["listing"].errors
    assert "No clients are shown until the search is corrected." in page.content.decode()


def test_a_page_needs_the_same_queries_for_any_number_of_clients(world, viewer, django_assert_num_queries):
    Client.objects.bulk_create(Client(reseller=world.reseller, name=f"Client {n}") for n in range(120))
    browser = client_of(viewer)
    # Session, user, own and group permissions, running jobs, count, ids, rows.
    with django_assert_num_queries(7):
        page = browser.get("/clients/?per_page=100&sort=-dids")
    assert len(rows_of(page)) == 100 and rows_of(page)[0] == "Rose Orig"


def test_the_export_has_the_rows_of_the_list(world, viewer):
    Client.objects.create(reseller=world.reseller_2, name="Lily")
    answer = client_of(viewer).get("/clients/export/?name=lil")
    text = b"".join(answer.streaming_content).decode()
    assert "Lily" in text and "Rose Orig" not in text


# --- new and edit -----------------------------------------------------------------------------------


def test_a_new_client_is_recorded_and_leads_to_its_page(world, provisioner):
    answer = client_of(provisioner).post(
        "/clients/new/", {"name": "Lily", "reseller": world.reseller.pk}, headers=HTMX
    )
    lily = Client.objects.get(name="Lily")
    assert answer.headers["HX-Redirect"] == f"/clients/{lily.pk}/"
    change = ClientHistory.objects.get(object_id=lily.pk).change
    assert (change.kind, change.label, change.actor) == ("create", "New client Lily", provisioner)


def test_apply_saves_and_stays(world, provisioner):
    fields = {"name": "Lily", "reseller": world.reseller.pk, "apply": "1"}
    page = client_of(provisioner).post("/clients/new/", fields, headers=HTMX)
    lily = Client.objects.get(name="Lily")
    assert f'hx-post="/clients/{lily.pk}/edit/"' in page.content.decode()


def test_an_edit_leads_back_to_the_clients_page(world, provisioner):
    page = f"/clients/{world.client.pk}/"
    answer = client_of(provisioner).post(
        f"{page}edit/", {"name": "Rose & Co", "reseller": world.reseller.pk, "back": page}
    )
    assert answer.url == page
    assert Client.objects.get(pk=world.client.pk).name == "Rose & Co"
    assert Change.objects.latest("pk").label == "Client Rose & Co edited"


def test_saving_unchanged_values_writes_no_history(world, provisioner):
    before = ClientHistory.objects.count(), Change.objects.count()
    fields = {"name": "Rose Orig", "reseller": world.reseller.pk}
    client_of(provisioner).post(f"/clients/{world.client.pk}/edit/", fields)
    assert (ClientHistory.objects.count(), Change.objects.count()) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "Rose Orig"), ("name", "x" * 101), ("reseller", "0"), ("reseller", "9" * 30)],
)
def test_an_invalid_value_is_refused_at_its_field(world, provisioner, field, value):
    fields = {"name": "Lily", "reseller": world.reseller.pk} | {field: value}
    page = client_of(provisioner).post("/clients/new/", fields)
    assert page.status_code == 422 and list(page.context["form"].errors) == [field]


def test_a_client_with_packages_stays_with_its_reseller(world, provisioner):
    fields = {"name": "Rose Orig", "reseller": world.reseller_2.pk}
    page = client_of(provisioner).post(f"/clients/{world.client.pk}/edit/", fields)
    assert page.status_code == 422
    assert "It has 1 package of its reseller, so it can’t move" in page.content.decode()


# --- delete -----------------------------------------------------------------------------------------


def test_a_client_with_accounts_or_packages_is_not_deleted(world, supervisor):
    page = client_of(supervisor).post(f"/clients/{world.client.pk}/delete/", headers=HTMX)
    assert page.status_code == 422
    html = page.content.decode()
    assert "It has 1 account and 1 client package. Close it instead" in html and "btn-danger" not in html
    assert Client.objects.filter(pk=world.client.pk).exists()


def test_an_unused_client_is_deleted_and_its_history_stays(world, supervisor):
    lily = Client.objects.create(reseller=world.reseller, name="Lily")
    browser, url = client_of(supervisor), f"/clients/{lily.pk}/delete/"
    assert "Delete Lily?" in browser.get(url).content.decode()
    assert messages_of(browser.post(url, follow=True)) == ["Client Lily deleted."]
    last = ClientHistory.objects.filter(object_id=lily.pk).latest("history_id")
    assert (last.event, last.change.label) == ("-", "Client Lily deleted")
    assert browser.post(url).status_code == 404


# --- a client's page --------------------------------------------------------------------------------


def test_the_page_shows_accounts_and_packages_with_their_usage(world, viewer):
    html = " ".join(client_of(viewer).get(f"/clients/{world.client.pk}/").text.split())
    assert "2 of 5" in html and "rose_orig" in html and "Running" in html
    assert "1 Active, 1 Blocked, 1 on Hold" in html
    assert "Give package" not in html and "Deactivate" not in html


def test_the_page_needs_the_same_queries_for_any_client(world, viewer, django_assert_num_queries):
    Account.objects.bulk_create(Account(client=world.client, name=f"a{n}") for n in range(30))
    for _ in range(5):
        ClientPackage.objects.create(client=world.client, package=world.package)
    browser = client_of(viewer)
    # Session, user, own and group permissions, client, packages and their count, numbers by status and
    # overdue ones, count, ids and rows of accounts, running jobs.
    with django_assert_num_queries(12):
        browser.get(f"/clients/{world.client.pk}/?per_page=50")


def test_a_user_of_another_reseller_gets_404(world, stranger):
    browser, page = client_of(stranger), f"/clients/{world.client.pk}/"
    for tail in ("", "edit/", "delete/", "close/", "give/", "accounts/new/", "choices/packages/"):
        assert browser.get(page + tail).status_code == 404
    assert browser.post(f"{page}reopen/").status_code == 404


# --- accounts ---------------------------------------------------------------------------------------


def test_an_account_is_created_and_renamed(world, provisioner):
    browser, page = client_of(provisioner), f"/clients/{world.client.pk}/"
    assert browser.post(f"{page}accounts/new/", {"name": "rose_2"}).url == page
    account = Account.objects.get(name="rose_2")
    assert account.client == world.client
    browser.post(f"{page}accounts/{account.pk}/", {"name": "rose_3"})
    events = AccountHistory.objects.filter(object_id=account.pk).order_by("history_id")
    assert [(row.event, row.name) for row in events] == [("+", "rose_2"), ("~", "rose_3")]


def test_an_accounts_name_is_taken_once_per_client(world, provisioner):
    page = client_of(provisioner).post(f"/clients/{world.client.pk}/accounts/new/", {"name": "rose_orig"})
    assert page.status_code == 422
    assert page.context["form"].errors["name"] == ["Rose Orig already has an account “rose_orig”."]


def test_an_account_of_another_client_is_not_found_here(world, supervisor):
    lily = Client.objects.create(reseller=world.reseller, name="Lily")
    url = f"/clients/{lily.pk}/accounts/{world.account.pk}/"
    assert client_of(supervisor).get(url).status_code == 404


def test_an_account_with_numbers_is_not_deleted(world, supervisor):
    url = f"/clients/{world.client.pk}/accounts/{world.account.pk}/delete/"
    page = client_of(supervisor).post(url)
    assert page.status_code == 422 and "It has 3 DIDs." in page.content.decode()
    assert Account.objects.filter(pk=world.account.pk).exists()


def test_an_account_without_numbers_is_deleted(world, supervisor):
    spare = Account.objects.create(client=world.client, name="spare")
    url = f"/clients/{world.client.pk}/accounts/{spare.pk}/delete/"
    assert client_of(supervisor).post(url).url == f"/clients/{world.client.pk}/"
    assert not Account.objects.filter(pk=spare.pk).exists()


# --- close and reopen -------------------------------------------------------------------------------


def test_closing_is_previewed_and_done_in_one_change(world, provisioner):
    browser, url = client_of(provisioner), f"/clients/{world.client.pk}/close/"
    html = browser.get(url).content.decode()
    assert "<b>1 becomes unreachable</b>" in html and "2567" in html and "2568" in html
    assert DID.objects.filter(status="hold").count() == 1
    assert browser.post(url).status_code == 200  # without step=apply the preview is shown again

    answer = browser.post(url, {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Client Rose Orig closed. 2 numbers put on Hold."]
    assert Client.objects.get(pk=world.client.pk).closed_at
    assert DID.objects.filter(status="hold").count() == 3
    change = Change.objects.latest("pk")
    assert (change.label, change.actor, change.touched) == ("Client Rose Orig closed", provisioner, 4)

    answer = browser.post(url, {"step": "apply"}, follow=True)
    assert messages_of(answer) == ["Client Rose Orig closed. Nothing had to be changed."]
    assert Change.objects.latest("pk") == change


def test_packages_of_a_reopened_client_stay_off(world, provisioner):
    ClientPackage.close_client(world.client, by=SYSTEM)
    browser, url = client_of(provisioner), f"/clients/{world.client.pk}/reopen/"
    assert browser.get(url).status_code == 405
    answer = browser.post(url, follow=True)
    assert messages_of(answer) == ["Client Rose Orig reopened. Still switched off: 1 package."]
    assert messages_of(browser.post(url, follow=True)) == ["Client Rose Orig is not closed."]


def test_a_viewer_can_only_read(world, viewer):
    browser, page = client_of(viewer), f"/clients/{world.client.pk}/"
    assert browser.get(page).status_code == 200
    for tail in ("edit/", "delete/", "close/", "give/", "accounts/new/"):
        assert browser.post(page + tail).status_code == 403

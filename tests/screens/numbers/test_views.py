"""Saved views of the list of numbers, its columns, and what lists remember about a person."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from dids.lists.columns import COLUMNS, DEFAULT
from dids.models import DID, SavedView
from tests.carrier import carrier, numbers_in
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
ALL = ",".join(COLUMNS)


def text(browser, address):
    return browser.get(address).content.decode()


def save(browser, name, back="/dids/?status=active&sort=-number", shared="me", **more):
    return browser.post("/dids/views/new/", {"name": name, "shared": shared, "back": back} | more)


def heads(page):
    return re.findall(r'<th scope="col" class="col-(\w+)"', page)[1:-1]


def tabs(page):
    """Return the names of the tabs of views."""
    nav = re.search(r'<nav class="views".*?</nav>', page, re.DOTALL)[0]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", link).split()) for link in re.findall(r"<a .*?</a>", nav, re.DOTALL)
    ]


def test_a_view_has_filter_order_page_size_and_columns_and_its_address_shows_them_to_a_colleague(world):
    clerk, colleague = client_of(member("Clerk")), client_of(member("Viewer"))
    columns = "number,after_hold,tag"
    saved = save(clerk, "Hamburg", f"/dids/?status=active&sort=-number&per_page=50&columns={columns}&page=1")

    assert parse_qs(urlsplit(saved.url).query) == {
        "view": [str(SavedView.objects.get().pk)],
        "status": ["active"],
        "sort": ["-number"],
        "per_page": ["50"],
        "columns": [columns],
    }
    mine, theirs = text(clerk, saved.url), text(colleague, saved.url)
    assert heads(mine) == heads(theirs) == columns.split(",")
    assert "2567" in theirs and "12568" not in theirs
    assert (tabs(mine), tabs(theirs)) == (["All numbers", "Hamburg"], ["All numbers"])


def test_an_open_view_says_when_the_list_differs_and_takes_the_difference(world):
    browser = client_of(member("Clerk"))
    address = save(browser, "Hamburg").url
    assert "Save to Hamburg" not in text(browser, address)

    other = address.replace("status=active", "status=blocked")
    assert "Save to Hamburg" in text(browser, other) and tabs(text(browser, other))[1].startswith("Hamburg")
    view = SavedView.objects.get()
    saved = browser.post(f"/dids/views/{view.pk}/save/", {"back": other})
    assert "status=blocked" in saved.url and "Save to Hamburg" not in text(browser, saved.url)


def test_a_view_is_shared_with_a_role_or_everyone_of_the_same_branch_alone(world):
    owner = client_of(member("Supervisor", reseller=world.reseller))
    clerk = client_of(member("Clerk", username="clerk_1", reseller=world.reseller))
    second = client_of(member("Supervisor", username="second", reseller=world.reseller))
    stranger = client_of(member("Supervisor", username="stranger", reseller=world.reseller_2))
    unbound = client_of(member("Supervisor", username="unbound"))
    role = Group.objects.get(name="Supervisor").pk
    save(owner, "Private")
    save(owner, "Supervisors", shared=f"role:{role}")
    save(owner, "Everyone", shared="all")

    assert tabs(text(clerk, "/dids/")) == ["All numbers", "Everyone"]
    assert tabs(text(second, "/dids/")) == ["All numbers", "Supervisors", "Everyone"]
    assert tabs(text(stranger, "/dids/")) == tabs(text(unbound, "/dids/")) == ["All numbers"]
    shared = SavedView.objects.get(name="Everyone")
    assert clerk.post(f"/dids/views/{shared.pk}/", {"delete": "1"}).status_code == 404
    assert clerk.post(f"/dids/views/{shared.pk}/save/", {"back": "/dids/"}).status_code == 404
    foreign = Group.objects.get(name="Administrator").pk
    assert save(clerk, "For admins", shared=f"role:{foreign}").status_code == 422


def test_a_view_of_a_deleted_operator_shows_no_numbers_and_says_why(world):
    browser = client_of(member("Clerk"))
    address = save(browser, "Gone", f"/dids/?operator={world.operator.pk}").url
    gone = address.replace(f"operator={world.operator.pk}", "operator=999999")
    SavedView.objects.update(query=urlsplit(gone).query.partition("&")[2])

    page = text(browser, gone)
    assert "Operator: There is no operator “999999”." in page and "No numbers are shown" in page
    assert "data-row-link" not in page and "Gone" in tabs(page)


def test_names_are_limited_and_once_and_the_number_of_views_is_too(world, monkeypatch):
    browser = client_of(member("Clerk"))
    assert "Enter at most 40 characters" in save(browser, "x" * 41).content.decode()
    save(browser, "Hamburg")
    assert "You have a view “Hamburg” already" in save(browser, "  Hamburg ").content.decode()
    monkeypatch.setattr(SavedView, "MOST", 1)
    assert "You have 1 views, which is the most" in save(browser, "Berlin").content.decode()
    assert SavedView.objects.count() == 1


@pytest.mark.parametrize(
    ("back", "sentence"),
    [
        ("/dids/?status=nonsense", "The search is invalid"),
        ("/dids/?as_of=2026-01-01T10:00", "as of a past time"),
        (f"/dids/?q={'1,' * 3000}", "too long for a view"),
    ],
)
def test_what_no_colleague_could_open_is_not_saved(world, back, sentence):
    refused = save(client_of(member("Clerk")), "Odd", back)
    assert refused.status_code == 422 and sentence in refused.content.decode()
    assert not SavedView.objects.exists()


def test_a_view_is_renamed_and_deleted_by_its_owner(world):
    browser = client_of(member("Clerk"))
    address = save(browser, "Hamburg").url
    view = SavedView.objects.get()
    browser.post(f"/dids/views/{view.pk}/", {"name": "Hanse", "shared": "all", "back": address})
    assert tabs(text(browser, address))[1].startswith("Hanse")
    assert browser.post(f"/dids/views/{view.pk}/", {"delete": "1", "back": address}).url == address
    assert tabs(text(browser, address)) == ["All numbers"]


def test_columns_are_remembered_and_changing_them_keeps_the_filter_and_page(world):
    clerk = member("Clerk")
    browser = client_of(clerk)
    back = "/dids/?status=active&page=1"
    applied = browser.post("/dids/columns/", {"column": ["package", "number", "status"], "back": back})
    assert applied.url == "/dids/?status=active&page=1&columns=package%2Cnumber%2Cstatus"
    assert heads(text(browser, "/dids/")) == ["package", "number", "status"]
    browser.post("/dids/columns/", {"column": ["tag"], "back": back})
    assert heads(text(browser, "/dids/")) == ["tag", "number"]  # DID can't be hidden
    browser.post("/dids/columns/", {"reset": "1", "back": back})
    assert heads(text(browser, "/dids/")) == list(DEFAULT)


def test_an_unknown_column_shows_no_numbers(world):
    page = text(client_of(member("Clerk")), "/dids/?columns=number,colour")
    assert "Columns: there is no column “colour”." in page and "data-row-link" not in page


def test_every_column_has_its_value_at_no_query_for_a_row(world):
    browser = client_of(member("Supervisor"))
    number = world.did("2567")
    page = text(browser, f"/dids/?columns={ALL}&q=%3D2567")
    cells = dict(re.findall(r'<td class="col-(\w+)"[^>]*>(.*?)</td>', page, re.DOTALL))
    cells = {key: " ".join(re.sub(r"<[^>]+>", "", html).split()) for key, html in cells.items()}
    assert cells["account"] == number.account.name
    assert cells["package"] == number.client_package.package.name
    assert (cells["after_hold"], cells["hold_until"]) == (number.get_after_hold_display(), "–")
    assert cells["last_client"] == number.account.client.name
    assert re.fullmatch(r"\d+", cells["hold_days"])
    assert re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d", cells["created"]) and cells["changed"] >= ""

    browser.get(f"/dids/?columns={ALL}&per_page=500")  # the process knows the heads from now on
    counts = []
    for query in ("operator=" + str(world.operator_2.pk), "operator=" + str(world.operator.pk)):
        with CaptureQueriesContext(connection) as captured:
            browser.get(f"/dids/?columns={ALL}&{query}")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def last_clients(user):
    """Return {number: its last client as the list shows it, "–" for none} as ``user`` sees them."""
    page = text(client_of(user), "/dids/?columns=number,last_client")
    rows = re.findall(r"data-row-link>(.*?)</a>.*?col-last_client\"[^>]*>(.*?)</td>", page, re.DOTALL)
    return {re.sub("<.*?>", "", number): re.sub("<.*?>", "", name) for number, name in rows}


def test_the_last_client_of_a_number_is_known_by_its_digits_also_when_number_and_account_were_deleted():
    house, other = carrier(), carrier("South")
    dids = numbers_in("hold", ["100", "101"], house)
    dids.end_hold(by=SYSTEM)
    DID.objects.filter(number="100").delete_unused(by=SYSTEM)
    numbers_in("instock", ["100", "102"], house)
    numbers_in("active", ["103"], other)
    admin = member("Administrator")
    seen = {"100": "North Bakery", "101": "North Bakery", "102": "–", "103": "South Bakery"}
    assert last_clients(admin) == seen
    assert house.account.delete_unused(by=SYSTEM) == []
    assert last_clients(admin) == seen


def test_the_last_client_is_one_of_the_readers_reseller():
    north, south = carrier(), carrier("South")
    numbers_in("hold", ["100", "101"], north).end_hold(by=SYSTEM)
    DID.objects.all().delete_unused(by=SYSTEM)
    numbers_in("instock", ["100"], south)
    numbers_in("hold", ["101"], south).end_hold(by=SYSTEM)
    bound = member("Viewer", username="southern", reseller=south.reseller)
    assert last_clients(bound) == {"100": "–", "101": "South Bakery"}
    assert last_clients(member("Viewer")) == {"100": "North Bakery", "101": "South Bakery"}


def test_numbers_are_grouped_for_those_who_want_it_and_copied_as_digits(world):
    DID.objects.create_numbers(["442079460001"], operator=world.operator, by=SYSTEM)
    clerk = member("Clerk")
    browser = client_of(clerk)
    assert ">442079460001</a>" in text(browser, "/dids/?q=44*").replace("<mark>44</mark>", "44")
    browser.post("/me/lists/", {"numbers": "grouped", "back": "/dids/"})
    page = text(browser, "/dids/?q=20794")
    assert "+44 <mark>20 794</mark>6 0001</a>" in seen(page) and 'data-copy="442079460001"' in page
    assert ">2567</a>" in text(browser, "/dids/?operator=" + str(world.operator.pk))
    pk = DID.objects.get(number="442079460001").pk
    page = text(browser, f"/dids/{pk}/")
    assert "+44 20 7946 0001" in seen(page) and 'data-copy="442079460001"' in page
    browser.post("/me/lists/", {"numbers": "digits", "back": "/dids/"})
    assert "+44 20 7946 0001</a>" not in seen(text(browser, "/dids/"))
    browser.post("/me/lists/", {"copies": "e164", "back": "/dids/"})
    page = text(browser, "/dids/?operator=" + str(world.operator.pk))
    assert 'data-copy="+442079460001"' in page and 'data-copy="2567"' in page
    assert '<button name="copies" value="e164" aria-pressed="true">' in page
    browser.post("/me/lists/", {"copies": "digits", "back": "/dids/"})
    assert 'data-copy="442079460001"' in text(browser, "/dids/")


def seen(page):
    """Return a page with the signs between groups of digits, which are generated content, as text."""
    return re.sub(r'<span data-sign="([^"]+)"></span>', r"\1", page)


def test_page_size_and_density_are_remembered_for_all_lists(world):
    clerk = member("Clerk")
    browser = client_of(clerk)
    back = browser.post("/me/lists/", {"page_size": "50", "back": "/dids/?status=active&page=3&per_page=20"})
    assert back.url == "/dids/?status=active&per_page=50"
    for address in ("/dids/", "/clients/", "/operators/"):
        assert '<button name="page_size" value="50"\n          aria-pressed="true"' in text(browser, address)
    browser.post("/me/lists/", {"density": "dense", "back": "/dids/"})
    assert 'class="is-dense"' in text(browser, "/clients/")
    wrong = browser.post("/me/lists/", {"page_size": "7", "back": "https://evil.example/"})
    assert wrong.url == "/"
    clerk.refresh_from_db()
    assert (clerk.page_size, clerk.is_dense) == (50, True)

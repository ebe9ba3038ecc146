"""Delete: the preview, refused numbers in use, and the count typed to confirm many."""

import re
from html import unescape

import pytest
from django.contrib.messages import get_messages

from audit import SYSTEM
from audit.models import Change
from dids.models import DID, DIDHistory
from screens.forms import CONFIRM_ABOVE
from tests.world import client_of

pytestmark = pytest.mark.django_db
ADDRESS = "/dids/delete/"
LIST = "/dids/?q=11&page=2"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{LIST}"}


@pytest.fixture
def browser(supervisor):
    return client_of(supervisor)


def ticked(world, *numbers):
    return {"scope": "ids", "ids": ",".join(str(world.did(number).pk) for number in numbers)}


def delete(browser, data):
    return browser.post(ADDRESS, data | {"step": "apply"}, headers=HTMX)


def numbers_at(browser, address):
    rows = re.findall(r"data-row-link[^>]*>(.*?)</a>", browser.get(address).text)
    return {re.sub("<.*?>", "", row) for row in rows}


def last_message(response):
    return str(list(get_messages(response.wsgi_request))[-1])


def test_the_row_icon_opens_a_confirmation(world, browser):
    response = browser.get(f"{ADDRESS}?ids={world.did('111').pk}", headers=HTMX)
    html = response.content.decode()

    assert response.status_code == 200
    assert "Delete 1 number?" in html and "history is kept" in html
    assert DID.objects.filter(number="111").exists()


def test_deleting_leads_back_to_the_list_and_keeps_the_history(world, browser, supervisor):
    did = world.did("111")
    response = delete(browser, ticked(world, "111"))

    assert response.headers["HX-Redirect"] == LIST
    assert last_message(response) == "1 number deleted."
    assert not DID.objects.filter(number="111").exists()
    change = Change.objects.latest("pk")
    assert (change.kind, change.actor, change.touched) == (Change.Kind.DELETE, supervisor, 1)
    assert DIDHistory.objects.get(object_id=did.pk, event="-").change == change


def test_deleting_on_the_numbers_own_page_leads_to_the_list(world, browser):
    did = world.did("111")
    page = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/dids/{did.pk}/"}

    response = browser.post(ADDRESS, ticked(world, "111") | {"step": "apply"}, headers=page)

    assert response.headers["HX-Redirect"] == "/dids/"


@pytest.mark.parametrize("scope", ["ids", "all"])
def test_the_refused_numbers_are_listed_from_the_preview_and_the_result(world, browser, scope):
    data = ticked(world, "111", "2567", "2563")
    if scope == "all":
        data = {"scope": "all", "query": "status=active&status=hold&status=blocked", "expected": "3"}
    html = browser.post(ADDRESS, data, headers=HTMX).text
    lists = [unescape(url) for url in re.findall(r'<a href="(/dids/[^"]*)" target="_blank"', html)]
    found = {number for url in lists for number in numbers_at(browser, url)}
    refused = {"2567", "2563"} | ({"2568"} if scope == "all" else set())
    assert found == refused and len(lists) == len(refused)
    if scope == "ids":
        page = browser.get(delete(browser, data).headers["HX-Redirect"]).text
        urls = map(unescape, re.findall(r'<a href="([^"]*)">Show the 1 refused</a>', page))
        assert sorted(sorted(numbers_at(browser, url)) for url in urls) == [["2563"], ["2567"]]


def test_numbers_in_use_are_refused_in_the_preview_and_on_delete(world, browser):
    data = ticked(world, "111", "256999", "12567", "2567", "2568", "2563")

    html = browser.post(ADDRESS, data, headers=HTMX).content.decode()
    assert "Delete 3 numbers?" in html and "3</b> will be refused" in html
    assert "put on Hold first" in html and "end the hold first, then delete" in html

    sentence = last_message(delete(browser, data))
    assert sentence.startswith("3 numbers deleted. ") and "2567" in sentence
    assert set(DID.objects.values_list("number", flat=True)) >= {"2567", "2568", "2563"}


def test_the_delete_button_is_missing_when_nothing_can_be_deleted(world, browser):
    html = browser.post(ADDRESS, ticked(world, "2567"), headers=HTMX).content.decode()

    assert "Nothing can be deleted" in html and 'value="apply"' not in html
    delete(browser, ticked(world, "2567"))
    assert DID.objects.filter(number="2567").exists()


def test_deleting_again_finds_nothing_and_writes_nothing(world, browser):
    data = ticked(world, "111")
    delete(browser, data)
    rows, changes = DIDHistory.objects.count(), Change.objects.count()

    response = delete(browser, data)

    assert response.status_code == 422
    assert "None of the selected DIDs exist any more." in response.content.decode()
    assert (DIDHistory.objects.count(), Change.objects.count()) == (rows, changes)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "1",
        "1003",
        "one thousand",
        "no! not 1 of the 001",
        "1001 numbers",
        "-1001",
        "1,0,0,1",
        "10,01",
        "１００１",
    ],
)
def test_above_a_thousand_the_count_must_be_typed(world, browser, typed):
    numbers = [str(n) for n in range(50_000, 50_000 + CONFIRM_ABOVE + 1)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    data = {"scope": "all", "query": "q=50000-59999", "expected": str(len(numbers))}

    html = browser.post(ADDRESS, data, headers=HTMX).content.decode()
    assert "Type 1,001 to confirm" in html
    response = delete(browser, data | {"typed_count": typed})

    assert response.status_code == 422
    assert DID.objects.filter(number__startswith="5").count() == len(numbers)
    assert last_message(delete(browser, data | {"typed_count": "1,001"})) == "1,001 numbers deleted."
    assert not DID.objects.filter(number__startswith="5").exists()


@pytest.mark.parametrize(
    ("query", "expected"), [("status=hodl", "7"), ("status=reserved", "6"), ("status=reserved", "")]
)
def test_nothing_is_deleted_when_the_selection_has_changed(world, browser, query, expected):
    response = delete(browser, {"scope": "all", "query": query, "expected": expected})

    assert response.status_code == 422
    assert DID.objects.count() == 13


def test_deleting_requires_permission(world, clerk):
    browser = client_of(clerk)

    assert browser.get(f"{ADDRESS}?ids={world.did('111').pk}").status_code == 403
    assert delete(browser, ticked(world, "111")).status_code == 403
    assert DID.objects.filter(number="111").exists()


def test_a_user_of_another_reseller_deletes_nothing(world, stranger):
    browser = client_of(stranger)

    assert browser.get(f"{ADDRESS}?ids={world.did('111').pk}").status_code == 404
    delete(browser, ticked(world, "111"))
    delete(browser, {"scope": "all", "query": "", "expected": "13"})
    assert DID.objects.count() == 13


def test_a_get_never_deletes(world, browser):
    browser.get(f"{ADDRESS}?ids={world.did('111').pk}&step=apply")

    assert DID.objects.filter(number="111").exists()
    assert browser.put(ADDRESS).status_code == 405

"""What a pasted list has that the list of numbers does not, and the exact match of a search."""

import pytest
from django.utils import timezone

from dids.models import DID
from tests.world import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(owner):
    return client_of(owner)


def said(browser, address):
    """Return the sentence about missing numbers, "" if there is none."""
    page = browser.get(address).text
    if "missing-actions" not in page:
        return ""
    sentence = page.split('class="notice notice-warning missing"')[1].split("<p>")[1].split("</p>")[0]
    return " ".join(sentence.replace("<b>", "").replace("</b>", "").split())


@pytest.mark.parametrize("query", ["q=111,112,998,999", "q=111+112+998+999", "match=exact&q=111;112;998;999"])
def test_a_pasted_list_says_which_numbers_are_not_in_the_inventory(world, browser, query):
    assert said(browser, f"/dids/?{query}") == "2 found, 2 not in the inventory: 998, 999"
    assert said(browser, f"/dids/?{query}&status=archive").startswith("2 found, 2 not in the inventory")


@pytest.mark.parametrize("query", ["q=111,112", "q=999", "q=111-119", "q=49+40+66", "q=1*", ""])
def test_nothing_is_missing_without_a_list_or_if_all_are_found(world, browser, query):
    assert said(browser, f"/dids/?{query}") == ""


def test_deleted_numbers_are_named_as_such_and_only_in_their_own_branch(world, browser, owner, stranger):
    DID.objects.filter(number="113").delete_unused(by=owner)
    assert said(browser, "/dids/?q=111,113,3333,999") == (
        "1 found, 1 deleted: 113, 2 not in the inventory: 3333, 999"
    )
    assert said(client_of(stranger), "/dids/?q=111,113,3333") == "1 found, 2 not in the inventory: 111, 113"


def test_many_missing_numbers_are_counted_and_downloaded(world, browser):
    pasted = ",".join(["111", *(f"9{n:04}" for n in range(5_000))])
    token = browser.post("/dids/search/", {"q": pasted}).url.partition("list=")[2]
    sentence = said(browser, f"/dids/?list={token}")
    assert sentence.startswith("1 found, 5,000 not in the inventory: 90000, 90001, ")
    assert sentence.endswith(" and 4,990 more")
    page = browser.get(f"/dids/?list={token}").text
    assert f'href="/dids/missing/?list={token}"' in page and "data-copied" not in page
    lines = browser.get(f"/dids/missing/?list={token}").getvalue().decode().splitlines()
    assert len(lines) == 5_001
    assert lines[1] == "90000,not in the inventory"


def test_the_file_of_missing_numbers_needs_a_list(world, browser):
    assert browser.get("/dids/missing/?q=111").url == "/dids/?q=111"
    assert browser.get("/dids/missing/?stauts=x").url == "/dids/?stauts=x"


def test_exports_of_a_pasted_list_end_with_the_missing_numbers(world, browser, owner):
    DID.objects.filter(number="113").delete_unused(by=owner)
    pasted = "q=111,113,999"
    selection = {"scope": "all", "query": pasted, "expected": "1"}
    responses = [browser.get(f"/dids/export/?{pasted}"), browser.post("/dids/export/", selection)]
    for response in responses:
        lines = response.getvalue().decode().splitlines()
        assert [line.split(",")[3] for line in lines[1:]] == ["111", "113", "999"]
        assert [line.split(",")[1] for line in lines[2:]] == ["deleted", "not in the inventory"]
    assert len(browser.get(f"/dids/export/?{pasted}&scope=page").getvalue().decode().splitlines()) == 2


def test_a_list_as_of_a_past_time_says_what_was_missing_then(world, browser, owner, stranger):
    then = f"{timezone.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    DID.objects.filter(number="113").delete_unused(by=owner)
    DID.objects.create_numbers(["118"], operator=world.operator, by=owner)
    address = f"/dids/?as_of={then}&q=111,113,118"
    assert said(browser, address) == "2 found, 1 not in the inventory at that time: 118"
    assert said(client_of(stranger), address).startswith("0 found, 3 not in the inventory at that time")


def test_a_client_s_list_says_what_is_not_its_number(world, browser):
    sentence = said(browser, f"/clients/{world.client.pk}/dids/?q=2567,111,999")
    assert sentence == "1 found, 2 not a number of this client: 111, 999"


# --- the exact match ----------------------------------------------------------------------------------


def groups(response):
    return [did.number for did in response.context["exact"]], [did.number for did in response.context["rows"]]


def test_the_exact_match_comes_first_in_a_group_of_its_own(world, browser):
    found = browser.get("/dids/?q=2568&sort=-number")
    assert groups(found) == (["2568"], ["12568"])
    page = " ".join(found.text.split())
    assert (
        page.index("Exact match")
        < page.index("1 more contains 2568")
        < page.index("<mark>2568</mark></a>", page.index("1 more"))
    )
    assert page.count(" autofocus") == 1
    assert groups(browser.get("/dids/?q=%3D2568")) == (["2568"], [])


def test_the_searched_digits_are_marked_where_the_search_found_them(world, browser):
    assert ">11<mark>1</mark></a>" in browser.get("/dids/?q=*1").text
    assert "><mark>1</mark>11</a>" in browser.get("/dids/?q=1*").text
    assert ">111</a>" in browser.get("/dids/?q=110-112").text


def test_only_a_match_of_all_filters_and_of_the_own_branch_is_the_exact_one(world, browser, stranger):
    assert groups(browser.get("/dids/?q=2568&status=reserved")) == ([], ["12568"])
    assert groups(browser.get("/dids/?q=256")) == ([], ["12567", "12568", "2563", "2567", "2568", "256999"])
    assert groups(browser.get("/dids/?q=3333")) == ([], [])
    assert groups(client_of(stranger).get("/dids/?q=3333")) == (["3333"], [])


def test_the_exact_match_is_on_the_first_page_alone(world, browser, monkeypatch):
    monkeypatch.setattr("django.conf.settings.PAGE_SIZES", [1])
    assert groups(browser.get("/dids/?q=2568")) == (["2568"], ["12568"])
    assert groups(browser.get("/dids/?q=2568&page=2")) == ([], ["2568"])


def test_the_list_of_a_pasted_list_costs_few_queries(world, browser, django_assert_max_num_queries):
    browser.get("/dids/")
    with django_assert_max_num_queries(22):
        browser.get("/dids/?q=111,112,113,998,999")

"""A list searched by more than a thousand pasted numbers has a URL too long for a redirect."""

import re

import pytest
from django.test import Client
from django.utils.http import MAX_URL_REDIRECT_LENGTH
from playwright.sync_api import expect

from dids.models import DID
from tests.world import PASSWORD, client_of, make_world, member, session_cookie

PASTED = ["111", "112", "113", *(str(n) for n in range(370_052_000_000, 370_052_001_200))]
LIST = f"/dids/?q={'%2C'.join(PASTED)}&sort=-number"


def test_the_url_is_too_long():
    assert len(LIST) > MAX_URL_REDIRECT_LENGTH


# --- without scripts ----------------------------------------------------------------------------------


@pytest.fixture
def plain_page(browser, live_server, transactional_db):
    """Return a page of a browser without scripts, and create the small world."""
    make_world()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    yield context.new_page()
    context.close()


def is_list_of_three(page):
    page.wait_for_url(re.compile(r"/dids/\?q=111"))
    assert page.url.endswith(LIST)
    expect(page.locator("h1 .total")).to_have_text("3")


@pytest.mark.browser
def test_without_scripts_a_mass_edit_returns_to_the_list_with_its_result(plain_page, live_server):
    page = plain_page
    page.context.add_cookies([session_cookie(member("Supervisor"), live_server.url)])
    page.goto(LIST)
    page.get_by_label("Select 112", exact=True).check()
    page.get_by_role("button", name="Mass Edit").first.click()
    page.get_by_label("Change Notes").check()
    page.get_by_label("Notes", exact=True).fill("seen")
    page.get_by_role("button", name="Update").click()

    is_list_of_three(page)
    expect(page.get_by_text("1 number changed.")).to_be_visible()
    assert DID.objects.get(number="112").notes == "seen"


@pytest.mark.browser
def test_signing_in_returns_to_the_list(plain_page):
    page = plain_page
    viewer = member("Viewer")
    page.goto(LIST)
    page.get_by_label("User name").fill(viewer.username)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Wrong user name or password")).to_be_visible()
    page.get_by_label("User name").fill(viewer.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    is_list_of_three(page)


# --- with scripts ---------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_mass_edit_dialog_returns_to_the_list_with_its_result(page_of):
    make_world()
    page = page_of(member("Supervisor"))
    page.goto(LIST)
    page.get_by_label("Select 112", exact=True).check()
    page.locator("[data-selection-bar]").get_by_role("button", name="Mass Edit").click()
    dialog = page.get_by_role("dialog", name="Mass Edit")
    dialog.get_by_label("Notes", exact=True).fill("seen")
    dialog.get_by_role("button", name="Update 1 number").click()

    expect(page.get_by_text("1 number changed.")).to_be_visible()
    is_list_of_three(page)
    expect(page.locator("[data-selection-bar]")).not_to_be_visible()


# --- responses that forward to the list -----------------------------------------------------------------


def forwards_to(response):
    """Return the URL that the page forwards to."""
    assert response.status_code == 200
    found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', response.content.decode())
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize("export", ["/dids/export/", "/operators/export/"])
def test_an_export_of_an_invalid_search_forwards_to_its_errors(world, administrator, export):
    browser, listed = client_of(administrator), export.replace("export/", "")
    query = f"{LIST.partition('?')[2]}&sort=nothing"

    url = forwards_to(browser.get(f"{export}?{query}"))

    assert url.startswith(f"{listed}?q=111%2C112")
    assert "Sort: there is no column “" in browser.get(url).content.decode()


def test_an_export_of_a_changed_selection_forwards_to_the_list(world, administrator):
    browser, query = client_of(administrator), LIST.partition("?")[2]

    url = forwards_to(browser.post("/dids/export/", {"scope": "all", "query": query, "expected": "2"}))

    assert url == LIST
    assert "2 DIDs matched when you selected them; 3 match now" in browser.get(url).content.decode()


def test_the_sign_in_page_forwards_a_signed_in_user(world, viewer):
    assert forwards_to(client_of(viewer).get("/login/", {"next": LIST})) == LIST


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example", "//elsewhere.example", "javascript:"])
def test_a_long_url_of_another_site_is_not_followed(world, viewer, elsewhere):
    fields = {"username": viewer.username, "password": PASSWORD, "next": elsewhere + LIST}
    assert Client().post("/login/", fields).url == "/"

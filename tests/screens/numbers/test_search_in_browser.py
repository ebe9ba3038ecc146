"""Advanced Search on the list of numbers, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.world import make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


def test_explanations_and_the_search_are_loaded_when_they_are_wanted(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/?sort=-number&per_page=50&q=1")
    page.locator("td .did-status").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(" since ")
    page.get_by_role("button", name="Advanced Search").click()
    form = page.get_by_role("search", name="Advanced Search")
    expect(form.get_by_label("Number", exact=True)).to_be_focused()
    expect(form.get_by_label("Number", exact=True)).to_have_value("1")
    form.get_by_label("Number", exact=True).fill("")
    form.get_by_label("Reserved", exact=True).check()
    form.get_by_role("combobox", name="Operator").fill("did")
    page.get_by_role("option", name="DID Operator Reseller 1").click()
    form.get_by_role("button", name="Search").click()

    page.wait_for_url(f"**/dids/?sort=-number&per_page=50&status=reserved&operator={world.operator.pk}")
    expect(page.locator("h1 .total")).to_have_text("7")


def test_a_reopened_search_keeps_its_values(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/")
    button = page.get_by_role("button", name="Advanced Search")
    button.click()
    number = page.get_by_role("search", name="Advanced Search").get_by_label("Number", exact=True)
    number.fill("256")
    button.click()
    expect(number).not_to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(number).to_be_focused()
    expect(number).to_have_value("256")


def test_a_wrong_page_is_refused_at_its_field(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/")
    page.get_by_label("Page", exact=True).fill("abc")
    page.keyboard.press("Enter")
    expect(page.locator("#jump:user-invalid")).to_be_focused()
    expect(page.get_by_role("link", name="2563", exact=True)).to_be_visible()


def test_a_filter_is_changed_in_place_and_the_others_are_kept(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/?q=256&match=begins&status=active&client_name=rose&columns=number,status&sort=-number")
    page.get_by_role("link", name="Change the filter Number: 256").press("Enter")
    search = page.get_by_role("search", name="Advanced Search")
    number = search.get_by_label("Number", exact=True)
    expect(number).to_be_focused()
    expect(search.get_by_label("Match")).to_be_visible()
    expect(search.locator("[name=client_name]")).to_be_hidden()
    number.fill("999")
    number.press("Escape")
    expect(search).to_be_hidden()
    status = page.get_by_role("link", name="Change the filter Status: Active")
    expect(page.get_by_role("link", name="Change the filter Number: 256")).to_be_focused()
    status.click()
    expect(number).to_be_hidden()
    search.get_by_role("button", name="Search").press("Tab")
    expect(search).to_be_hidden()
    status.click()
    search.get_by_label("Blocked").check()
    search.get_by_role("button", name="Search").click()
    page.wait_for_url(
        "**/dids/?sort=-number&columns=number%2Cstatus&q=256&match=begins&status=active&status=blocked&client_name=rose"
    )
    expect(status).to_be_focused()

    status.press("Backspace")
    page.wait_for_url("**/dids/?q=256&match=begins&status=blocked&client_name=rose&sort=-number&columns=*")
    expect(page.get_by_role("link", name="Change the filter Status: Blocked")).to_be_focused()
    page.get_by_role("button", name="Advanced Search").click()
    expect(search.get_by_role("combobox", name="Client")).to_have_value("rose")
    page.get_by_role("button", name="Advanced Search").click()

    page.get_by_role("link", name="Change the filter Number: 256").press("Enter")
    number.fill("abc")
    number.press("Enter")
    page.wait_for_url("**/dids/?*q=abc*")
    expect(number).to_be_focused()


def test_without_scripts_a_link_opens_the_search(browser, live_server, transactional_db):
    make_world()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([session_cookie(member("Viewer"), live_server.url)])
    page = context.new_page()
    page.goto("/dids/?sort=-number")
    page.get_by_role("link", name="Search by status, operator, client and more").click()
    form = page.get_by_role("search", name="Advanced Search")
    form.get_by_label("Reserved", exact=True).check()
    form.get_by_role("button", name="Search", exact=True).click()

    expect(page.locator("h1 .total")).to_have_text("7")
    assert "sort=-number" in page.url and "status=reserved" in page.url
    context.close()


def test_text_that_was_not_picked_is_searched_for(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/")
    page.get_by_role("button", name="Advanced Search").click()
    client = page.get_by_role("combobox", name="Client")
    client.fill("rose")
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.wait_for_url("**/dids/?client_name=rose")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Advanced Search").click()
    expect(client).to_have_value("rose")
    client.fill("rosx")
    client.press("Enter")
    page.wait_for_url("**/dids/?client_name=rosx")
    expect(page.locator(".notice-error")).to_contain_text("There is no client “rosx”.")
    expect(page.locator("tbody tr")).to_have_count(0)
    client.fill("Rose")
    page.get_by_role("option", name="Rose Orig").click()
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.wait_for_url(f"**/dids/?client={world.client.pk}")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_a_form_is_not_sent_with_text_that_was_not_picked(page_of, world):
    page = page_of(member("Clerk"))
    page.goto("/dids/new/")
    page.get_by_label("DID(s)").fill("5040")
    operator = page.get_by_role("combobox", name="Operator")
    operator.fill("telco")
    page.locator("#new-create").click()
    warning = page.get_by_text("“telco” is not picked. Pick an option, or empty the box.")
    expect(warning).to_be_visible()
    expect(operator).to_be_focused()
    expect(operator).to_have_value("telco")
    operator.fill("did operator 2")
    expect(warning).not_to_be_visible()
    expect(page.locator(".combobox-popup li")).to_have_text("DID Operator 2 Reseller 2")
    page.get_by_label("DID(s)").click()
    expect(operator).to_have_value("DID Operator 2")
    page.locator("#new-create").click()
    expect(page.get_by_text("1 DID created for DID Operator 2.")).to_be_visible()


def test_the_exact_match_has_the_focus_and_enter_opens_it(page_of, world):
    page = page_of(member("Viewer"))
    page.goto("/dids/?q=2568")
    expect(page.locator("tr.is-exact a:focus")).to_have_text("2568")
    page.keyboard.press("j")
    expect(page.locator("tbody tr:focus").get_by_role("link", name="12568", exact=True)).to_be_visible()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/dids/{world.did('2568').pk}/")

"""The palette over any page, with the keyboard alone; the same search without scripts."""

import re

import pytest
from playwright.sync_api import expect

from clients.models import Client
from tests.world import make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


def test_everything_is_found_with_the_keyboard_alone(page_of, world):
    for n in range(5):
        Client.objects.create(reseller=world.reseller, name=f"Hamburg {n}")
    page = page_of(member("Supervisor"))
    page.goto("/packages/")
    before = page.get_by_role("link", name="New Package").first
    before.focus()
    page.keyboard.press("/")
    box, active = page.get_by_role("combobox", name="Search or jump to"), page.locator(".find-hit.is-active")
    expect(active).to_contain_text("New DIDs")
    page.keyboard.insert_text("hamb")  # at once: results of its beginning would come in between
    expect(active).to_contain_text("Hamburg 0")
    page.keyboard.press("ArrowDown")
    expect(active).to_contain_text("Hamburg 1")
    assert box.get_attribute("aria-activedescendant") == active.get_attribute("id")

    page.keyboard.press("Tab")  # only clients
    expect(page.locator(".palette-chip")).to_have_text("Clients")
    expect(page.get_by_role("option")).to_have_count(5)
    page.keyboard.press("Escape")
    expect(box).to_have_value("")
    expect(page.locator(".palette-chip")).to_be_hidden()
    page.keyboard.type("hambx")
    expect(page.get_by_text("Nothing found for “hambx”.").first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(before).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.type("2568")
    page.keyboard.press("Enter")  # before the results are there
    page.wait_for_url(f"**/dids/{world.did('2568').pk}/")
    page.keyboard.press("Control+k")
    page.keyboard.type("rose_orig")
    expect(active).to_contain_text("rose_orig")
    with page.context.expect_page() as opened:
        page.keyboard.press("Control+Enter")
    opened.value.wait_for_url(f"**/clients/{world.client.pk}/dids/?account={world.account.pk}")


def test_enter_never_follows_results_of_an_earlier_text(page_of, world):
    page, first = page_of(member("Viewer")), []
    page.goto("/packages/")
    page.route(re.compile(r"/find/\?q=$"), lambda route: first.append(route))
    with page.expect_request(re.compile(r"/find/\?q=$")):
        page.keyboard.press("/")
    page.keyboard.type("2568")
    page.keyboard.press("Enter")
    first[0].fulfill(body='<a role="option" id="first" href="/dids/">First</a>')
    page.wait_for_url(f"**/dids/{world.did('2568').pk}/")


def test_a_phone_has_the_search_over_its_full_width(page_of, world):
    page = page_of(member("Viewer"))
    page.set_viewport_size({"width": 390, "height": 780})
    page.goto("/dids/")
    opener = page.get_by_role("link", name="Search or jump to")
    assert min(opener.bounding_box()["width"], opener.bounding_box()["height"]) >= 40
    opener.click()
    page.keyboard.type("256")
    hit = page.get_by_role("option").first
    expect(hit).to_contain_text("6 numbers with 256")
    assert hit.bounding_box()["height"] >= 40
    assert page.locator("#palette").bounding_box()["width"] >= 370  # all but the scroll bar
    hit.click()
    page.wait_for_url("**/dids/?q=256")


def test_without_scripts_the_same_search_is_a_page(browser, live_server, transactional_db):
    make_world()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([session_cookie(member("Viewer"), live_server.url)])
    page = context.new_page()
    page.goto("/dids/")
    page.get_by_role("link", name="Search or jump to").click()
    page.get_by_role("searchbox", name="Search or jump to").fill("rose")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Rose Orig").first.click()
    expect(page.get_by_role("heading", name="Rose Orig")).to_be_visible()
    context.close()

"""From a number back to the list as it was left."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from dids.models import DID
from tests.world import client_of, make_world, member


@pytest.mark.django_db
def test_a_numbers_page_leads_back_to_the_list_it_was_opened_from(world):
    browser, address = client_of(member("Clerk")), f"/dids/{world.did('2567').pk}/"
    page = browser.get(address, headers={"Referer": "http://testserver/dids/?status=active&page=2"})
    assert 'class="back" href="/dids/?status=active&amp;page=2"' in page.content.decode()
    page = browser.get(address, headers={"Referer": "https://evil.example/dids/?q=1"})
    assert 'class="back" href="/dids/"' in page.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.browser
def test_back_restores_filter_order_page_scroll_and_row_and_sorting_keeps_the_focus(page_of):
    world, numbers = make_world(), [str(number) for number in range(5000, 5050)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    page = page_of(member("Clerk"))
    page.goto("/dids/?q=5000-5049&sort=-number&page=2")
    left = page.url
    page.get_by_role("link", name="5011", exact=True).click()
    page.wait_for_load_state()  # the keys work once the scripts have run
    scrolled = page.evaluate("JSON.parse(sessionStorage.getItem('list:/dids/')).scroll")
    page.keyboard.press("e")
    page.get_by_label("Notes").fill("Seen")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("5011 saved.")).to_be_visible()
    page.get_by_role("link", name="Back to DID Management").click()

    expect(page.locator("tr", has_text="5011")).to_be_focused()
    assert page.url == left and page.evaluate("scrollY") == scrolled > 0
    page.get_by_role("columnheader", name="Operator").get_by_role("link").click()
    page.wait_for_url(re.compile("sort=operator"))
    expect(page.get_by_role("columnheader", name="Operator").get_by_role("link")).to_be_focused()

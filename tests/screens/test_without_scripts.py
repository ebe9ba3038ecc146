"""Without scripts pages show nothing that needs them, and what works without them is in reach."""

import re

import pytest
from playwright.sync_api import expect

from dids.models import DID
from tests.world import make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

PAGES = [
    "/dids/",
    "/dids/?advanced=1",
    "/dids/?q=2567,999",
    "/dids/?as_of=2026-06-01",
    "/dids/new/",
    "/dids/import/",
    "/dids/{did}/",
    "/dids/{did}/history/",
    "/operators/",
    "/operators/new/",
    "/clients/",
    "/clients/{client}/",
    "/clients/{client}/dids/",
    "/clients/{client}/dids/add/",
    "/clients/{client}/give/",
    "/packages/",
    "/client-packages/",
    "/audit/",
    "/audit/who-had-it/",
    "/jobs/",
    "/find/?q=rose",
    "/people/",
    "/me/",
    "/password/",
    "/start/",
]

# Scripts react to these alone; a plain browser sends a form, follows a link or opens a summary.
# What is in a menu counts as well.
NEED_SCRIPTS = """() => {
  for (const menu of document.querySelectorAll("details")) menu.open = true;
  return [...document.querySelectorAll(
    "button[type=button], button:not([form], form button), [data-copy], [data-toggle], [data-print],"
    + "[data-dismiss], [data-selection-clear-button], [data-selection-all], [data-selection-bar],"
    + "thead [type=checkbox], .row-menu, [name=theme], .topbar kbd, summary > kbd"
  )].filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .map((element) => element.outerHTML.replace(/\\s+/g, " ").slice(0, 110));
}"""


@pytest.fixture
def plain(browser, live_server):
    """Return the page of a phone without scripts, with an administrator signed in, and the small world."""
    world = make_world()
    context = browser.new_context(
        base_url=live_server.url, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    context.add_cookies([session_cookie(member("Administrator", is_staff=True), live_server.url)])
    yield context.new_page(), world
    context.close()


def test_nothing_is_shown_that_needs_scripts(plain):
    page, world = plain
    for path in PAGES:
        page.goto(path.format(did=world.did("2567").pk, client=world.client.pk))
        assert page.evaluate(NEED_SCRIPTS) == [], path


def test_the_search_and_the_actions_on_ticked_rows_are_in_reach(plain):
    page, _ = plain
    page.goto("/dids/?advanced=1")
    search = page.get_by_role("search", name="Advanced Search")
    search.get_by_label("In Stock").check()
    search.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url(re.compile("status=instock"))
    bar = page.get_by_label("Selected numbers")
    expect(bar).to_be_hidden()
    page.get_by_label("Select 256999").check()
    expect(bar.get_by_role("button", name="Mass Edit")).to_be_in_viewport(ratio=1)
    bar.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 1 number").click()
    expect(page.get_by_text("1 number deleted.")).to_be_visible()
    assert not DID.objects.filter(number="256999").exists()

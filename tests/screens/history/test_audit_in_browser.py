"""The audit log and the ownership bar in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from audit.models import Change
from dids.models import DID
from tests.world import member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_user_goes_from_the_log_to_a_number_and_back(page_of, world):
    DID.objects.filter(number="111").edit(by=SYSTEM, notes="followed")
    page = page_of(member("Supervisor"))
    page.goto("/audit/")
    page.get_by_role("button", name="Advanced Search").click()
    page.get_by_label("Object", exact=True).fill("1-1-1")
    page.get_by_label("Action", exact=True).select_option("edit")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("link", name="111", exact=True).click()
    page.get_by_role("heading", name="History of 111").wait_for()
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.locator("main")).to_contain_text("followed")


def test_a_person_is_chosen_by_typing_part_of_the_name(page_of, world):
    clerk = member("Clerk")
    DID.objects.filter(number="111").edit(by=clerk, notes="by the clerk")
    page = page_of(member("Supervisor"))
    page.goto("/audit/")
    page.get_by_role("button", name="Advanced Search").click()
    page.get_by_role("combobox", name="Person").fill("cle")
    page.get_by_role("option", name="clerk").click()
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("Rows 1 – 1 of 1").wait_for()


def test_days_are_typed_or_picked_and_an_ambiguous_one_is_refused_at_its_field(page_of, world):
    page = page_of(member("Supervisor"))
    page.goto("/audit/?advanced=1")
    since, until = (page.get_by_label(label, exact=True) for label in ("From", "To"))
    since.fill("1 november 2026")
    until.fill("03/04/2026")
    until.press("Enter")
    expect(page.locator(".field-error")).to_have_text("Write the month as a word: 3 Apr 2026 or 4 Mar 2026.")
    expect(since).to_have_value("1 Nov 2026")
    page.wait_for_load_state()

    until.fill("28 Nov 2026")
    page.get_by_role("button", name="Calendar: To").press("Enter")
    expect(page.locator(".calendar-picker:open")).to_have_value("2026-11-28")
    page.locator(".calendar-picker").fill("2026-11-29")
    expect(until).to_have_value("29 Nov 2026")
    expect(page.locator(".field-error")).to_have_count(0)
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("/audit/?since=2026-11-01&until=2026-11-29")
    expect(page.locator(".chip").first).to_have_text(re.compile(r"^\s*From\s+1 Nov 2026\s*$"))


def test_a_time_is_typed_picked_to_the_second_and_shown_as_the_page_shows_it(page_of, world):
    page = page_of(member("Supervisor", time_zone="Europe/Vilnius"))
    page.goto("/audit/who-had-it/")
    at = page.get_by_label("Date and time", exact=True)
    at.fill("2 Mar 2026 07:05")
    page.get_by_role("button", name="Calendar: Date and time").click()
    expect(page.locator(".calendar-picker:open")).to_have_value("2026-03-02T07:05")
    page.locator(".calendar-picker").fill("2026-03-29T03:30:07")
    expect(at).to_have_value("29 Mar 2026, 03:30:07")
    page.get_by_role("textbox", name="Numbers").fill("111")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator(".field-error")).to_contain_text("03:30 did not exist that day in Europe/Vilnius")
    expect(at).to_have_value("29 Mar 2026, 03:30:07")


def test_the_history_of_a_number_is_as_wide_as_the_page_and_linked_to_its_bar(page_of, world):
    page = page_of(member("Supervisor"))
    page.set_viewport_size({"width": 1440, "height": 800})
    page.goto(f"/dids/{world.did('2563').pk}/history/")
    ends = page.locator(".history time, .ownership-bar")
    right = ends.evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().right))")
    assert len(right) > 1 and len(set(right)) == 1 and right[0] > 1380
    segment = page.locator(".ownership-bar a").first
    segment.focus()
    assert segment.get_attribute("aria-label").startswith("Rose Orig | rose_orig: in use from ")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#period-1$"))
    expect(page.locator("#period-1")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_long_texts_make_no_page_scroll_sideways(page_of, world, width):
    words = "Kept for the large hospital contract in the north until the lawyers are done with it. " * 5
    dids = DID.objects.filter(number="111")
    dids.edit(by=SYSTEM, notes=words)
    dids.edit(by=SYSTEM, label=f"Mass edit: {words}", notes="x" * 500, kind="mass_edit")
    page = page_of(member("Supervisor"))
    page.set_viewport_size({"width": width, "height": 800})
    for address in (
        "/audit/",
        f"/audit/{Change.objects.latest('pk').pk}/",
        f"/dids/{dids.get().pk}/history/",
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        cells = page.locator("td.col-changes, td.col-what")
        for cell in cells.all():
            assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1"), address

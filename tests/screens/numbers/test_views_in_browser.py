"""Views and columns by keyboard, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from clients.models import Reseller
from dids.lists.columns import COLUMNS
from dids.models import SavedView
from tests.world import make_world, member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


def heads(page):
    texts = page.locator("table.dids thead th").all_inner_texts()
    return [text.strip() for text in texts if text.strip() and text.strip() != "Actions"]


def test_a_view_is_saved_its_columns_change_by_keyboard_and_go_into_the_view(page_of):
    make_world()
    page = page_of(member("Clerk"))
    page.goto("/dids/?status=active")
    page.get_by_role("link", name="Save as a view…").click()
    dialog = page.get_by_role("dialog", name="Save as a view")
    dialog.get_by_label("Name").fill("Busy")
    dialog.get_by_role("button", name="Save view").click()
    expect(page.get_by_text("View “Busy” saved.")).to_be_visible()
    views = page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Busy", exact=True)).to_have_attribute("aria-current", "page")

    page.locator("summary", has_text="Columns").click()
    box = page.get_by_label("After Hold", exact=True)
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator("#polite")).to_have_text("After Hold, 9 of 9")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#polite")).to_have_text("After Hold, 8 of 9")
    page.wait_for_url(re.compile("after_hold%2Creseller"))
    expect(box).to_be_focused()
    assert heads(page)[-2:] == ["After Hold", "Reseller"]
    expect(page.locator("body.is-wide .many")).to_have_count(1)
    page.get_by_label("Notes", exact=True).uncheck()
    expect(page.locator("th.col-notes")).to_have_count(0)
    expect(page.locator(".is-wide")).to_have_count(0)
    page.get_by_label("DID always").press("Space")
    expect(page.get_by_label("DID always")).to_be_checked()
    page.keyboard.press("Escape")
    expect(page.locator("summary", has_text="Columns")).to_be_focused()

    expect(views.get_by_role("link", name=re.compile("^Busy ?, changed$"))).to_be_visible()
    page.get_by_label("Select 2567", exact=True).check()
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    export = page.get_by_label("Selected numbers").locator("summary", has_text="Export")
    export.press("Enter")
    with page.expect_download() as download:
        page.get_by_role("button", name="1 as CSV").press("Enter")
    assert "1-selected" in download.value.suggested_filename
    expect(page.get_by_role("button", name="1 as Excel")).not_to_be_visible()
    page.get_by_role("button", name="Save to Busy").click()
    expect(page.get_by_text("Saved to “Busy”.")).to_be_visible()
    assert "after_hold" in SavedView.objects.get().query and "notes" not in SavedView.objects.get().query
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    page.get_by_role("navigation", name="Status").get_by_role("link", name="Hold").click()
    page.get_by_role("link", name="Reset", exact=True).first.click()
    page.wait_for_url(re.compile("status=active"))

    # The first four views are tabs, and so is the open one. The actions are on the line of the section.
    owner = SavedView.objects.get().owner
    for name in "ABCDE":
        SavedView.objects.create(
            owner=owner, name=f"{name} with numbers to keep an eye on", query="status=hold"
        )
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/dids/")
    assert [text[:4] for text in views.get_by_role("link").all_inner_texts()] == [
        "All ",
        "Busy",
        "A wi",
        "B wi",
        "C wi",
    ]
    page.locator("summary", has_text="All views").click()
    page.get_by_role("link", name="E with numbers to keep an eye on").click()
    page.wait_for_url(re.compile("view="))
    expect(views.locator("[aria-current]")).to_be_in_viewport(ratio=1)
    section = page.get_by_role("navigation", name="DIDs")
    for control in (
        section.get_by_role("link", name="Operators"),
        page.locator("summary", has_text="Export DIDs"),
    ):
        assert abs(control.bounding_box()["y"] - section.bounding_box()["y"]) < 12


def test_the_header_and_the_numbers_stay_in_view_with_all_columns(page_of):
    world = make_world()
    page = page_of(member("Clerk"))
    page.set_viewport_size({"width": 1440, "height": 560})
    page.goto(f"/dids/?columns={','.join(COLUMNS)}")
    scrolled = page.locator("#list-table").evaluate(
        "it => { it.scrollTo(9999, 9999); return it.scrollLeft * it.scrollTop }"
    )
    assert scrolled > 0 and page.evaluate("document.documentElement.scrollHeight") == 560
    for head in ("DID", "Changed"):
        expect(page.get_by_role("columnheader", name=head, exact=True)).to_be_in_viewport(ratio=1)
    last = page.locator("tbody tr").last
    expect(last.locator(".col-number a")).to_be_in_viewport(ratio=1)
    expect(last.locator(".col-changed")).to_be_in_viewport(ratio=1)
    number = last.locator(".col-number a").inner_text()
    last.locator(".col-number a").click()
    page.go_back()
    expect(page.locator("tr:focus .col-number")).to_have_text(number)
    assert page.locator("#list-table").evaluate("it => it.scrollLeft * it.scrollTop") == scrolled

    page.set_viewport_size({"width": 390, "height": 560})
    page.locator("tbody tr").last.scroll_into_view_if_needed()
    expect(page.get_by_label("Select every row of this page")).to_be_in_viewport(ratio=1)
    expect(last.locator(".col-status")).to_be_in_viewport(ratio=1)

    # A long name has the room that short texts leave.
    Reseller.objects.filter(pk=world.reseller.pk).update(name="Quillan & Daughters Telephony of Tessaly")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/dids/?columns=id,status,operator,number,tag,notes,client,reseller")
    name = page.locator("td.col-reseller > .cut").first
    expect(name).to_have_text("Quillan & Daughters Telephony of Tessaly")
    assert name.evaluate("it => it.scrollHeight <= it.clientHeight && it.scrollWidth <= it.clientWidth")

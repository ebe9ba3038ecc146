"""Selecting, mass edit, delete and New DIDs with mouse and keyboard, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from dids.models import DID
from tests.world import make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
RANGE = [str(n) for n in range(5000, 5045)]  # three pages of twenty


@pytest.fixture
def world(transactional_db):
    world = make_world()
    DID.objects.create_numbers(RANGE, operator=world.operator, by=SYSTEM)
    return world


@pytest.fixture
def signed_in(page, live_server, world):
    page.context.add_cookies([session_cookie(member("Supervisor"), live_server.url)])
    return page


def tick(page, *numbers):
    for number in numbers:
        page.get_by_label(f"Select {number}", exact=True).check()


def bar(page, name):
    return page.locator("[data-selection-bar]").get_by_role("button", name=name)


def next_page(page):
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url(re.compile("page=2"))


def test_rows_of_two_pages_are_edited_together(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    tick(page, "5001", "5002")
    next_page(page)
    tick(page, "5021")
    expect(page.locator("[data-selection-count]")).to_have_text("3 selected, 2 on other pages")

    bar(page, "Mass Edit").click()
    dialog = page.get_by_role("dialog", name="Mass Edit")
    dialog.get_by_label("Set Status to", exact=True).select_option("reserved")
    expect(dialog.get_by_label("Change Set Status to")).to_be_checked()
    expect(dialog.get_by_text("3 numbers will change")).to_be_visible()
    dialog.get_by_role("button", name="Update 3 numbers").click()

    expect(page.get_by_text("3 numbers changed.")).to_be_visible()
    assert "q=5000-5044" in page.url and "page=2" in page.url
    expect(page.locator("[data-selection-bar]")).not_to_be_visible()
    reserved = DID.objects.filter(number__in=RANGE, status="reserved").order_by("number")
    assert [did.number for did in reserved] == ["5001", "5002", "5021"]


def test_a_tick_changes_only_its_row_and_the_bar(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    tick(page, "5001")
    page.evaluate(
        """() => {
            window.changed = new Set();
            const note = (target) => {
                const owner = target.closest("tbody tr, [data-selection-bar]") ?? target;
                changed.add(owner.querySelector("[data-row-link]")?.textContent ?? owner.ariaLabel);
            };
            const checked = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "checked");
            const set = function (on) {
                if (this.closest("tbody")) note(this);
                checked.set.call(this, on);
            };
            Object.defineProperty(HTMLInputElement.prototype, "checked", { ...checked, set });
            new MutationObserver((changes) => {
                for (const { target } of changes) note(target);
            }).observe(document, { attributes: true, childList: true, characterData: true, subtree: true });
        }"""
    )
    tick(page, "5003")
    page.get_by_label("Select 5006", exact=True).click(modifiers=["Shift"])
    expect(page.locator("[data-selection-count]")).to_have_text("5 selected")
    assert set(page.evaluate("[...changed]")) == {"Selected numbers", "5003", "5004", "5005", "5006"}
    expect(page.locator("tr.is-ticked")).to_have_count(5)
    page.get_by_label("Select every row of this page").click()
    page.get_by_label("Select every row of this page").click()
    expect(page.locator("[data-selection-bar]")).not_to_be_visible()
    expect(page.locator("tr.is-ticked")).to_have_count(0)


def test_rows_out_of_sight_are_no_layers_until_they_come_into_sight(signed_in, world):
    DID.objects.create_numbers([str(n) for n in range(6000, 6100)], operator=world.operator, by=SYSTEM)
    page = signed_in
    page.goto("/dids/?q=6000-6099&per_page=100")
    numbers = page.locator("tbody [data-row-link]")
    expect(numbers).to_have_text([str(n) for n in range(6000, 6100)])
    isolation = "row => getComputedStyle(row).isolation"
    first, last = page.locator("tbody tr", has_text="6000"), page.locator("tbody tr", has_text="6099")
    expect(last.locator("xpath=..")).to_have_class("is-far")
    assert (first.evaluate(isolation), last.evaluate(isolation)) == ("isolate", "auto")

    last.scroll_into_view_if_needed()
    expect(last.locator("xpath=..")).not_to_have_class("is-far")
    expect(first.locator("xpath=..")).to_have_class("is-far")
    cell = last.locator(".col-select").bounding_box()
    page.mouse.click(cell["x"] + 2, cell["y"] + 3)  # a corner of the cell, not its box
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    assert (first.evaluate(isolation), last.evaluate(isolation)) == ("auto", "isolate")


def test_all_that_match_are_edited_without_being_on_the_page(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    page.get_by_label("Select every row of this page").check()
    page.get_by_role("button", name="Select all 45 that match").click()
    expect(page.locator("[data-selection-count]")).to_have_text("All 45 that match are selected")

    bar(page, "Mass Edit").click()
    dialog = page.get_by_role("dialog", name="Mass Edit")
    dialog.get_by_label("Notes", exact=True).fill("all of them")
    dialog.get_by_role("button", name="Update 45 numbers").click()

    expect(page.get_by_text("45 numbers changed.")).to_be_visible()
    assert DID.objects.filter(notes="all of them").count() == 45


def test_numbers_created_after_the_selection_stop_the_edit(signed_in, world):
    page = signed_in
    page.goto("/dids/?status=instock&operator=" + str(world.operator.pk))
    page.get_by_label("Select every row of this page").check()
    page.get_by_role("button", name="Select all 46 that match").click()
    DID.objects.create_numbers(["6000"], operator=world.operator, by=SYSTEM)

    bar(page, "Mass Edit").click()

    expect(page.get_by_role("alert")).to_contain_text(
        "46 DIDs matched when you selected them; 47 match now. Check the list"
    )


def test_the_dialog_works_with_the_keyboard_only(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    bar(page, "Mass Edit").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Mass Edit")
    expect(dialog).to_be_visible()
    expect(dialog.locator(":focus")).to_have_count(1)

    for _ in range(30):  # the focus stays inside the dialog
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
    page.keyboard.press("Escape")

    expect(dialog).not_to_be_visible()
    expect(bar(page, "Mass Edit")).to_be_focused()
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")


def test_a_dialog_that_a_menu_opened_returns_the_focus_to_the_menu(signed_in):
    page = signed_in
    page.goto("/dids/")
    person = page.locator("summary.person")
    person.click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(person).to_be_focused()


def test_a_wrong_value_keeps_the_dialog_open_with_the_focus_on_it(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    tick(page, "5001")
    bar(page, "Mass Edit").click()
    dialog = page.get_by_role("dialog", name="Mass Edit")
    dialog.get_by_label("Notes", exact=True).fill("typed")
    dialog.get_by_label("Hold days", exact=True).fill("400")
    dialog.get_by_role("button", name="Update").click()

    expect(dialog.get_by_label("Hold days", exact=True)).to_be_focused()
    expect(dialog.get_by_text("Enter 365 or less.").first).to_be_visible()
    expect(dialog.get_by_label("Notes", exact=True)).to_have_value("typed")
    assert not DID.objects.filter(notes="typed").exists()

    # The error goes with the value that it was about.
    dialog.get_by_label("Hold days", exact=True).fill("40")
    expect(dialog.locator(".field-error")).to_have_count(0)
    expect(dialog.locator("[aria-invalid=true]")).to_have_count(0)
    expect(dialog.get_by_role("button", name="Update 1 number")).to_be_visible()


def test_a_row_is_deleted_from_its_icon(signed_in):
    page = signed_in
    page.goto("/dids/?q=5000-5044")
    page.get_by_role("link", name="Delete 5003").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 number").click()

    expect(page.get_by_text("1 number deleted.")).to_be_visible()
    assert "q=5000-5044" in page.url
    assert not DID.objects.filter(number="5003").exists()


def test_new_dids_shows_a_preview_while_typing(signed_in):
    page = signed_in
    page.goto("/dids/")
    page.get_by_role("link", name="New DIDs").click()
    page.wait_for_url("**/dids/new/")
    page.get_by_label("DID(s)").fill("5040-5049")
    expect(page.get_by_text("5 of 10 DIDs will be created. 5 already exist")).to_be_visible()
    page.get_by_role("combobox", name="Operator").fill("did op")
    page.get_by_role("option", name="DID Operator Reseller 1").click()
    page.get_by_role("button", name="Create 5 DIDs").click()

    expect(page.get_by_text("5 DIDs created for DID Operator. 5 already exist")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/dids/\?q=5040-5049$"))
    assert DID.objects.filter(number="5049").exists()


def test_a_number_is_edited_on_its_page(signed_in, world):
    page = signed_in
    page.goto(f"/dids/{world.did('2567').pk}/")
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_text("1 number blocked. Unreachable until unblocked.")).to_be_visible()
    expect(page.get_by_label("Notes")).not_to_be_visible()
    page.wait_for_load_state()  # the keys work once the scripts have run
    page.keyboard.press("e")
    expect(page.get_by_label("After Hold")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("After Hold")).not_to_be_visible()
    page.keyboard.press("e")
    page.get_by_label("Notes").fill("unpaid")
    page.get_by_role("button", name="Save settings").click()

    expect(page.get_by_text("2567 saved.")).to_be_visible()
    expect(
        page.get_by_text("because supervisor blocked it; unreachable until it is unblocked")
    ).to_be_visible()
    expect(page.locator(".history > li").first).to_contain_text("unpaid")
    assert world.did("2567").status == "blocked"
    page.get_by_role("link", name="Only status changes").click()
    expect(page.locator(".history")).not_to_contain_text("unpaid")
    page.wait_for_load_state()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1)).to_contain_text("2568")
    page.wait_for_load_state()
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1)).to_contain_text("2567")

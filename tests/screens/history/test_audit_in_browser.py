"""The audit log and the ownership bar in a real browser."""

import pytest

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
    page.get_by_label("Action").select_option("edit")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("link", name="111", exact=True).click()
    page.get_by_role("heading", name="History of 111").wait_for()
    page.get_by_role("link", name="Edit", exact=True).click()
    assert "followed" in page.inner_text("main")


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
    assert page.url.endswith("#period-1")
    assert page.locator("#period-1").is_visible()


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

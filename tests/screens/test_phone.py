"""A day's work by thumb: on a screen of 390 px everything is in reach and nothing is cut."""

import re

import pytest
from playwright.sync_api import expect

from audit import SYSTEM
from clients.models import Package
from dids.models import DID
from tests.screens.thumb import out_of_reach
from tests.world import client_of, make_world, member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
FIVE = [str(number) for number in range(49401, 49406)]


def test_a_days_work_is_done_by_thumb(page_of):
    world = make_world()
    Package.objects.update(did_limit=50)
    DID.objects.create_numbers(FIVE, operator=world.operator, by=SYSTEM, status="instock")
    DID.objects.filter(number="256999").edit(tags=["easy to remember", "gold"], by=SYSTEM)
    page = page_of(member("Supervisor"))
    page.set_viewport_size({"width": 390, "height": 844})

    def in_reach():
        assert out_of_reach(page) == []

    # Every section is in the menu, and the search is as wide as the page.
    page.goto("/dids/")
    in_reach()
    page.locator("summary", has_text="Sections").click()
    expect(page.get_by_role("link", name="Jobs")).to_be_in_viewport(ratio=1)
    in_reach()
    page.keyboard.press("Escape")
    assert page.get_by_role("link", name="Search or jump to").bounding_box()["width"] > 350

    # Select all, all that match, sort.
    page.get_by_role("button", name="Sort by DID, ascending").click()
    in_reach()
    page.get_by_role("dialog", name="Sort by").get_by_role("link", name="Status").click()
    page.wait_for_url(re.compile("sort=status"))
    expect(page.locator("th[aria-sort]")).to_be_hidden()  # the button alone names the order
    page.get_by_role("button", name="Sort by Status, ascending").click()
    page.get_by_role("link", name="Status, descending").click()
    page.wait_for_url(re.compile("sort=-status"))
    page.get_by_label("Select every row of this page").check()
    expect(page.get_by_text(re.compile(r"^\d+ selected"))).to_be_visible()
    for name in ("Mass Edit", "Assign", "Delete"):
        expect(page.get_by_label("Selected numbers").get_by_role("button", name=name)).to_be_in_viewport(
            ratio=1
        )
    in_reach()
    page.get_by_label("Selected numbers").get_by_role("button", name="Clear").click()

    # A row's menu has the actions that its icons have on wide screens.
    page.goto("/dids/?q=256999")
    page.get_by_role("button", name="Actions for 256999").click()
    page.get_by_role("dialog", name="Actions for 256999").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog", name=re.compile("^Delete "))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions for 256999")).to_be_focused()
    page.get_by_role("button", name="Actions for 256999").click()
    page.get_by_role("dialog").get_by_role("button", name="Copy 256999").click()
    expect(page.get_by_role("tooltip")).to_have_text("Copied 256999")

    # A number without a client says its tags instead.
    row = page.locator("tbody tr", has=page.get_by_role("link", name="256999"))
    expect(row.locator(".col-tag")).to_have_text("easy to remember, gold")
    expect(row.locator(".col-tag")).to_be_visible()
    assert row.locator(".col-tag .cut").evaluate("tags => tags.scrollWidth <= tags.clientWidth")  # in full
    expect(row.locator(".col-client")).to_be_hidden()

    # Find a number, see why, block it.
    page.goto("/dids/?q=2567")
    page.get_by_role("link", name="2567", exact=True).click()
    expect(page.get_by_text("Active since")).to_be_in_viewport()
    in_reach()
    page.goto(f"/clients/{world.client.pk}/dids/?q==2567")
    page.get_by_role("button", name="Actions for 2567").click()
    in_reach()
    page.get_by_role("button", name="Block: unreachable until unblocked").click()
    expect(page.get_by_text("1 number blocked.")).to_be_visible()
    in_reach()

    # Give five numbers.
    page.get_by_role("link", name="Add DIDs").click()
    for number in FIVE:
        page.get_by_label(f"Select {number}").check()
    page.get_by_role("button", name="Assign to rose_orig").click()
    page.get_by_role("button", name="Assign 5 numbers").click()
    expect(page.get_by_text("5 numbers assigned to rose_orig under package Basic.")).to_be_visible()

    # Approve an import.
    page.goto("/dids/import/")
    in_reach()
    file = {"name": "new.csv", "mimeType": "text/csv", "buffer": b"DID,Operator\n441632960100,DID Operator\n"}
    page.get_by_role("button", name="File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload and choose columns").click()
    page.wait_for_url(re.compile("/columns/"))
    page.get_by_role("button", name="Check all").click()
    page.wait_for_url(re.compile("/check/"))
    in_reach()
    page.get_by_role("button", name="Import 1 number").click()
    page.wait_for_url(re.compile("/result/"))
    in_reach()
    assert DID.objects.filter(number="441632960100").exists()
    assert DID.objects.filter(number__in=FIVE, status="active").count() == 5


FURTHER = "area,hold_days,mark,last_client,status,number,account,client"
LONG = "61255796100"  # its area is a list of places in 326 characters


def test_chosen_columns_stand_below_each_number_on_a_phone_as_label_and_value(page_of):
    world = make_world()
    DID.objects.create_numbers([LONG], operator=world.operator, by=SYSTEM, status="instock")
    page = page_of(member("Supervisor"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/dids/?columns={FURTHER}")

    row = page.locator("tbody tr", has=page.get_by_role("link", name=LONG))
    area, days = row.locator(".col-area"), row.locator(".col-hold_days")
    assert area.aria_snapshot().count("Area Forster/Comboyne/") == 1
    assert days.aria_snapshot() == '- cell "Hold days 30"'
    number, within = row.locator(".col-number").bounding_box(), area.bounding_box()
    assert within["y"] >= number["y"] + number["height"] and within["height"] <= 36  # two lines
    assert within["x"] >= 0 and within["x"] + within["width"] <= 390
    expect(row.locator(".col-mark")).to_be_hidden()  # it has none

    # What the line of the client says is not said again.
    used = page.locator("tbody tr", has=page.get_by_role("link", name="2567", exact=True))
    expect(used.locator(".col-client")).to_be_visible()
    for name in ("account", "last_client"):
        expect(used.locator(f".col-{name}")).to_be_hidden()
    expect(used.locator(".col-hold_days")).to_be_visible()
    assert out_of_reach(page) == []

    page.set_viewport_size({"width": 1440, "height": 900})
    assert days.aria_snapshot() == '- cell "30"' and area.bounding_box()["height"] < 40


def test_the_menu_of_views_on_a_phone_names_what_is_shown(page_of):
    make_world()
    clerk = member("Clerk")
    fields = {"name": "Night shift", "shared": "me", "back": "/dids/?status=active"}
    view = client_of(clerk).post("/dids/views/new/", fields).url
    page = page_of(clerk)
    page.set_viewport_size({"width": 390, "height": 844})
    for address, name in (
        ("/dids/", "All numbers"),
        ("/dids/?q=256", "Unsaved search"),
        ("/dids/?stauts=active", "Unsaved search"),
        (view, "Night shift"),
        (view.replace("active", "hold"), "Night shift, changed"),
    ):
        page.goto(address)
        expect(page.locator(".view-menu .phone-only")).to_have_text(re.compile(rf"^\s*{name}\s*$"))


@pytest.mark.parametrize("address", ["/clients/", "/resellers/", "/client-packages/"])
def test_a_name_on_a_phone_is_not_cut_while_its_line_has_room(page_of, address):
    world = make_world()
    name = "Bellamy Estate Agents Ltd"
    for record in (world.client, world.reseller):
        type(record).objects.filter(pk=record.pk).update(name=name)
    page = page_of(member("Administrator"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    shown = page.locator(":is(.col-name, .col-client) .cut", has_text=name).first
    expect(shown).to_be_visible()
    assert shown.evaluate("name => name.scrollWidth <= name.clientWidth")

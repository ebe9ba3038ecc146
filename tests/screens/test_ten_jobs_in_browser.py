"""The ten jobs of a day, at a desk and on a phone in the dark: how many clicks each takes."""

import re
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from clients.models import Package
from dids.models import DID
from tests.world import make_world, member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
FILE = {"name": "new.csv", "mimeType": "text/csv", "buffer": b"Number,Status\n441632960100,In Stock\n"}


class Clicks:
    """Clicks on a page that are counted; the keyboard is free."""

    def __init__(self):
        self.count = 0

    def __call__(self, target, **how):
        target.click(**how)
        self.count += 1

    @contextmanager
    def expected(self, count):
        """Fail if the job in the block takes another number of clicks."""
        self.count = 0
        yield
        assert self.count == count


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_ten_jobs_of_a_day_take_few_clicks(page_of, width, scheme):
    world = make_world()
    Package.objects.update(did_limit=50)
    page, click = page_of(member("Supervisor")), Clicks()
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    is_phone = width == 390
    press, write = page.keyboard.press, page.keyboard.type
    dialog = page.locator("dialog[open]")

    def jump(text, address):
        press("/")
        expect(page.get_by_role("combobox", name="Search or jump to")).to_be_focused()
        write(text)
        press("Enter")
        page.wait_for_url(re.compile(address))

    def pick(text):
        write(text)
        expect(page.get_by_role("option", name=text).first).to_be_visible()
        press("Enter")

    page.goto("/dids/")

    with click.expected(0):  # find a number
        jump("2563", f"/dids/{world.did('2563').pk}/")

    with click.expected(0):  # see why it is on Hold
        expect(page.get_by_text(re.compile(r"On Hold since .* because"))).to_be_in_viewport()

    page.go_back()
    with click.expected(2):  # make a range
        click(page.get_by_role("link", name="New DIDs").first)
        page.wait_for_url("**/dids/new/")
        expect(page.get_by_label("DID(s)")).to_be_focused()
        write("700000-700499")
        press("Tab")
        pick("DID Operator")
        click(page.get_by_role("button", name="Create 500 DIDs"))
        expect(page.get_by_text("500 DIDs created for DID Operator.")).to_be_visible()

    with click.expected(4):  # the status of 500
        click(page.get_by_label("Select every row of this page"))
        click(page.get_by_role("button", name="Select all 500 that match"))
        click(page.get_by_label("Selected numbers").get_by_role("button", name="Mass Edit"))
        expect(dialog.get_by_role("combobox", name="Status")).to_be_focused()
        write("Res")
        click(dialog.get_by_role("button", name="Update 500"))
        expect(page.get_by_text("500 numbers changed.")).to_be_visible()

    with click.expected(2), page.expect_download() as export:  # export a filter
        click(page.locator("summary", has_text="Export DIDs"))
        click(page.get_by_role("link", name="500 as CSV"))
    assert export.value.path().read_text().count(",reserved,") == 500

    with click.expected(1):  # undo
        click(page.get_by_role("link", name="Undo", exact=True))
        expect(dialog.get_by_role("button", name="Undo for 500 numbers")).to_be_focused()
        press("Enter")
        expect(page.get_by_text("500 numbers reverted.")).to_be_visible()

    with click.expected(3):  # load the known file of an operator
        click(page.get_by_role("link", name="Import DIDs"))
        with page.expect_file_chooser() as chooser:
            click(page.get_by_role("button", name="File", exact=True))
        chooser.value.set_files(FILE)
        for _ in range(3):
            press("Tab")
        expect(page.get_by_role("combobox", name="Operator")).to_be_focused()
        pick("DID Operator")
        press("Enter")  # uploads
        expect(page.get_by_role("button", name="Check all")).to_be_focused()
        press("Enter")
        click(page.get_by_role("button", name="Import 1 number"))
        page.wait_for_url(re.compile("/result/"))
    assert DID.objects.filter(number="441632960100").exists()

    jump("rose_orig", f"/clients/{world.client.pk}/dids/")
    with click.expected(5):  # give five numbers from the client
        click(page.get_by_role("link", name="Add DIDs"))
        click(page.get_by_label("Select 700000"))
        click(page.get_by_label("Select 700004"), modifiers=["Shift"])
        click(page.get_by_role("button", name="Assign to rose_orig"))
        click(page.get_by_role("button", name="Assign 5 numbers"))
        expect(page.get_by_text("5 numbers assigned to rose_orig under package Basic.")).to_be_visible()

    with click.expected(2 if is_phone else 1):  # block
        if is_phone:
            click(page.get_by_role("button", name="Actions for 700002"))
            click(page.get_by_role("dialog", name="Actions for 700002").get_by_role("button", name="Block"))
        else:
            click(page.get_by_role("button", name="Block 700002"))
        expect(page.get_by_text("1 number blocked.")).to_be_visible()
    assert world.did("700002").status == "blocked"
    with click.expected(1):  # … and take it back
        click(page.get_by_role("link", name="Undo", exact=True))
        expect(dialog.get_by_role("button", name="Undo for 1 number")).to_be_focused()
        press("Enter")
        expect(page.get_by_text("1 number reverted.")).to_be_visible()
    assert world.did("700002").status == "active"

    with click.expected(3 if is_phone else 2):  # who had it
        if is_phone:
            click(page.locator("summary", has_text="Sections"))
        click(page.get_by_role("link", name="Audit Log"))
        click(page.get_by_role("link", name="Who had it"))
        expect(page.get_by_role("textbox", name="Numbers")).to_be_focused()
        write("700004")
        press("Tab")
        press("Enter")
        expect(page.get_by_role("heading", name="All holders of 700004")).to_be_visible()
    expect(page.get_by_role("region", name="Who had each number")).to_contain_text("Rose Orig")

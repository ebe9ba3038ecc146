"""Step 2 of an import with mouse and keyboard, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from dids.models import DID
from jobs.models import Job
from tests.world import make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
FILE = {
    "name": "numbers.csv",
    "mimeType": "text/csv",
    "buffer": b"DID,Other,Operator\n441632960100,100,DID Operator\n44163296028-9,101,DID Operator\n",
}


@pytest.fixture
def step_1(page, live_server):
    make_world()
    page.context.add_cookies([session_cookie(member("Administrator"), live_server.url)])
    page.goto("/dids/import/")
    page.get_by_role("button", name="File", exact=True).set_input_files(FILE)
    return page


@pytest.fixture
def step_2(step_1):
    step_1.get_by_role("button", name="Upload and choose columns").click()
    step_1.wait_for_url(re.compile("/columns/"))
    return step_1


def test_a_field_moves_to_the_column_that_is_given_it_and_back_by_the_layout(step_2):
    columns = [step_2.locator(f"[name=column{index}]") for index in range(3)]

    columns[1].select_option("number")
    expect(columns[0]).to_have_value("")
    expect(columns[1]).to_have_value("number")

    step_2.get_by_label("Layout").select_option("Twilio")
    expect(
        step_2.get_by_text("No column of this file has the name of the DID in lists of Twilio.")
    ).to_be_visible()
    expect(step_2.get_by_label("Layout")).to_have_value("content")


def test_a_field_changed_while_proposals_are_applied_is_kept_and_so_are_they(step_1):
    statuses = b"DID,Status,After\n441632960100,free,free\n441632960101,parked,free\n"
    step_1.get_by_role("button", name="File", exact=True).set_input_files(FILE | {"buffer": statuses})
    step_1.get_by_role("button", name="Upload and choose columns").click()
    step_1.wait_for_url(re.compile("/columns/"))
    step_1.locator("[name=column1]").select_option("status")
    free, parked = (step_1.locator(f"[name='status={text}']") for text in ("free", "parked"))
    expect(free).to_have_value("?instock")
    held = []
    step_1.route("**/columns/", lambda route: held.append(route), times=1)

    with step_1.expect_request("**/columns/"):
        step_1.get_by_role("button", name="Use the proposals").click()
    parked.focus()
    parked.select_option("archive")

    expect(free).to_have_value("instock")
    expect(parked).to_have_value("archive")
    assert len(held) == 1  # it was replaced, not answered


def test_a_column_changed_while_a_layout_is_applied_is_kept(step_2):
    held = []
    step_2.route("**/columns/", lambda route: held.append(route))

    with step_2.expect_request("**/columns/"):
        step_2.get_by_label("Layout").select_option("Twilio")
    with step_2.expect_request("**/columns/"):
        step_2.locator("[name=column1]").select_option("notes")
    for route in held:
        route.continue_()

    expect(
        step_2.get_by_text("No column of this file has the name of the DID in lists of Twilio.")
    ).to_be_visible()
    expect(step_2.locator("[name=column1]")).to_have_value("notes")


def test_double_clicks_upload_check_and_import_once(step_1):
    step_1.get_by_role("button", name="Upload and choose columns").dblclick()
    step_1.wait_for_url(re.compile("/columns/"))
    step_1.get_by_role("button", name="Check all").dblclick()
    step_1.wait_for_url(re.compile("/check/"))
    step_1.reload()
    step_1.go_back()
    expect(step_1.get_by_label("Layout")).to_be_visible()
    step_1.go_forward()
    step_1.get_by_role("button", name="Import 1 number").dblclick()
    step_1.wait_for_url(re.compile("/result/"))

    assert Job.objects.count() == 1
    assert DID.objects.filter(number__startswith="441632960").count() == 1

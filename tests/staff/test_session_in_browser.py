"""The session ends in the middle of work: the page asks to sign in again and goes on, in a real browser."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from clients.models import Client
from dids.models import DID
from jobs.models import Job
from staff.models import User
from tests.world import PASSWORD, make_world, member, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
FILE = {"name": "n.csv", "mimeType": "text/csv", "buffer": b"DID,Operator\n44163296028-9,DID Operator\n"}


@pytest.fixture
def world(transactional_db):
    return make_world()


@pytest.fixture
def piotr(page_of, world):
    return page_of(member("Supervisor", username="piotr"))


def end_session():
    Session.objects.all().delete()


def dialog(page):
    return page.get_by_role("dialog", name="Sign in to continue")


def sign_in(page, goes_on):
    expect(dialog(page).get_by_label("Password")).to_be_focused()
    dialog(page).get_by_label("Password").fill(PASSWORD)
    dialog(page).get_by_role("button", name=goes_on).click()
    expect(dialog(page)).not_to_be_visible()


def test_typed_numbers_stay_on_the_page_and_are_created_after_the_password(piotr, world):
    page = piotr
    page.goto("/dids/new/")
    numbers = page.locator("textarea[name=numbers]")
    typed = " ".join(str(number) for number in range(4940600000, 4940610000, 2))
    numbers.evaluate(
        "(e, text) => { e.value = text; e.dispatchEvent(new Event('input', {bubbles: true})); }", typed
    )
    page.locator("select[name=operator]").evaluate(
        "(e, pk) => { e.add(new Option('x', pk, true, true)); }", str(world.operator.pk)
    )
    expect(page.get_by_role("button", name="Create 5,000 DIDs")).to_be_visible()
    end_session()
    page.get_by_role("button", name="Create 5,000 DIDs").click()

    expect(dialog(page).get_by_label("User name")).to_have_value("piotr")
    assert not dialog(page).get_by_label("User name").is_editable()
    dialog(page).get_by_label("Password").fill("guess")
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_text("Wrong user name or password")).to_be_visible()
    expect(dialog(page).get_by_label("Password")).to_be_focused()
    dialog(page).get_by_role("button", name="Back to the page").click()
    expect(numbers).to_have_value(typed)

    page.get_by_role("button", name="Create 5,000 DIDs").click()
    sign_in(page, "Sign in and create 5,000 DIDs")
    page.wait_for_url(re.compile("/jobs/"))


def test_a_selection_its_mass_edit_and_an_edit_survive_an_ended_session(piotr, world):
    page = piotr
    page.goto("/dids/?q=256")
    page.get_by_label("Select 2567", exact=True).check()
    end_session()
    page.locator("[data-selection-bar]").get_by_role("button", name="Mass Edit").click()
    sign_in(page, "Sign in and continue")
    form = page.get_by_role("dialog", name="Mass Edit")
    form.get_by_label("Notes", exact=True).fill("Found again")
    expect(form.get_by_role("button", name="Update 1 number")).to_be_enabled()
    end_session()
    form.get_by_role("button", name="Update 1 number").click()
    sign_in(page, "Sign in and update 1 number")
    expect(page.get_by_text("1 number changed.")).to_be_visible()
    assert "q=256" in page.url and world.did("2567").notes == "Found again"

    page.goto(f"/dids/{world.did('2567').pk}/")
    page.keyboard.press("e")
    page.get_by_label("Notes").fill("Edited")
    end_session()
    page.get_by_role("button", name="Save settings").click()
    sign_in(page, "Sign in and save settings")
    expect(page.get_by_text("2567 saved.")).to_be_visible()
    assert world.did("2567").notes == "Edited"


def test_an_upload_and_a_mapping_survive_an_ended_session(piotr):
    page = piotr
    page.goto("/dids/import/")
    page.get_by_role("button", name="File", exact=True).set_input_files(FILE)
    end_session()
    page.get_by_role("button", name="Upload and choose columns").click()
    sign_in(page, "Sign in and upload and choose columns")
    page.wait_for_url(re.compile("/columns/"))

    end_session()
    page.get_by_label("Expand to 2 numbers").check()
    sign_in(page, "Sign in and continue")
    expect(page.locator(".question:not(.is-done)")).to_have_count(0)
    end_session()
    page.get_by_role("button", name="Check all").click()
    sign_in(page, re.compile("^Sign in and check all"))
    page.wait_for_url(re.compile("/check/"))


def test_a_page_of_one_user_sends_nothing_once_another_has_signed_in(piotr, live_server):
    page = piotr
    page.goto("/clients/")
    page.get_by_role("link", name="New Client").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Lily")
    clara = member("Supervisor", username="clara")
    page.context.add_cookies([session_cookie(clara, live_server.url)])
    page.get_by_role("dialog", name="New Client").get_by_role("button", name="OK").click()

    expect(
        page.get_by_text("You are now clara; this page belongs to piotr. Nothing was sent.")
    ).to_be_visible()
    page.get_by_role("button", name="Back to the page").click()
    expect(page.get_by_role("dialog").get_by_label("Name")).to_have_value("Lily")
    assert not Client.objects.filter(name="Lily").exists() and DID.objects.exists()


def test_a_search_goes_on_over_the_page_after_the_password(piotr, world):
    page = piotr
    page.goto("/packages/")
    end_session()
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search or jump to")
    sign_in(page, "Sign in and continue")
    box.press_sequentially("ros")
    expect(page.locator(".find-hit.is-active")).to_contain_text("Rose Orig")
    expect(box).to_have_value("ros")
    end_session()
    box.press_sequentially("e")
    sign_in(page, "Sign in and continue")
    expect(box).to_have_value("rose")
    expect(page.locator(".find-hit.is-active")).to_contain_text("Rose Orig")


def test_progress_that_stands_still_asks_once_and_moves_again_after_the_password(piotr, live_server):
    owner = User.objects.get(username="piotr")
    job = Job.objects.create(kind="export", owner=owner, state=Job.State.QUEUED, total=100)
    page = piotr
    page.goto(f"/jobs/{job.pk}/")
    end_session()
    dialog(page).get_by_role("button", name="Back to the page").click()
    expect(
        page.get_by_text("Progress on this page no longer updates: the session has ended.")
    ).to_be_visible()
    with page.expect_response(re.compile("/progress/")):
        pass
    expect(dialog(page)).not_to_be_visible()

    page.context.add_cookies([session_cookie(owner, live_server.url)])
    page.goto("/jobs/")
    end_session()
    sign_in(page, "Sign in and continue")
    Job.objects.update(state=Job.State.RUNNING, done=40)
    expect(page.locator(".job-state")).to_contain_text("Running · 40 %")

"""Undo on the screens: offered after an action, previewed, run at once or as a job, and redone."""

import re

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

import audit
from audit import SYSTEM
from audit.models import Change
from clients.classes import CLASSES
from clients.models import Package
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.models import DID
from jobs.models import SMALL, Job
from tests.carrier import person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
MANY = [str(n) for n in range(700_000, 700_000 + SMALL + 100)]


def edited(*numbers, **fields):
    """Edit these numbers and return the id of the change."""
    dids = DID.objects.filter(number__in=numbers)
    return dids.edit(by=SYSTEM, kind="mass_edit", label="Mass edit", **fields or {"notes": "all"}).change


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


def offered(answer):
    """Return (URL, text) of the links next to the messages."""
    notices = answer.content.decode().partition('class="notices"')[2].partition("</main>")[0]
    return re.findall(
        r'<a href="(/audit/\d+/undo/)" hx-get="\1" hx-target="#dialog-slot">(\w+)</a>\s*</p>', notices
    )


def undo(client, pk, **sent):
    return client.post(f"/audit/{pk}/undo/", {"step": "apply"} | sent, follow=True)


@pytest.fixture
def supervisor_client(supervisor):
    return client_of(supervisor)


def test_the_dialog_says_what_will_be_reverted_and_what_will_be_refused(world, supervisor_client):
    pk = edited("111", "112", "113")
    DID.objects.filter(number="113").edit(by=SYSTEM, notes="mine")
    page = supervisor_client.get(f"/audit/{pk}/undo/").content.decode()
    assert "Undo this change?" in page and "<b>2 numbers</b> will be reverted." in page
    assert re.search(r"<b>1</b> number: changed again by a later change;[^<]*<span[^<]*113", page)
    assert "Undo for 2 numbers" in page
    assert world.did("111").notes == "all"


def test_an_undo_reports_its_result_and_offers_the_redo(world, supervisor_client):
    pk = edited("111", "112")
    answer = undo(supervisor_client, pk)
    assert answer.redirect_chain == [("/dids/", 302)]
    back = Change.objects.latest("pk")
    assert (messages_of(answer), offered(answer)) == (
        ["2 numbers reverted."],
        [(f"/audit/{back.pk}/undo/", "Redo")],
    )
    assert (back.actor.username, back.source) == ("supervisor", f"/audit/{pk}/undo/")
    assert world.did("111").notes == ""
    assert "Redo this change?" in supervisor_client.get(f"/audit/{back.pk}/undo/").content.decode()
    assert [word for _, word in offered(undo(supervisor_client, back.pk))] == ["Undo"]
    assert (world.did("111").notes, Change.objects.latest("pk").label) == ("all", "Redo of Mass edit")


def test_an_undo_submitted_twice_is_done_once(world, supervisor_client):
    pk = edited("111")
    undo(supervisor_client, pk)
    rows = Change.objects.count()
    assert messages_of(undo(supervisor_client, pk)) == ["Nothing reverted, 1 already reverted."]
    assert Change.objects.count() == rows
    page = supervisor_client.get(f"/audit/{pk}/undo/").content.decode()
    assert "Nothing will be reverted." in page and "1 is already reverted." in page
    assert 'value="apply"' not in page


def test_a_mass_edit_and_a_delete_offer_their_undo_to_users_with_permission(world, supervisor_client, clerk):
    ids = [world.did("111").pk]
    sent = {"ids": ids, "step": "apply", "change_notes": "on", "notes": "seen"}
    answer = supervisor_client.post("/dids/mass-edit/", sent, follow=True)
    assert offered(answer) == [(f"/audit/{Change.objects.latest('pk').pk}/undo/", "Undo")]
    answer = supervisor_client.post("/dids/delete/", {"ids": ids, "step": "apply"}, follow=True)
    assert offered(answer) == [(f"/audit/{Change.objects.latest('pk').pk}/undo/", "Undo")]
    undo(supervisor_client, Change.objects.latest("pk").pk)
    assert world.did("111").notes == "seen"
    answer = client_of(clerk).post("/dids/mass-edit/", sent | {"notes": "clerk"}, follow=True)
    assert (messages_of(answer), offered(answer)) == (["1 number changed."], [])


def test_every_success_that_can_be_undone_offers_it(world, administrator):
    browser, given = client_of(administrator), f"/client-packages/{world.client_package.pk}"
    number = {"numbers": "900", "operator": world.operator.pk, "status": "instock", "after_hold": "instock"}
    blocked = {"scope": "ids", "ids": world.did("2567").pk}
    spare = {"package": Package.objects.create(reseller=world.reseller, name="Spare", did_limit=1).pk}
    for url, data in [
        ("/dids/new/", number),
        (f"/dids/{world.did('111').pk}/", {"notes": "edited"}),
        (f"/clients/{world.client.pk}/dids/block/", blocked),
        (f"{given}/deactivate/", {"step": "apply"}),
        (f"{given}/activate/", {}),
        (f"{given}/end/", {"ends_at": "2099-03-01T12:00"}),
        (f"/clients/{world.client.pk}/give/", spare | {"starts_at": "2026-01-01T12:00"}),
        ("/operators/new/", {"name": "Fresh", "reseller": world.reseller.pk}),
        ("/clients/new/", {"name": "Fresh", "reseller": world.reseller.pk}),
        (
            f"/packages/{world.package.pk}/edit/",
            {"name": "Basic", "did_limit": "9", "reseller": world.reseller.pk, "allowed_classes": [*CLASSES]},
        ),
        (f"/packages/{world.package.pk}/archive/", {"step": "apply"}),
        (f"/packages/{world.package.pk}/restore/", {}),
        (f"/clients/{world.client.pk}/close/", {"step": "apply"}),
        (f"/clients/{world.client.pk}/reopen/", {}),
    ]:
        before = Change.objects.latest("pk").pk
        answer = browser.post(url, data, follow=True)
        newest = Change.objects.latest("pk").pk
        assert newest > before, (url, answer.status_code)
        assert offered(answer) == [(f"/audit/{newest}/undo/", "Undo")], url


def test_what_changed_nothing_offers_no_undo(world, supervisor_client):
    sent = {"ids": [world.did("2567").pk], "step": "apply", "change_status": "on", "status": "instock"}
    answer = supervisor_client.post("/dids/mass-edit/", sent, follow=True)
    assert (messages_of(answer)[0][:18], offered(answer)) == ("No number changed.", [])


def test_a_pruning_cannot_be_undone(world, supervisor_client):
    with audit.change("prune", by=SYSTEM, label="Old history") as change:
        change.touched = 1
    page = supervisor_client.get(f"/audit/{change.pk}/undo/").content.decode()
    assert "Deleted history can’t be restored" in page and 'value="apply"' not in page
    assert "Deleted history" in undo(supervisor_client, change.pk).content.decode()
    assert supervisor_client.get("/audit/999999/undo/").status_code == 404


def test_a_bound_user_undoes_the_rows_of_their_reseller(world, owner, stranger):
    pk = edited("111", "3333")
    page = client_of(owner).get(f"/audit/{pk}/undo/").content.decode()
    assert "<b>1 number</b> will be reverted." in page and "3333" not in page
    undo(client_of(owner), pk)
    assert (world.did("111").notes, world.did("3333").notes) == ("", "all")
    mine = Change.objects.latest("pk")
    assert client_of(stranger).get(f"/audit/{mine.pk}/undo/").status_code == 404
    assert undo(client_of(stranger), mine.pk).status_code == 404


@pytest.fixture
def many(world):
    DID.objects.create_numbers(MANY, operator=world.operator, by=SYSTEM)
    return edited(*MANY)


def test_a_large_undo_is_a_job(world, supervisor_client, many):
    answer = undo(supervisor_client, many)
    job = Job.objects.get(kind="undo")
    assert answer.redirect_chain == [(job.get_absolute_url(), 302)]
    assert (job.total, job.label) == (len(MANY), "Undo of Mass edit")
    again = supervisor_client.get(f"/audit/{many}/undo/")
    assert b"runs in the background" in again.content
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.summary) == (Job.State.DONE, "2,100 numbers reverted.")
    page = supervisor_client.get(job.get_absolute_url()).content.decode()
    assert f'href="/audit/{job.change_id}/undo/"' in page and re.search(r"Redo\s*</a>", page)
    assert b"Its job is still" not in supervisor_client.get(f"/audit/{job.change_id}/undo/").content


def test_the_dialog_requests_a_large_preview_itself(supervisor_client, many):
    htmx = {"HTTP_HX_REQUEST": "true"}
    first = supervisor_client.get(f"/audit/{many}/undo/", **htmx).content.decode()
    assert "Checking 2,100 history rows" in first and f'hx-get="/audit/{many}/undo/?preview=1"' in first
    assert (
        "Undo for 2,100 numbers"
        in supervisor_client.get(f"/audit/{many}/undo/?preview=1", **htmx).content.decode()
    )


def test_a_job_fails_when_its_owner_loses_the_permission(world, many, monkeypatch):
    monkeypatch.setattr("dids.history.undo.undo.CHUNK", 500)
    anna = person("anna", "audit.undo_change")
    job = submit_undo(Undo(Change.objects.get(pk=many), by=anna))
    stops = iter([False, False, True])
    claimed = Job.objects.claim("here")
    claimed.run("here", lambda: next(stops))
    anna.user_permissions.clear()
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.FAILED, 1_000)
    assert "You no longer have permission to undo changes" in job.sentence
    assert DID.objects.filter(notes="all").count() == len(MANY) - 1_000
    assert job.change.touched == 1_000
    # Another undo of the same change reverts the rest.
    remaining = Undo(Change.objects.get(pk=many), by=SYSTEM).run()
    assert (remaining.done, remaining.unchanged) == (len(MANY) - 1_000, 1_000)


def test_a_cancelled_undo_keeps_what_it_did_and_can_continue(world, many, monkeypatch, supervisor):
    monkeypatch.setattr("dids.history.undo.undo.CHUNK", 500)
    job = submit_undo(Undo(Change.objects.get(pk=many), by=supervisor))
    claimed = Job.objects.claim("here")

    def cancelled_after_a_chunk():
        if Job.objects.get(pk=job.pk).done:
            job.request_cancel()
        return False

    claimed.run("here", cancelled_after_a_chunk)
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.CANCELLED, 500)
    assert job.retry()
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.summary) == (Job.State.DONE, "2,100 numbers reverted.")
    assert not DID.objects.filter(notes="all").exists()


def test_a_change_cannot_be_undone_while_its_job_runs(world, supervisor_client, many):
    change = Change.objects.get(pk=many)
    job = Job.objects.create(
        kind="edit", owner=member("Clerk"), change=change, state=Job.State.RUNNING, params={"ids": []}
    )
    assert b"Its job is still running" in supervisor_client.get(f"/audit/{many}/undo/").content
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    assert b"Its job is still running" not in supervisor_client.get(f"/audit/{many}/undo/").content


def mass_edit_six(page):
    """Write notes to the numbers 111 to 116."""
    page.goto("/dids/?q=111-116")
    page.get_by_label("Select every row of this page").check()
    page.locator("[data-selection-bar]").get_by_role("button", name="Mass Edit").click()
    dialog = page.get_by_role("dialog", name="Mass Edit")
    dialog.get_by_label("Notes", exact=True).fill("all of them")
    dialog.get_by_role("button", name="Update 6 numbers").click()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_mass_edit_is_undone_and_redone_in_the_browser(world, page_of):
    page = page_of(member("Supervisor"))
    mass_edit_six(page)
    expect(page.get_by_text("6 numbers changed. Undo")).to_be_visible()
    for word, then, notes in (("Undo", "Redo", ""), ("Redo", "Undo", "all of them"), ("Undo", "Redo", "")):
        page.locator(".notices").get_by_role("link", name=word).click()
        dialog = page.get_by_role("dialog", name=f"{word} this change?")
        expect(dialog.get_by_text("6 numbers will be reverted.")).to_be_visible()
        dialog.get_by_role("button", name=f"{word} for 6 numbers").click()
        expect(page.get_by_text(f"6 numbers reverted. {then}")).to_be_visible()
        assert "q=111-116" in page.url
        assert set(DID.objects.filter(number__in=range(111, 117)).values_list("notes", flat=True)) == {notes}


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_mass_edit_is_found_in_the_audit_log_undone_and_redone(world, page_of):
    page = page_of(member("Supervisor"))
    mass_edit_six(page)
    expect(page.get_by_text("6 numbers changed.")).to_be_visible()
    page.get_by_role("link", name="Audit log").click()
    page.get_by_role("link", name="Mass edit").first.click()
    expect(page.get_by_role("cell", name="all of them")).to_have_count(6)

    for word, notes, undone in (
        ("Undo", "", "Undo of Mass edit"),
        ("Redo", "all of them", "Redo of Mass edit"),
    ):
        page.locator(".page-head").get_by_role("link", name=word).click()
        dialog = page.get_by_role("dialog", name=f"{word} this change?")
        dialog.get_by_role("button", name=f"{word} for 6 numbers").click()
        expect(page.get_by_text("6 numbers reverted.")).to_be_visible()
        assert set(DID.objects.filter(number__in=range(111, 117)).values_list("notes", flat=True)) == {notes}
        page.locator(".change-facts").get_by_role("link", name=undone).click()
        expect(page.get_by_role("heading", name=undone)).to_be_visible()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_large_undo_is_previewed_in_its_dialog(world, page_of):
    DID.objects.create_numbers(MANY, operator=world.operator, by=SYSTEM)
    user = member("Supervisor")
    job = submit_undo(Undo(Change.objects.get(pk=edited(*MANY)), by=user))
    call_command("worker", "--once")
    page = page_of(user)
    page.goto(job.get_absolute_url())
    page.get_by_role("link", name="Redo").click()
    dialog = page.get_by_role("dialog", name="Redo this change?")
    dialog.get_by_role("button", name="Redo for 2,100 numbers").click()
    expect(page.get_by_role("heading", name="Redo of Mass edit")).to_be_visible()

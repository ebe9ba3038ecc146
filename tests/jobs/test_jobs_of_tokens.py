"""A job that a program submits runs with the rights of its token, which its owner may have more of."""

import pytest

from audit.models import Change
from didmgmt.listing import Selection
from dids.history.explain import explain
from dids.job_kinds import submit_delete, submit_edit
from dids.labels import change_label
from dids.models import DID
from events.models import Endpoint, Event
from jobs.models import Job
from staff import tokens
from staff.models import User
from tests.imports import imported, refusals
from tests.jobs.test_jobs import run_chunks, work
from tests.staff.test_tokens import ADDRESS, issue
from tests.world import client_of

pytestmark = pytest.mark.django_db


def holder(owner, levels="dids:write jobs:read", **fields):
    """Return (token, the user who acts by it)."""
    token, header = issue(owner, levels, **fields)
    return token, tokens.user_of(header, ADDRESS)


def everything(user):
    """Return all numbers that a user may see as a selection."""
    selection = Selection(DID.objects.none(), "all")
    selection.queryset = DID.objects.visible_to(user)
    selection.count = selection.queryset.count()
    return selection


def edit(user, notes="By a program"):
    return submit_edit(user, everything(user), {"notes": notes})


def test_a_job_of_a_token_writes_the_numbers_of_the_tokens_reseller_alone(world, supervisor):
    _, user = holder(supervisor, reseller=world.reseller_2)
    job = edit(user)
    DID.objects.filter(number="12568").update(operator=world.operator_2)
    DID.objects.filter(number="3333").update(operator=world.operator)
    assert work(job).state == Job.State.DONE
    assert list(DID.objects.filter(notes="By a program").values_list("number", flat=True)) == ["12568"]


def test_a_job_of_a_token_has_no_right_that_only_its_owner_has(world, supervisor):
    _, user = holder(supervisor)
    assert supervisor.has_perm("dids.delete_did")
    count = DID.objects.count()
    job = work(submit_delete(user, everything(user)))
    assert DID.objects.count() == count and "you don’t have the right to delete numbers" in job.sentence


def test_what_a_job_of_a_token_did_names_the_token_on_every_page(world, supervisor):
    token, user = holder(supervisor)
    job = work(edit(user))
    change = Change.objects.get(pk=job.change_id)
    assert (change.actor_kind, change.actor, change.data["token"]) == ("token", supervisor, token.pk)
    assert (job.token, job.owner, job.actor.token) == (token, supervisor, token)
    by = "billing-sync, token of supervisor"
    assert job.requested_by == change.who == by and change_label(change).endswith(f"by {by}")
    browser = client_of(supervisor)
    did = world.did("111")
    for url in (
        "/audit/?by=token",
        f"/audit/?person={supervisor.pk}",
        f"/audit/{change.pk}/",
        f"/dids/{did.pk}/",
        f"/jobs/{job.pk}/",
        "/jobs/",
    ):
        assert by in browser.get(url).content.decode(), url
    assert by not in browser.get("/audit/?by=person").content.decode()


def test_a_number_says_that_a_token_moved_it(world, supervisor):
    _, user = holder(supervisor)
    DID.objects.filter(number="111").edit(by=user, status="archive")
    found = list(DID.objects.filter(number="111").for_table())
    assert "because billing-sync, token of supervisor, archived it" in explain(found, supervisor)[found[0].pk]


def test_a_job_whose_token_is_revoked_ends_with_a_sentence_and_without_a_write(world, supervisor):
    token, user = holder(supervisor)
    job = edit(user)
    token.revoke(by=supervisor)
    assert work(job).state == Job.State.FAILED
    assert job.sentence.startswith(
        "The token “billing-sync” was revoked. Create another one. The job ran with its rights."
    )
    assert not DID.objects.filter(notes="By a program").exists()
    assert client_of(supervisor).get(f"/jobs/{job.pk}/").status_code == 200
    assert job.retry() and work(job).state == Job.State.FAILED


def test_a_job_whose_token_is_revoked_while_it_runs_keeps_what_it_has_done(world, supervisor, monkeypatch):
    monkeypatch.setattr("dids.job_kinds.CHUNK", 5)
    token, user = holder(supervisor)
    job = edit(user)
    run_chunks(job, 1, then=lambda: token.revoke(by=supervisor))
    assert work(job).state == Job.State.FAILED
    assert DID.objects.filter(notes="By a program").count() == job.done == 5


def test_a_right_that_the_owner_loses_stops_a_job_of_its_token(world, supervisor):
    _, user = holder(supervisor)
    job = edit(user)
    supervisor.groups.clear()
    work(job)
    assert not DID.objects.filter(notes="By a program").exists()


def test_a_token_sees_the_jobs_that_it_has_submitted(world, supervisor):
    _, user = holder(supervisor)
    _, other = holder(supervisor, name="other")
    own, of_owner = edit(user), edit(User.objects.get(pk=supervisor.pk))
    assert list(Job.objects.visible_to(user)) == [own]
    assert not Job.objects.visible_to(other).exists()
    assert set(Job.objects.visible_to(supervisor)) == {own, of_owner}


def test_an_import_of_a_token_creates_what_the_token_may(world, supervisor):
    _, user = holder(supervisor, "dids:write operators:read", reseller=world.reseller_2)
    text = "number;operator\n442079460000;DID Operator\n442079460001;DID Operator 2\n"
    done = imported(text, user)
    assert list(DID.objects.filter(number__startswith="4420").values_list("number", flat=True)) == [
        "442079460001"
    ]
    assert len(refusals(done)) == 1 and Change.objects.latest("pk").actor_name == "billing-sync"


def test_the_reseller_of_a_token_is_told_that_its_job_failed(world, supervisor):
    for reseller in (world.reseller, world.reseller_2):
        Endpoint.objects.create(url="https://receiver.example/", types=["job.failed"], reseller=reseller)
    token, user = holder(supervisor, reseller=world.reseller_2)
    job = edit(user)
    token.revoke(by=supervisor)
    work(job)
    event = Event.objects.get(type="job.failed")
    assert event.reseller_id == world.reseller_2.pk and "billing-sync, token of supervisor" in event.body

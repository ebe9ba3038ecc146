"""Background jobs: queued on screens, run by workers, cancelled and continued."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from dids.models import DID, DIDHistory
from dids.models.staging import ImportRow
from jobs import kinds
from jobs.models import ATTEMPTS, SMALL, Job, WorkerBeat
from tests.imports import imported, staged
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

FIRST, COUNT = 700_000, 12_000  # three chunks


@pytest.fixture
def browser(world):
    return client_of(member("Supervisor"))


def queue_numbers(browser, world, count=COUNT, **fields):
    """Return the job, queued by the form, that creates ``count`` numbers from FIRST on."""
    sent = {
        "numbers": f"{FIRST}-{FIRST + count - 1}",
        "operator": world.operator.pk,
        "status": "instock",
        "after_hold": "instock",
    }
    answer = browser.post("/dids/new/", sent | fields)
    assert answer.status_code == 302
    job = Job.objects.get()
    assert answer.url == f"/jobs/{job.pk}/"
    return job


def created():
    return DID.objects.filter(number__range=(str(FIRST), str(FIRST + COUNT - 1)))


def create_numbers(world, count=COUNT, **fields):
    numbers = [str(FIRST + n) for n in range(count)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM, **fields)


def work(job=None):
    call_command("worker", "--once")
    if job:
        job.refresh_from_db()
        return job
    return Job.objects.get()


def run_chunks(job, chunks, then=lambda: None):
    """Run ``chunks`` chunks of ``job``, call ``then`` and stop the worker."""
    done = []

    def stop():
        if len(done) == chunks:
            then()
            return True
        done.append(1)
        return False

    Job.objects.claim("w").run("w", stop)
    job.refresh_from_db()


# --- queueing ---------------------------------------------------------------------------------------


def test_few_numbers_are_created_at_once_without_a_job(world, browser):
    numbers = f"{FIRST}-{FIRST + SMALL - 1}"
    fields = {"operator": world.operator.pk, "status": "instock", "after_hold": "instock"}
    browser.post("/dids/new/", fields | {"numbers": numbers})
    assert (created().count(), Job.objects.count()) == (SMALL, 0)


def test_many_numbers_are_created_by_a_worker_as_one_change(world, browser):
    job = queue_numbers(browser, world, tags="gold, vip", notes="block A", hold_days="7")
    assert not created().exists()
    assert "No worker is running." in browser.get(f"/jobs/{job.pk}/").text
    WorkerBeat.beat("w")
    assert "Waiting for a worker" in browser.get(f"/jobs/{job.pk}/").text

    work(job)

    assert (job.state, job.done, job.total) == (Job.State.DONE, COUNT, COUNT)
    assert created().filter(notes="block A", hold_days=7, tag_set__label="gold, vip").count() == COUNT
    assert job.change.touched == COUNT
    assert (job.change.actor, job.change.kind, job.change.source) == (job.owner, "create", f"job {job.pk}")
    assert DIDHistory.objects.filter(change=job.change, event="+").count() == COUNT
    page = browser.get(f"/jobs/{job.pk}/").text
    assert "12,000 numbers created." in page
    assert "12,000 numbers created." in browser.get("/jobs/").text
    assert f'href="/dids/?change={job.change_id}"' in page


def test_numbers_that_exist_are_left_alone_and_named(world, browser):
    create_numbers(world, 3, notes="mine")
    job = work(queue_numbers(browser, world))
    assert created().filter(notes="mine").count() == 3
    assert "11,997 numbers created. 3 refused (700000, 700001, 700002): already exist" in job.sentence


def test_scattered_numbers_are_all_created(world, browser):
    wanted = [str(FIRST + 3 * n) for n in range(SMALL + 1)]
    queue_numbers(browser, world, numbers="\n".join(wanted))
    work()
    assert sorted(DID.objects.filter(number__in=wanted).values_list("number", flat=True)) == wanted


def edit_all(browser, query, expected, **fields):
    data = {"scope": "all", "query": query, "expected": expected, "step": "apply"}
    return browser.post("/dids/mass-edit/", data | fields)


def test_a_mass_edit_job_reports_what_was_changed_and_what_was_refused(world, browser):
    create_numbers(world)
    everything = DID.objects.count()

    answer = edit_all(browser, "", everything, change_status="on", status="reserved")
    job = work()

    assert answer.url == f"/jobs/{job.pk}/"
    assert created().filter(status="reserved").count() == COUNT
    # Two more were In Stock, one was in the Archive and the Hold of one had ended.
    assert job.summary.startswith("12,004 numbers changed, 7 unchanged. 1 refused (2567): Active, in use by")
    assert "1 refused (2568): Blocked" in job.summary
    assert job.done == everything
    assert job.change.kind == Change.Kind.MASS_EDIT
    assert DIDHistory.objects.filter(change=job.change, event="~").count() == 12_004


def test_numbers_created_after_the_selection_are_not_edited(world, browser):
    create_numbers(world)
    edit_all(browser, "status=instock", COUNT + 2, change_notes="on", notes="seen")
    DID.objects.create_numbers(["99999999"], operator=world.operator, by=SYSTEM)
    job = work()
    assert world.did("99999999").notes == ""
    assert job.result["done"] == COUNT + 2


def test_only_ticked_numbers_are_changed(world, browser):
    create_numbers(world)
    ids = list(created().order_by("pk").values_list("pk", flat=True)[: SMALL + 1])
    sent = {"scope": "ids", "ids": ",".join(map(str, ids)), "step": "apply"}
    browser.post("/dids/mass-edit/", sent | {"change_notes": "on", "notes": "seen"})
    work()
    assert set(DID.objects.filter(notes="seen").values_list("pk", flat=True)) == set(ids)


def test_many_numbers_are_deleted_once_their_count_is_typed(world, browser):
    create_numbers(world)
    data = {"scope": "all", "query": f"q={FIRST}-{FIRST + COUNT - 1}", "expected": COUNT, "step": "apply"}
    assert browser.post("/dids/delete/", data).status_code == 422
    assert not Job.objects.exists()

    browser.post("/dids/delete/", data | {"typed_count": "12,000"})
    job = work()

    assert not created().exists()
    assert job.summary == "12,000 numbers deleted."
    assert DIDHistory.objects.filter(change=job.change, event="-").count() == COUNT


def test_a_filter_that_became_invalid_ends_the_job_with_a_sentence(world, browser):
    create_numbers(world)
    edit_all(browser, f"operator={world.operator.pk}", COUNT + 12, change_notes="on", notes="seen")
    job = Job.objects.get()
    job.params["query"] = "operator=999999"
    job.save()
    work(job)
    assert job.state == Job.State.FAILED
    assert "Search and select again." in browser.get(f"/jobs/{job.pk}/").text
    assert not DID.objects.filter(notes="seen").exists()


def test_a_job_needs_the_permissions_of_its_owner_when_it_runs(world, browser):
    job = queue_numbers(browser, world)
    job.owner.groups.clear()
    work(job)
    assert job.state == Job.State.FAILED
    assert "You no longer have permission to create numbers." in job.sentence
    assert not created().exists()


# --- cancelling, continuing -------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(world, browser):
    job = queue_numbers(browser, world)
    page = browser.post(f"/jobs/{job.pk}/cancel/", follow=True).text
    work(job)
    assert job.state == Job.State.CANCELLED
    assert "cancelled. What it has already done is kept." in page
    assert not created().exists()


def test_a_running_job_is_cancelled_between_chunks_and_can_be_continued(world, browser):
    job = queue_numbers(browser, world)
    pages = []

    def cancel_after_a_chunk():
        if job.__class__.objects.get().done and not pages:
            pages.append(browser.post(f"/jobs/{job.pk}/cancel/", follow=True).text)
        return False

    Job.objects.claim("w").run("w", cancel_after_a_chunk)
    job.refresh_from_db()
    assert "stops after the current chunk" in pages[0]
    assert (job.state, job.done, created().count()) == (Job.State.CANCELLED, 5_000, 5_000)

    browser.post(f"/jobs/{job.pk}/retry/")
    work(job)

    assert (job.state, job.done, created().count()) == (Job.State.DONE, COUNT, COUNT)
    assert job.summary == "12,000 numbers created."
    assert DIDHistory.objects.filter(change=job.change).count() == COUNT == job.change.touched


def test_a_finished_job_can_be_neither_cancelled_nor_continued(world, browser):
    job = work(queue_numbers(browser, world))
    for action in ("cancel", "retry"):
        page = browser.post(f"/jobs/{job.pk}/{action}/", follow=True).text
        assert ("has already ended" if action == "cancel" else "there is nothing to continue") in page
    work(job)
    assert (job.state, DIDHistory.objects.filter(change=job.change).count()) == (Job.State.DONE, COUNT)


def test_only_its_owner_can_continue_a_job(world, browser):
    job = queue_numbers(browser, world)
    browser.post(f"/jobs/{job.pk}/cancel/")
    page = client_of(member("Administrator")).post(f"/jobs/{job.pk}/retry/", follow=True).text
    job.refresh_from_db()
    assert "Only supervisor can continue this job" in page
    assert job.state == Job.State.CANCELLED


# --- workers ----------------------------------------------------------------------------------------


def test_a_stopped_worker_leaves_the_job_to_the_next_one(world, browser):
    job = queue_numbers(browser, world)
    run_chunks(job, 1)
    assert (job.state, job.worker, job.done, created().count()) == (Job.State.QUEUED, "", 5_000, 5_000)
    work(job)
    assert (job.state, created().count()) == (Job.State.DONE, COUNT)


def test_a_claimed_job_belongs_to_its_worker_until_the_lease_expires(world, browser):
    job = queue_numbers(browser, world)
    assert Job.objects.claim("one") == job
    assert Job.objects.claim("two") is None
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert Job.objects.claim("two") == job
    assert Job.objects.get().worker == "two"


def test_a_slow_worker_leaves_its_job_to_the_worker_that_took_it_over(world, browser, caplog):
    job = queue_numbers(browser, world)
    slow = Job.objects.claim("slow")

    def taken_over_after_a_chunk():
        if created().exists():
            Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            Job.objects.claim("quick").run("quick")
        return False

    slow.run("slow", taken_over_after_a_chunk)

    job.refresh_from_db()
    assert (job.state, job.done, created().count()) == (Job.State.DONE, COUNT, COUNT)
    assert DIDHistory.objects.filter(change=job.change).count() == COUNT
    assert "failed" not in caplog.text


def test_a_worker_that_loses_its_job_during_a_chunk_rolls_the_chunk_back(world, monkeypatch):
    class SlowCreate(kinds.JobKind):
        name, label = "slow", "Slow"

        def run(self, job):
            DID.objects.create_numbers([str(FIRST)], operator=world.operator, by=SYSTEM)
            Job.objects.filter(pk=job.pk).update(worker="quick")
            job.done = 1
            yield

        def sentence(self, job):
            return ""

    monkeypatch.setitem(kinds.KINDS, "slow", SlowCreate())
    Job.objects.create(kind="slow", owner=member("Clerk"), state=Job.State.QUEUED)

    Job.objects.claim("slow").run("slow")

    assert not DID.objects.filter(number=str(FIRST)).exists()
    assert Job.objects.get().done == 0


def test_a_job_that_kills_each_worker_fails(world, browser):
    job = queue_numbers(browser, world)
    for _ in range(ATTEMPTS):
        assert Job.objects.claim("w")
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    work(job)
    assert job.state == Job.State.FAILED
    assert "The worker stopped in each of 5 attempts." in job.sentence
    browser.post(f"/jobs/{job.pk}/retry/")
    assert work(job).state == Job.State.DONE


def test_an_error_in_a_chunk_keeps_the_chunks_before_it_and_is_reported(world, browser, monkeypatch):
    class Breaks(kinds.JobKind):
        name, label = "breaks", "Breaks"

        def run(self, job):
            job.cursor, job.done = {"after": 1}, 1
            yield
            job.cursor, job.done = {"after": 2}, 2
            raise RuntimeError("a bug")

        def sentence(self, job):
            return "1 done."

    monkeypatch.setitem(kinds.KINDS, "breaks", Breaks())
    job = Job.objects.create(kind="breaks", owner=member("Clerk"), state="queued")
    work(job)
    assert (job.state, job.cursor, job.done) == (Job.State.FAILED, {"after": 1}, 1)
    assert job.sentence.startswith("An unexpected error occurred.")


def test_the_name_of_a_kind_is_unique():
    with pytest.raises(ValueError, match="edit"):
        kinds.register(kinds.KINDS["edit"])


# --- old jobs ---------------------------------------------------------------------------------------


def weeks_later(settings):
    long_ago = timezone.now() - timedelta(days=settings.JOB_FILES_DAYS + 1)
    Job.objects.update(created_at=long_ago)
    Job.objects.exclude(finished_at=None).update(finished_at=long_ago)
    call_command("worker", "--once")


def test_staged_rows_of_a_failed_check_are_deleted_and_it_starts_again(world, settings):
    settings.REQUEST_LIMIT = 3
    text, admin = "DID\n100\n101-103\n", member("Administrator")
    one = staged(text, admin, operator=world.operator, all_or_nothing=True)
    assert one.job.state == Job.State.FAILED and one.job.batches.get().rows.exists()

    call_command("worker", "--once")

    assert not one.job.batches.exists() and not ImportRow.objects.exists()
    settings.REQUEST_LIMIT = 4
    one.job.refresh_from_db()
    assert one.job.retry()
    call_command("worker", "--once")
    one.job.refresh_from_db()
    assert one.counts["created"] == 4


def test_staged_rows_of_a_finished_check_are_kept(world):
    one = staged("DID\n100\n", member("Administrator"), operator=world.operator)

    call_command("worker", "--once")

    assert one.job.batches.get().rows.count() == 1


def test_files_of_old_jobs_are_deleted_and_their_results_stay(world, browser, settings):
    one = imported("DID\n100\nnonsense\n", member("Administrator"), operator=world.operator)
    path = one.job.file.path
    weeks_later(settings)

    assert not Path(path).exists()
    assert not one.job.batches.exists()
    reader = client_of(one.job.owner)
    page = reader.get(f"/dids/import/{one.job.pk}/result/")
    assert page.context["headline"] == "1 number created"
    assert reader.get(f"/dids/import/{one.job.pk}/refused.csv").status_code == 404


def test_an_old_draft_says_that_its_file_was_deleted(world, settings):
    one = staged("DID\n100\n", member("Administrator"), operator=world.operator)
    weeks_later(settings)
    reader = client_of(one.job.owner)
    for step in ("columns", "check", "result"):
        page = reader.get(f"/dids/import/{one.job.pk}/{step}/", follow=True)
        assert "Not finished within 30 days" in page.text
    assert "Continue where it stopped" not in page.text
    assert not DID.objects.filter(number="100").exists()


def test_a_recent_job_keeps_its_files(world, browser):
    one = imported("DID\n100\n", member("Administrator"), operator=world.operator)
    Job.objects.update(created_at=timezone.now() - timedelta(days=1))
    call_command("worker", "--once")
    assert Path(one.job.file.path).exists()


# --- visibility -------------------------------------------------------------------------------------


def test_users_see_their_own_jobs_and_administrators_those_of_their_reseller(world, browser):
    owner = member("Supervisor", username="owner", reseller=world.reseller)
    job = queue_numbers(client_of(owner), world)
    sees = {
        "owner": client_of(owner),
        "a colleague": client_of(member("Supervisor", username="other", reseller=world.reseller)),
        "the reseller’s administrator": client_of(
            member("Administrator", username="boss", reseller=world.reseller)
        ),
        "another reseller’s": client_of(member("Administrator", username="far", reseller=world.reseller_2)),
        "the carrier’s": client_of(member("Administrator", username="top")),
    }
    answers = {who: client.get(f"/jobs/{job.pk}/").status_code for who, client in sees.items()}
    assert answers == {
        "owner": 200,
        "a colleague": 404,
        "the reseller’s administrator": 200,
        "another reseller’s": 404,
        "the carrier’s": 200,
    }
    listed = {who: str(job.pk) in client.get("/jobs/").text for who, client in sees.items()}
    assert listed == {who: status == 200 for who, status in answers.items()}


def test_the_progress_is_polled_until_the_job_is_finished(world, browser):
    job = queue_numbers(browser, world)
    run_chunks(job, 1)
    polled = browser.get(f"/jobs/{job.pk}/progress/", headers={"HX-Request": "true"})
    assert "5,000 of 12,000 numbers" in polled.text
    assert re.search(r'max="100" value="41"', polled.text)
    assert "every 1000ms" in polled.text
    work(job)
    finished = browser.get(f"/jobs/{job.pk}/progress/", headers={"HX-Request": "true"})
    assert finished.headers["HX-Refresh"] == "true"


def test_the_progress_is_polled_soon_and_then_less_and_less_often(world, browser):
    job = queue_numbers(browser, world)
    text, pauses = browser.get(f"/jobs/{job.pk}/").text, []
    for _ in range(7):
        address, pause = re.search(r'hx-get="(\S*/progress/\S*)"\s+hx-trigger="every (\d+)ms"', text).groups()
        pauses.append(int(pause))
        text = browser.get(address, headers={"HX-Request": "true"}).text
    assert pauses == [150, 225, 337, 505, 757, 1000, 1000]
    assert browser.get(f"/jobs/{job.pk}/progress/?after=soon").status_code == 400


def test_jobs_are_filtered_by_state_and_kind(world, browser):
    job = work(queue_numbers(browser, world))
    make = f"/jobs/{job.pk}/"
    assert make in browser.get("/jobs/?state=done&kind=create").text
    assert make not in browser.get("/jobs/?state=failed").text
    assert make not in browser.get("/jobs/?kind=delete").text
    assert "There is no job kind “nonsense”." in browser.get("/jobs/?kind=nonsense").text


def test_every_page_shows_how_many_jobs_of_the_user_are_running(world, browser):
    assert 'class="running"' not in browser.get("/dids/").text
    job = queue_numbers(browser, world)
    assert "1 running" in browser.get("/dids/").text
    assert "1 running" not in client_of(member("Administrator")).get("/dids/").text
    work(job)
    answer = browser.get("/jobs/running/").text
    assert 'class="running"' not in answer
    assert ", 1 unread" in answer  # the job’s notice, in the bell

"""Hosts that don't share their folder of files: a job waits for a worker that has its file, and says so."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

import sheets
from didmgmt.clock import database_now
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from dids.job_kinds import submit_create, submit_export
from dids.models import DID
from dids.numbering.ranges import Numbers
from jobs import files
from jobs.models import Job, WorkerBeat
from tests.carrier import carrier
from tests.imports import DEFAULTS
from tests.kills import database_url
from tests.world import client_of, member

FIRST, COUNT = 700_000, 3_000


@pytest.fixture
def here(tmp_path, settings):
    """Give this process, which stands for a web host, a folder of its own."""
    settings.VAR_DIR = tmp_path / "here"
    settings.MEDIA_ROOT = settings.VAR_DIR / "files"
    return settings.VAR_DIR


def submit(owner):
    numbers = Numbers([(str(FIRST), str(FIRST + COUNT - 1))])
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    return submit_create(owner, numbers, operator=carrier().operator, **fields)


def work_at(var_dir):
    """Let a worker of another host run what it can."""
    environment = os.environ | {"DATABASE_URL": database_url(), "VAR_DIR": str(var_dir)}
    environment |= {"DJANGO_SETTINGS_MODULE": "didmgmt.settings", "SEAL_KEY": settings.SEAL_KEY}
    command = [sys.executable, "manage.py", "worker", "--once"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db(transaction=True)
def test_a_job_waits_for_a_worker_that_has_its_file_and_says_so(here, tmp_path, client):
    owner = member("Supervisor")
    job = submit(owner)

    work_at(tmp_path / "there")

    job.refresh_from_db()
    assert (job.state, job.attempts) == (Job.State.QUEUED, 0)
    page = client_of(owner).get(f"/jobs/{job.pk}/").text
    assert "Waits for a worker that has the uploaded file." in page
    there = WorkerBeat.objects.get().worker
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["files"]) == (200, f"not shared with: {there}")

    work_at(here)

    job.refresh_from_db()
    assert (job.state, DID.objects.count()) == (Job.State.DONE, COUNT)


@pytest.mark.django_db(transaction=True)
def test_a_shared_folder_has_one_name_on_all_hosts(here, client):
    job = submit(member("Supervisor"))
    work_at(here)
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    assert client.get("/readyz").json()["files"] == "ok"


@pytest.mark.django_db
def test_a_worker_takes_a_job_whose_file_was_copied_to_its_host(here):
    job = submit(member("Supervisor"))
    Job.objects.update(folder="elsewhere")
    assert Job.objects.claim("w") is None

    call_command("worker", "--once")

    job.refresh_from_db()
    assert (job.state, job.folder) == (Job.State.DONE, files.folder())


@pytest.mark.django_db
def test_a_workbook_of_another_host_is_no_error_of_the_server(here):
    owner = member("Supervisor")
    numbers = [str(FIRST + n) for n in range(3)]
    DID.objects.create_numbers(numbers, operator=carrier().operator, by=owner)
    job = submit_export(owner, {"address": ""}, 3, "dids.xlsx")
    assert job.folder == ""
    call_command("worker", "--once")
    job.refresh_from_db()
    assert (job.state, job.folder) == (Job.State.DONE, files.folder())
    assert client_of(owner).get(f"/jobs/{job.pk}/file/").getvalue()

    moved_away(here)
    Job.objects.update(folder="elsewhere")

    answer = client_of(owner).get(f"/jobs/{job.pk}/file/")
    assert answer.status_code == 503
    assert "is not on this server. Nothing was changed." in answer.text


@pytest.mark.django_db
def test_an_import_that_is_continued_on_a_host_without_its_file_says_so_or_waits(here):
    owner, upload = member("Administrator"), SimpleUploadedFile("numbers.csv", b"DID\n700001\n")
    operator = carrier().operator
    with sheets.load(upload, upload.name) as loaded:
        one = Import.start(owner, upload, loaded, **DEFAULTS, operator=operator)
    moved_away(here)
    Job.objects.update(folder="elsewhere")

    answer = client_of(owner).get(f"/dids/import/{one.job.pk}/columns/")

    assert answer.status_code == 503
    assert "is not on this server. Nothing was changed." in answer.text
    with pytest.raises(FileNotFoundError):
        Import(Job.objects.get()).check(mapping=["number"], skip=[1], existing=KEEP, create=False)
    assert not Job.objects.claimable(database_now()).exists()


def moved_away(host):
    """Let the files of this host be on another one."""
    (host / "files" / "jobs").rename(host / "elsewhere")

"""What stays of an import in the staging tables when it has ended, in whatever way."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from dids.models.staging import ImportGroup, ImportRow
from dids.periodic import delete_old_files, delete_staged_rows
from jobs.models import Job
from tests.imports import finished, imported, staged

pytestmark = pytest.mark.django_db


def left_rows():
    return ImportRow.objects.count(), ImportGroup.objects.count()


def test_a_finished_import_without_refusals_leaves_no_staged_rows(administrator, world):
    imported("DID\n3001\n3002-3004\n", administrator, operator=world.operator)

    assert left_rows() == (0, 0)


def test_a_discarded_import_leaves_no_staged_rows(administrator, world):
    number_import = staged("DID\n3001\n", administrator, operator=world.operator)
    assert left_rows() == (1, 1)

    number_import.discard()

    assert left_rows() == (0, 0)


def test_a_draft_checked_again_has_only_the_rows_of_the_new_check(administrator, world):
    number_import = staged("DID\n3001\n3002\n", administrator, operator=world.operator)

    number_import.check(existing="leave")

    assert left_rows() == (2, 1)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_check_that_ended_early_leaves_no_staged_rows(administrator, state, world):
    number_import = staged("DID\n3001\n", administrator, operator=world.operator)
    job = number_import.job
    job.state, job.cursor = state, job.cursor | {"phase": "check"}
    job.save()

    delete_staged_rows(timezone.now())

    assert left_rows() == (0, 0)
    assert number_import.check() and finished(number_import).counts["created"] == 1


def test_an_abandoned_draft_loses_its_file_and_its_staged_rows(administrator, world):
    number_import = staged("DID\n3001\n", administrator, operator=world.operator)
    job, days = number_import.job, settings.JOB_FILES_DAYS
    delete_old_files(timezone.now())
    assert left_rows() == (1, 1)
    Job.objects.update(created_at=timezone.now() - timedelta(days=days + 1), finished_at=None)

    delete_old_files(timezone.now())

    job.refresh_from_db()
    assert (left_rows(), job.state, job.is_erased) == ((0, 0), "cancelled", True)
    assert f"Not finished within {days} days" in job.result["error"]

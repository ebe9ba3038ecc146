"""A worker that rests starts a new job at once, and ends holds and packages on time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from dids.job_kinds import submit_create
from dids.models import DID, ClientPackage
from dids.numbering.ranges import Numbers
from jobs.models import Job
from jobs.waking import look, rest


def queue_job(world, user):
    numbers = Numbers([("700000", "700009")])
    return submit_create(user, numbers, operator=world.operator, status="instock", notes="")


def rest_for_a_minute(stopped):
    try:
        return rest(60, 60, stopped)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["submit", "retry"])
def test_a_job_wakes_a_resting_worker(world, supervisor, action):
    job = None
    if action == "retry":
        job = queue_job(world, supervisor)
        job.request_cancel()
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        resting = pool.submit(rest_for_a_minute, stopped)
        time.sleep(0.5)  # the worker has looked, and rests

        job.retry() if job else queue_job(world, supervisor)

        assert resting.result(timeout=30) is True


@pytest.mark.django_db(transaction=True)
def test_a_resting_worker_goes_on_when_its_time_is_over(world):
    assert rest(0.01, 60, threading.Event()) is False


@pytest.mark.django_db
def test_a_hold_that_is_over_is_due(world):
    assert not look()[0]
    DID.objects.filter(status="hold").update(hold_until=timezone.now() - timedelta(seconds=1))
    assert look()[0]


@pytest.mark.django_db
def test_a_client_package_that_has_ended_is_due(world):
    ClientPackage.objects.filter(active=True).update(
        starts_at=timezone.now() - timedelta(days=1), ends_at=timezone.now() - timedelta(seconds=1)
    )
    assert look()[0]


@pytest.mark.django_db
def test_a_job_that_waits_for_its_next_attempt_is_not_due_before(world, supervisor):
    job = queue_job(world, supervisor)
    soon = timezone.now() + timedelta(minutes=1)
    Job.objects.filter(pk=job.pk).update(lease_until=soon)
    assert not look()[0]
    Job.objects.filter(pk=job.pk).update(lease_until=soon - timedelta(minutes=2))
    assert look()[0]

"""The worker sends events beside its jobs; what a killed one leaves is sent by the next, with the same id."""

import os
import random
import time

import pytest

from audit import SYSTEM
from dids.job_kinds import submit_create
from dids.models import DID
from dids.numbering.ranges import Numbers
from events.models import Delivery, Event, Unpublished
from jobs.models import Job
from tests.kills import Nursery, kill
from tests.receivers import receiver, wait_until
from tests.world import member

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("KILLS", "2"))
EVENTS = 8  # for each kill


@pytest.fixture
def workers(monkeypatch, tmp_path):
    monkeypatch.setenv("SEAL_LOG", str(tmp_path / "seals.log"))
    monkeypatch.setenv("WEBHOOK_HTTP", "1")
    monkeypatch.setenv("WEBHOOK_PRIVATE_NETWORKS", "127.0.0.1")
    with Nursery() as nursery:
        yield nursery


def test_workers_that_are_killed_lose_no_event(world, endpoint, workers):
    chance = random.Random(KILLS)
    with receiver() as hook:
        endpoint(hook.url)
        hook.seconds = 0.05  # kills meet events on their way
        for round_ in range(KILLS):
            worker = workers.start()
            for number in range(EVENTS):
                DID.objects.filter(number="256999").edit(by=SYSTEM, notes=f"{round_} {number}")
            before = len(hook.got)
            wait_until(lambda before=before: len(hook.got) > before)
            time.sleep(chance.uniform(0, 0.2))
            kill(worker)
        worker = workers.start()
        try:
            wait_until(lambda: not Unpublished.objects.exists())
            wait_until(lambda: not Delivery.objects.exclude(state="delivered").exists())
        finally:
            kill(worker)
        assert Event.objects.count() == KILLS * EVENTS
        assert set(hook.ids) == set(Event.objects.values_list("pk", flat=True))


def test_events_do_not_wait_for_a_job(world, endpoint, workers):
    job = submit_create(
        member("Supervisor"),
        Numbers([("700000", "899999")]),
        operator=world.operator,
        status="instock",
        notes="",
    )
    with receiver() as hook:
        endpoint(hook.url, types=["did.edited"])
        worker = workers.start()
        try:
            wait_until(lambda: Job.objects.get(pk=job.pk).done)
            DID.objects.filter(number="256999").edit(by=SYSTEM, notes="seen")
            wait_until(lambda: hook.got)
            assert not Job.objects.get(pk=job.pk).is_finished
        finally:
            kill(worker)

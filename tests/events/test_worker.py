"""The worker sends events beside its jobs; what a killed one leaves is sent by the next, with the same id."""

import os
import random
import time
from datetime import timedelta

import pytest
from django.db.models import F, Max

from audit import SYSTEM
from dids.job_kinds import submit_create
from dids.models import DID
from dids.numbering.ranges import Numbers
from events.models import Delivery, Endpoint, Event, Unpublished
from jobs.models import Job
from tests.kills import Nursery, Proxy, kill
from tests.receivers import receiver, wait_until
from tests.servers import free_port
from tests.world import member

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("KILLS", "2"))
EVENTS = 8  # for each kill
DOWN = timedelta(days=3)


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
            write_events(round_)
            before = len(hook.got)
            wait_until(lambda before=before: len(hook.got) > before)
            time.sleep(chance.uniform(0, 0.2))
            kill(worker)
        worker = workers.start()
        try:
            wait_until_all_are_delivered()
        finally:
            kill(worker)
        assert Event.objects.count() == KILLS * EVENTS
        assert set(hook.ids) == set(Event.objects.values_list("pk", flat=True))


def test_a_receiver_that_is_down_for_days_gets_each_event_when_it_is_back(world, endpoint, workers):
    """Between two workers, of which each is killed, hours pass: what they have dated is moved to the past."""
    chance, events = random.Random(KILLS), KILLS * EVENTS
    with Proxy(free_port()) as network:
        endpoint(f"http://127.0.0.1:{network.port}/hook")
        for round_ in range(KILLS):
            write_events(round_)
            worker = workers.start()
            last = Event.objects.count() + EVENTS
            wait_until(lambda last=last: Event.objects.count() == last)
            wait_until(lambda: Delivery.objects.aggregate(most=Max("tries"))["most"])
            time.sleep(chance.uniform(0, 0.5))
            kill(worker)
            let_pass(DOWN / KILLS)
        assert not Delivery.objects.filter(state="delivered").exists()
        assert Delivery.objects.aggregate(most=Max("tries"))["most"] >= min(KILLS, 5)
        ids = {*Event.objects.values_list("pk", flat=True)}
        with receiver() as hook:
            network.target = hook.port
            worker = workers.start()
            try:
                wait_until_all_are_delivered()
            finally:
                kill(worker)
            assert {*hook.ids} == ids and len(ids) == events


def write_events(round_):
    for number in range(EVENTS):
        DID.objects.filter(number="256999").edit(by=SYSTEM, notes=f"{round_} {number}")


def wait_until_all_are_delivered():
    wait_until(lambda: not Unpublished.objects.exists())
    wait_until(lambda: not Delivery.objects.exclude(state="delivered").exists())


def let_pass(time):
    """Move what workers wait for, and what they have dated, to the past."""
    Delivery.objects.exclude(next_try_at=None).update(next_try_at=F("next_try_at") - time)
    Endpoint.objects.exclude(failing_since=None).update(failing_since=F("failing_since") - time)
    Event.objects.update(created_at=F("created_at") - time)


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

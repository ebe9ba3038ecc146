"""No two writes deadlock: 16 writers at once, each in its own connection.

``LOCK_ROUNDS`` in the environment: how often each pair of writes meets; ``make kills`` sets some. Without it,
every writer makes a few of all writes at random.
"""

import os
import random
from contextlib import suppress
from datetime import timedelta
from itertools import combinations_with_replacement

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from audit.seals.verifying import verify_recording
from clients.models import Package
from dids.history.undo.undo import Undo
from dids.models import DID, ClientPackage
from jobs.models import Job
from tests.carrier import carrier, numbers_in, person
from tests.dids.models.test_racing import at_once, stock_is_exact
from tests.imports import imported

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]

ROUNDS = int(os.environ.get("LOCK_ROUNDS", "0"))
WRITERS = 16
NUMBERS = [str(n) for n in range(447000001000, 447000001160)]
RIGHTS = ("add_did", "change_did", "assign_did", "block_did", "hold_did", "end_hold_did")


@pytest.fixture
def house(monkeypatch):
    """Create a client with four packages and numbers in every status."""
    monkeypatch.setattr("jobs.models.REQUEST_SECONDS", 600)  # leave no import to a worker
    house = carrier(did_limit=100)
    house.packages = [house.package]
    house.packages += [
        Package.objects.create(reseller=house.reseller, name=f"P{n}", did_limit=100) for n in range(3)
    ]
    since = timezone.now() - timedelta(days=1)
    house.given = [house.client_package] + [
        ClientPackage.objects.create(client=house.client, package=package, starts_at=since)
        for package in house.packages[1:]
    ]
    house.user = person("importer", *(f"dids.{right}" for right in RIGHTS))
    numbers_in("instock", NUMBERS, house)
    for n, given in enumerate(house.given):
        taken = DID.objects.filter(number__in=NUMBERS[n:120:4])
        taken.assign(given, house.account, by=SYSTEM)
        DID.objects.filter(number__in=NUMBERS[n:80:4]).hold(by=SYSTEM)
        DID.objects.filter(number__in=NUMBERS[80 + n : 100 : 4]).block(by=SYSTEM)
    return house


def writes(house, chance):
    """Return {name: a write of some numbers or records, chosen by ``chance``}."""

    def some(count=60):
        numbers = chance.sample(NUMBERS, count)
        return DID.objects.filter(number__in=numbers)

    def given():
        return chance.choice(house.given)

    def close_and_reopen():
        ClientPackage.close_client(house.client, by=SYSTEM)
        ClientPackage.reopen(house.client, by=SYSTEM)

    def archive_and_restore():
        package = chance.choice(house.packages)
        ClientPackage.archive_package(package, by=SYSTEM)
        ClientPackage.reopen(package, by=SYSTEM)

    def edit_package():
        package = Package.objects.get(pk=chance.choice(house.packages).pk)
        package.hold_days = chance.randint(1, 300)
        numbers = DID.objects.filter(client_package__package=package)
        numbers.record_hold_days(package, by=SYSTEM, fields=["hold_days"])

    def undo():
        changes = Change.objects.exclude(kind="package").order_by("-pk")[:20]
        Undo(chance.choice(list(changes)), by=SYSTEM).run()

    def import_file(*, all_or_nothing):
        rows = [f"{number},North Telecom,n{chance.random()}" for number in chance.sample(NUMBERS, 60)]
        text = "\n".join(["DID,Operator,Notes", *rows])
        job = imported(text, house.user, all_or_nothing=all_or_nothing).job
        assert job.state in (Job.State.DONE, Job.State.FAILED), "the job met a deadlock"

    return {
        "edit": lambda: some().edit(by=SYSTEM, notes=str(chance.random())),
        "tag": lambda: some().edit(by=SYSTEM, add_tags=chance.sample("abcdefgh", 2)),
        "assign": lambda: some().assign(given(), house.account, by=SYSTEM),
        "activate": lambda: some().activate(by=SYSTEM),
        "block": lambda: some().block(by=SYSTEM),
        "hold": lambda: some().hold(by=SYSTEM),
        "end hold": lambda: some().end_hold(by=SYSTEM),
        "delete": lambda: some(3).delete_unused(by=SYSTEM),
        "create": lambda: DID.objects.create_numbers(
            sorted(chance.sample(NUMBERS, 60)), operator=house.operator, by=SYSTEM
        ),
        "stop": lambda: given().deactivate(by=SYSTEM),
        "start": lambda: given().activate(by=SYSTEM),
        "new end": lambda: given().end_on(timezone.now() + timedelta(days=9), by=SYSTEM),
        "close client": close_and_reopen,
        "archive package": archive_and_restore,
        "edit package": edit_package,
        "undo": undo,
        "import": lambda: import_file(all_or_nothing=False),
        "import all or nothing": lambda: import_file(all_or_nothing=True),
    }


def write(house, seed, names, steps):
    """Make ``steps`` of the named writes at random; a refusal is no failure."""
    chance = random.Random(seed)
    known = writes(house, chance)
    for _ in range(steps):
        with suppress(ValidationError):
            known[chance.choice(names)]()


def assert_all_is_consistent(house):
    """Check counters, DID limits, and that each record is as its newest history row says."""
    assert stock_is_exact()
    assert [str(failure) for failure in verify_recording()] == []
    for given in house.given:
        assert given.numbers_in_use() <= given.package.did_limit


def race(house, pair, seed):
    at_once(*(lambda n=n: write(house, f"{seed} {n}", [pair[n % 2]], steps=2) for n in range(WRITERS)))


def test_writers_of_all_kinds_at_once_never_deadlock(house):
    names = list(writes(house, random.Random(0)))
    at_once(*(lambda seed=seed: write(house, seed, names, steps=4) for seed in range(WRITERS)))
    assert_all_is_consistent(house)


def test_an_assignment_and_an_activation_of_the_same_numbers_never_deadlock(house):
    """Twenty of 26 rounds of this pair once did."""
    race(house, ["activate", "assign"], seed=1)


@pytest.mark.skipif(not ROUNDS, reason="LOCK_ROUNDS is not set")
@pytest.mark.parametrize(
    "pair", list(combinations_with_replacement(list(writes(None, random.Random(0))), 2)), ids=" and ".join
)
def test_no_pair_of_writes_deadlocks(house, pair):
    for seed in range(ROUNDS):
        race(house, pair, seed)
    assert_all_is_consistent(house)

"""Requests with an ``Idempotency-Key`` are carried out once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api.urls import api as ninja
from audit.models import Change
from didmgmt.models import SentRequest
from dids.models import DID
from jobs.models import SMALL, Job
from jobs.periodic import run_periodic_tasks
from tests.api.conftest import Program, token_of

pytestmark = pytest.mark.django_db
KEY = {"Idempotency-Key": "6f1c2a"}


@pytest.fixture
def program(api, owner):
    return api(owner)


def new(world, **fields):
    return {"number": "4000", "operator": world.operator.pk} | fields


def test_the_same_request_gets_the_same_answer_and_writes_once(program, world):
    first = program.post("/dids", new(world), headers=KEY)
    changes = Change.objects.count()
    again = program.post("/dids", new(world), headers=KEY)
    assert first.status == again.status == 201
    assert first.content == again.content
    for name in ("Location", "ETag", "Content-Type"):
        assert first.headers[name] == again.headers[name]
    assert (again.headers["Idempotent-Replayed"], Change.objects.count()) == ("true", changes)
    assert "Idempotent-Replayed" not in first.headers


def test_the_answer_stays_the_same_when_the_number_has_changed_since(program):
    first = program.post("/dids/2567/block", headers=KEY)
    program.post("/dids/2567/unblock")
    again = program.post("/dids/2567/block", headers=KEY)
    assert again.content == first.content
    assert DID.objects.get(number="2567").status == "active"


@pytest.mark.parametrize(
    ("path", "body"), [("/dids", {"notes": "other"}), ("/dids/2567/block", {}), ("/dids?a=1", {})]
)
def test_a_key_of_another_request_is_refused(program, world, path, body):
    program.post("/dids", new(world), headers=KEY)
    answer = program.post(path, new(world, **body), headers=KEY)
    assert (answer.status, answer.json["code"]) == (422, "key_used")
    assert [*answer.errors] == ["Idempotency-Key"]
    assert world.did("2567").status == "active"


def test_a_refused_request_has_written_nothing_and_is_tried_again(program, world):
    assert program.post("/dids/111/block", headers=KEY).status == 409
    assert program.post("/dids", {"number": "x"}, headers=KEY).status == 422
    assert not SentRequest.objects.exists()
    assert program.post("/dids", new(world), headers=KEY).status == 201


def test_a_key_belongs_to_its_token(api, owner, world):
    assert api(owner).post("/dids", new(world), headers=KEY).status == 201
    assert api(owner).post("/dids", new(world, number="4001"), headers=KEY).status == 201


def test_a_token_that_lost_its_right_gets_no_answer_again(owner, world):
    program = Program(token_of(owner))
    assert program.post("/dids", new(world), headers=KEY).status == 201
    owner.groups.clear()
    assert program.post("/dids", new(world), headers=KEY).status == 403


def test_a_job_is_submitted_once(program, world):
    body = {"action": "create", "range": f"5000000-{5000000 + SMALL}", "operator": world.operator.pk}
    first, again = (program.post("/dids/bulk", body, headers=KEY) for _ in range(2))
    assert first.status == again.status == 202
    assert first.headers["Location"] == again.headers["Location"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("key", ["k" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_no_key_is_refused(program, world, key):
    answer = program.post("/dids", new(world), headers={"Idempotency-Key": key})
    assert (answer.status, [*answer.errors]) == (422, ["Idempotency-Key"])


def test_keys_are_forgotten_after_a_day(program, world):
    program.post("/dids/2567/block", headers=KEY)
    SentRequest.objects.update(at=timezone.now() - timedelta(hours=25))
    program.post("/dids/2567/unblock", headers={"Idempotency-Key": "new"})
    assert run_periodic_tasks(timezone.now())[0]["forget old requests"] == 1
    assert SentRequest.objects.count() == 1
    program.post("/dids/2567/block", headers=KEY)
    assert world.did("2567").status == "blocked"


def test_every_post_that_writes_takes_a_key():
    without = [
        operation.operation_id
        for bound in ninja._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
        if "POST" in operation.methods and not hasattr(operation.view_func, "once")
    ]
    assert without == ["who_had_it"]

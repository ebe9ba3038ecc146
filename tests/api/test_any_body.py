"""Whatever body a program sends, it gets a documented answer and never a fault."""

import json
import string

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from api.bulk import _TAKES, ACTIONS, Bulk, Queued, Rehearsed, WrittenMany
from api.inputs import Assignment, DIDEdit, ReservationFields
from api.moves import NewDID
from api.results import WrittenDID
from api.urls import _document
from dids.models import DID
from tests.api.conftest import Program, token_of
from tests.examples import scaled

pytestmark = pytest.mark.django_db
PATHS = json.loads(_document())["paths"]

# Half of a surrogate pair is valid in JSON, but not as text.
TEXTS = st.one_of(
    st.sampled_from(["", " ", "\0", "\ud800", "²", "9" * 400, "111-115", "id:1", "id:²", "a,b", "é" * 600]),
    st.text(string.printable + "é²\0", max_size=12),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([2**63, -(10**30)]), TEXTS)
SCALARS |= st.floats(allow_nan=False)
ANY = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXTS, one, max_size=3),
    max_leaves=6,
)
NUMBERS = st.sampled_from(["111", "2567", "2568", "2563", "12567", "256999", "3333", "999", "7001"])
STATUSES = st.sampled_from(["reserved", "instock", "active", "blocked", "hold", "archive"])


@st.composite
def bodies(draw, body, likely):
    """Return a JSON object with known members and likely values, often with one that is anything."""
    if draw(st.integers(0, 19)) == 0:
        return draw(ANY)
    found = {name: draw(likely[name]) for name in draw(members(body, likely))}
    if found and draw(st.booleans()):
        found[draw(st.sampled_from([*found, *body.model_fields]))] = draw(ANY)
    if draw(st.integers(0, 19)) == 0:
        found[draw(TEXTS)] = draw(ANY)
    return found


@st.composite
def members(draw, body, likely):
    """Return the names of members that go together."""
    needed = [name for name, field in body.model_fields.items() if field.is_required()]
    optional = [*likely.keys() - {*needed}]
    if body is Bulk:
        action = draw(st.sampled_from(ACTIONS))
        likely["action"] = st.just(action)
        needed = ["action", draw(st.sampled_from(["numbers", "range", "filter"]))]
        needed += ["operator"] if action == "create" else ["client"] if action == "assign" else []
        optional = ["dry_run", *_TAKES.get(action, ())]
    return needed + draw(st.lists(st.sampled_from(optional), unique=True, max_size=4)) if optional else needed


@pytest.fixture
def likely(world):
    tags = st.lists(st.sampled_from(["gold", "vip", "Gold"]), max_size=3)
    return {
        "numbers": st.lists(NUMBERS, max_size=5),
        "range": st.sampled_from(["100-115", "7000-7009", "2560-2569"]),
        "filter": st.fixed_dictionaries({"status": st.lists(STATUSES, max_size=2)}),
        "expected": st.integers(0, 9),
        "dry_run": st.booleans(),
        "number": NUMBERS,
        "operator": st.just(world.operator.pk),
        "client": st.just(world.client.pk),
        "client_package": st.just(world.client_package.pk),
        "account": st.just(world.account.pk),
        "status": STATUSES,
        "after_hold": STATUSES,
        "hold_days": st.integers(-1, 400),
        "tags": tags,
        "add_tags": tags,
        "remove_tags": tags,
        "notes": st.sampled_from(["", "seen"]),
        "name": st.just("Orsini"),
        "purpose": st.just("Trial"),
        "ends_at": st.sampled_from([None, "2100-01-01", "soon"]),
        "override_reason": st.sampled_from(["", "The client asked for it"]),
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "answers"),
    [
        ("post", "/dids", NewDID, WrittenDID),
        ("post", "/dids/bulk", Bulk, WrittenMany | Rehearsed | Queued),
        ("patch", "/dids/{number}", DIDEdit, WrittenDID),
        ("post", "/dids/{number}/assign", Assignment, WrittenDID),
        ("post", "/dids/{number}/reserve", ReservationFields, WrittenDID),
    ],
)
def test_any_body_gives_a_documented_answer(method, path, body, answers, world, owner, likely):
    program, operation = Program(token_of(owner)), PATHS[f"/api/v1{path}"][method]
    known = {name: value for name, value in likely.items() if name in body.model_fields}
    other = DID.objects.get(number="3333")

    @settings(max_examples=scaled(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sent=bodies(body, known), number=NUMBERS)
    def check(sent, number):
        with transaction.atomic():
            answer = program.send(method.upper(), path.format(number=number), sent)
            assert str(answer.status) in operation["responses"], (sent, answer.content)
            if answer.status < 400:
                TypeAdapter(answers).validate_python(answer.json, strict=True, extra="forbid")
            else:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json["code"] and answer.json["detail"]
            assert "Reseller 2" not in answer.content.decode()
            assert DID.objects.get(pk=other.pk).notes == other.notes
            transaction.set_rollback(True)

    check()

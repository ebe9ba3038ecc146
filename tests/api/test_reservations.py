"""Programs reserve numbers, extend and end reservations, and assign their numbers."""

import pytest

from audit import SYSTEM
from dids.models import DID, Reservation
from tests.world import make_world

pytestmark = pytest.mark.django_db
NUMBERS = ["7700", "7701", "7702"]


@pytest.fixture
def world(db):
    world = make_world()
    DID.objects.create_numbers(NUMBERS, operator=world.operator, by=SYSTEM)
    return world


@pytest.fixture
def program(api, supervisor):
    return api(supervisor)


def body(**fields):
    return {"numbers": ["7700-7702"], "name": "Orsini", "purpose": "Trial", "ends_at": "2100-02-01"} | fields


def test_a_rehearsal_writes_nothing_and_the_reservation_answers_with_its_address(world, program):
    rehearsal = program.post("/reservations", body(dry_run=True))
    assert (rehearsal.status, rehearsal.json["result"]["done"], rehearsal.json["change"]) == (200, 3, None)
    assert not Reservation.objects.exists()

    made = program.post("/reservations", body(expected=3), headers={"Idempotency-Key": "one"})
    again = program.post("/reservations", body(expected=3), headers={"Idempotency-Key": "one"})
    assert (made.status, made.json) == (201, again.json)
    kept = made.json["reservation"]
    assert (kept["name"], kept["ends_at"], kept["numbers"]) == ("Orsini", "2100-02-01T23:59:00.000000Z", 3)
    assert kept["made_by"].startswith("key") and kept["made_by"].endswith("token of supervisor")
    assert program.get(made.headers["Location"]).json == kept
    assert [one["id"] for one in program.get("/reservations", whom="name").items] == [kept["id"]]
    did = program.get("/dids/7700").json
    assert (did["status"], did["reservation"]) == ("reserved", kept["id"])
    assert did["reserved_until"] == "2100-02-01T23:59:00.000000Z"
    assert len(program.get("/dids", reservation=str(kept["id"])).items) == 3


def test_what_can_not_be_reserved_is_refused_with_its_reason(world, program):
    answer = program.post("/reservations", body(numbers=["7700", "2567", "999"], expected=2))
    assert (answer.status, answer.json["code"]) == (409, "unexpected_count")
    assert not Reservation.objects.exists()
    answer = program.post("/reservations", body(numbers=["7700", "2567", "999"]))
    assert answer.status == 201
    assert {one["code"] for one in answer.json["refusals"]} == {"active", "missing"}
    assert program.post("/reservations", body(numbers=["7700"])).json["code"] == "taken"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"purpose": ""}, "#/purpose"),
        ({"name": ""}, "#/name"),
        ({"client": 1, "name": "Orsini"}, "#/name"),
        ({"client": 2**40, "name": ""}, "#/client"),
        ({"ends_at": "2020-01-01"}, "#/ends_at"),
        ({"ends_at": "soon"}, "#/ends_at"),
        ({"numbers": ["12-abc"]}, "#/numbers"),
        ({"numbers": []}, "#/numbers"),
        ({"numbers": "7700"}, "#/numbers"),
        ({"nonsense": 1}, "#/nonsense"),
    ],
)
def test_an_invalid_value_is_named(world, program, fields, pointer):
    answer = program.post("/reservations", body(**fields))
    assert answer.status == 422, answer.content
    assert [*answer.errors] == [pointer]


def test_a_reservation_is_extended_assigned_in_part_and_ended(world, program):
    pk = program.post("/reservations", body()).json["reservation"]["id"]
    extended = program.post(f"/reservations/{pk}/extend", {"ends_at": None})
    assert (extended.status, extended.json["reservation"]["ends_at"]) == (200, None)
    past = program.post(f"/reservations/{pk}/extend", {"ends_at": "2020-01-01T10:00Z"})
    assert past.errors == {"#/ends_at": "1 Jan 2020, 10:00 is over. Choose a later end."}

    chosen = {"client_package": world.client_package.pk, "account": world.account.pk}
    world.package.did_limit = 4  # two are in use
    world.package.save()
    assigned = program.post(f"/reservations/{pk}/assign", chosen)
    assert (assigned.json["result"], assigned.json["reservation"]["numbers"]) == (
        {"done": 2, "unchanged": 0, "refused": 1},
        1,
    )
    ended = program.post(f"/reservations/{pk}/end")
    assert (ended.status, ended.json["result"]["done"], ended.json["reservation"]) == (200, 1, None)
    assert program.get(f"/reservations/{pk}").status == 404
    assert program.post(f"/reservations/{pk}/end").status == 404


def test_writing_needs_both_scopes(world, api, supervisor):
    for scopes, status in (
        ("dids:write", 403),
        ("reservations:write", 403),
        ("dids:write reservations:read", 403),
        ("dids:write reservations:write", 201),
    ):
        assert api(supervisor, scopes).post("/reservations", body()).status == status, scopes

"""Programs reserve numbers, extend and end reservations, and assign their numbers."""

import pytest
from django.core.management import call_command

from api import bulk
from audit import SYSTEM
from dids.forms import reservations as forms
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


def test_numbers_of_a_filter_are_reserved_at_once_and_their_reservations_end_at_once(world, program):
    chosen = {"action": "reserve", "filter": {"q": "770*"}, "client": world.client.pk, "purpose": "Trial"}
    rehearsed = program.post("/dids/bulk", chosen | {"dry_run": True})
    assert (rehearsed.json["result"]["done"], Reservation.objects.count()) == (3, 0)
    made = program.post("/dids/bulk", chosen | {"expected": 3})
    assert made.json["reservation"] == Reservation.objects.get().pk
    assert program.post("/dids/bulk", chosen).json["result"] == {"done": 0, "unchanged": 0, "refused": 3}
    assert Reservation.objects.count() == 1

    end = {"action": "end_reservation", "numbers": ["7700", "7701", "256999"]}
    rehearsed = program.post("/dids/bulk", end | {"dry_run": True}).json
    done = program.post("/dids/bulk", end).json
    assert done["sentence"] == "2 numbers put in stock. 1 refused (256999): in no reservation."
    assert done["result"] == rehearsed["result"] and done["refusals"] == rehearsed["refusals"]
    assert program.get("/dids/7702").json["status"] == "reserved"


def test_more_than_one_reservation_holds_are_refused_with_what_to_do(world, program, monkeypatch):
    monkeypatch.setattr(forms, "MOST", 2)
    answer = program.post(
        "/dids/bulk", {"action": "reserve", "range": "7700-7702", "purpose": "a", "name": "b"}
    )
    assert "can be reserved at once. Reserve them in parts." in answer.errors["#"]


def test_the_end_of_many_reservations_is_left_to_a_job(world, program, monkeypatch):
    program.post("/reservations", body())
    monkeypatch.setattr(bulk, "SMALL", 2)
    queued = program.post("/dids/bulk", {"action": "end_reservation", "range": "7700-7702"})
    assert queued.status == 202
    call_command("worker", "--once")
    ended = program.get(queued.headers["Location"]).json
    assert (ended["state"], ended["sentence"]) == ("done", "3 numbers put in stock.")
    assert program.get("/dids/7700").json["status"] == "instock"


def test_several_reservations_get_another_end_in_one_change(world, program):
    one = program.post("/reservations", body(numbers=["7700"])).json["reservation"]["id"]
    two = program.post("/reservations", body(numbers=["7701", "7702"])).json["reservation"]["id"]
    asked = {"reservations": [one, two], "ends_at": "2100-03-01T10:00Z"}
    rehearsed = program.post("/reservations/extend", asked | {"dry_run": True}).json
    assert (rehearsed["result"]["done"], rehearsed["change"]) == (3, None)
    done = program.post("/reservations/extend", asked).json
    assert done["sentence"] == ("3 numbers of 2 reservations now reserved until 1 Mar 2100, 10:00.")
    assert {row["ends_at"] for row in program.get("/reservations").items} == {"2100-03-01T10:00:00.000000Z"}
    assert program.get("/dids/7702").json["reserved_until"] == "2100-03-01T10:00:00.000000Z"
    again = program.post("/reservations/extend", asked).json
    assert (again["result"]["unchanged"], again["change"]) == (3, None)

    program.post(f"/reservations/{one}/end")
    refused = program.post("/reservations/extend", {"reservations": [two, one], "ends_at": None})
    assert [*refused.errors] == ["#/reservations/1"]
    assert program.get(f"/reservations/{two}").json["ends_at"] is not None
    past = program.post("/reservations/extend", {"reservations": [two], "ends_at": "2020-01-01"})
    assert [*past.errors] == ["#/ends_at"]


def test_a_reservation_of_one_number_needs_its_scope_too(world, api, supervisor):
    asked = {"name": "Orsini", "purpose": "Trial"}
    small = api(supervisor, "dids:write")
    assert small.post("/dids/7700/reserve", asked).status == 403
    sent = {"action": "reserve", "numbers": ["7700"]} | asked
    assert small.post("/dids/bulk", sent).status == 403
    assert small.post("/dids/bulk", {"action": "end_reservation", "numbers": ["7700"]}).status == 403
    assert small.post("/dids/7700/reserve").json["did"]["reservation"] is None
    both = api(supervisor, "dids:write reservations:write")
    assert both.post("/dids/7701/reserve", {"name": "Orsini"}).errors.keys() == {"#/purpose"}
    assert both.post("/dids/7701/reserve", asked).json["did"]["reservation"] == Reservation.objects.get().pk

"""History, ownership and explanations by the API, which tell what the screens show."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import audit
from api import past
from audit import SYSTEM
from audit.models import Change
from clients.models import Reseller
from dids.history.timeline import timeline
from dids.models import DID, HeadGeography, head_geography
from operators.models import Operator
from tests.carrier import carrier, numbers_in, person, used_for_a_day
from tests.examples import scaled
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 3, 11, 3, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def house(db):
    return used_for_a_day(START)


@pytest.fixture
def program(api, house):
    return api(member("Supervisor", username="clara", reseller=house.reseller))


@pytest.fixture
def stranger(api, house):
    return api(member("Supervisor", username="sven", reseller=carrier("South").reseller))


def numbers(answer):
    return [item["number"] for item in answer.items]


# --- the inventory as of a past time


@pytest.mark.parametrize(
    ("at", "status", "client"),
    [
        (START - HOUR, "instock", None),
        (START + HOUR, "active", "North Bakery"),
        (START + DAY + HOUR, "hold", "North Bakery"),
    ],
)
def test_the_list_as_of_a_past_time_has_the_values_of_then(program, house, at, status, client):
    known = {item["number"]: item for item in program.get("/dids", as_of=at.isoformat()).items}["100"]
    assert known["status"] == status
    assert (known["client"] or {}).get("name") == client
    assert (known["client"] or {"id": None})["id"] == (house.client.pk if client else None)
    assert known["operator"] == {"id": house.operator.pk, "name": "North Telecom"}
    assert known["reseller"] == {"id": house.reseller.pk, "name": "North"}
    assert (known["hold_until"] is None) == (status != "hold")


def test_the_list_as_of_now_is_the_current_list(program):
    now = program.get("/dids").items
    assert program.get("/dids", as_of=datetime.now(UTC).isoformat()).items == now
    counted = program.get("/dids", as_of=datetime.now(UTC).isoformat(), count="true")
    assert counted.json["count"] == len(now)


def test_a_number_that_came_from_another_reseller_does_not_tell_when_that_one_changed_it(
    program, stranger, house
):
    south = Reseller.objects.get(name="South")
    DID.objects.filter(number="101").edit(by=SYSTEM, notes="north", now=START + DAY)
    move = Operator.objects.get(pk=house.operator.pk)
    move.reseller = south
    move.record(by=SYSTEM, fields=["reseller"])
    assert changes_told(stranger) == {"100": None, "101": None}
    DID.objects.filter(number="101").edit(by=SYSTEM, notes="south")
    told = changes_told(stranger)
    assert told["100"] is None and told["101"] > f"{START + DAY:%Y-%m-%d}"
    move.reseller = house.reseller
    move.record(by=SYSTEM, fields=["reseller"])
    assert changes_told(program) == {
        "100": "2026-05-04T11:03:00.000000Z",
        "101": "2026-05-04T11:03:00.000000Z",
    }


def changes_told(program):
    """Return {number: when it was changed}, which the current list and the one as of now tell alike."""
    current, past = (
        program.get("/dids", fields="number,changed_at", **at).items
        for at in ({}, {"as_of": datetime.now(UTC).isoformat()})
    )
    assert past == current
    return {item["number"]: item["changed_at"] for item in current}


def test_the_geography_of_past_numbers_is_read_from_the_table(program, house, monkeypatch):
    numbers_in("instock", ["442079460001"], house)
    head_geography.renew()
    HeadGeography.objects.filter(head="44207946").update(area="Londinium")
    wanted = {"as_of": datetime.now(UTC).isoformat(), "fields": "number,area"}
    for accept in ("application/json", "application/x-ndjson"):
        monkeypatch.setattr(head_geography, "_known", {})
        answer = program.get("/dids", {"Accept": accept}, **wanted)
        assert b'"442079460001","area":"Londinium"' in answer.content.replace(b'": ', b'":').replace(
            b", ", b","
        )


def test_pages_as_of_a_past_time_follow_one_another(program, house, monkeypatch):
    monkeypatch.setattr("dids.lists.as_of.CANDIDATES_MAX", 3)
    monkeypatch.setattr("dids.lists.as_of.EARLY_MAX", 3)
    numbers_in("reserved", [f"2{n:02}" for n in range(20)], house, now=START)
    found, answer = [], program.get("/dids", as_of=(START + HOUR).isoformat(), limit=7)
    found += numbers(answer)
    while following := answer.json["next"]:
        answer = program.get(following)
        found += numbers(answer)
    assert found == ["100", "101", *(f"2{n:02}" for n in range(20))]


@pytest.mark.parametrize(
    ("parameters", "pointer", "sentence"),
    [
        ({"as_of": "2999-01-01T00:00Z"}, "?as_of", "Choose a year"),
        ({"as_of": "yesterday"}, "?as_of", "Enter a date and time like 28 Nov 2026, 17:45."),
        (
            {"as_of": "2026-05-03T12:00Z", "change": "1"},
            "?change",
            "The inventory as of a past time can’t be filtered by a change.",
        ),
        (
            {"as_of": "2026-05-03T12:00Z", "fields": "created_at"},
            "?fields",
            "There is no field “created_at”.",
        ),
    ],
)
def test_a_wrong_time_is_refused_with_the_sentence_of_the_screen(program, parameters, pointer, sentence):
    answer = program.get("/dids", **parameters)
    assert answer.status == 422
    assert answer.errors[pointer].startswith(sentence)


def test_a_list_as_of_a_past_time_that_takes_too_long_is_refused(program, monkeypatch):
    monkeypatch.setattr("api.dids.did_listing", _slow)
    answer = program.get("/dids", as_of=START.isoformat())
    assert answer.status == 422
    assert answer.errors["?as_of"].startswith("Reading the inventory as of then takes too long.")


def _slow(*_, **__):
    raise OperationalError("interrupted")


def test_a_list_from_deleted_history_says_since_when_it_is_complete(program):
    data = {"horizon": (START + DAY).isoformat()}
    Change.objects.create(kind=Change.Kind.PRUNE, data=data, actor_kind=Change.Actor.SYSTEM)
    for headers in ({}, {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}):
        early, late = (program.get("/dids", headers, as_of=at.isoformat()) for at in (START, START + 2 * DAY))
        assert early.headers["History-Known-Since"] == "2026-05-04T11:03:00.000000Z"
        assert "History-Known-Since" not in late.headers


# --- the history of a number


def test_the_history_is_the_timeline_of_the_page(program, house, administrator):
    entries, _ = timeline(DID.objects.get(number="100").pk, administrator)
    told = program.get("/dids/100/history").json
    assert [(item["action"], item["actor"]) for item in told["items"]] == [
        (entry.label, entry.actor) for entry in entries
    ]
    assert [item["differences"] for item in told["items"]] == [
        [one._asdict() for one in entry.differences] for entry in entries
    ]
    assert told["items"][0]["at"] == "2026-05-04T11:03:00.000000Z"
    assert told["next"] is None


def test_pages_of_the_history_follow_one_another(program):
    dids = DID.objects.filter(number="101")
    for n in range(5):
        dids.edit(by=SYSTEM, notes=str(n))
    everything = program.get("/dids/101/history").items
    found, answer = [], program.get("/dids/101/history", limit=2)
    found += answer.items
    while following := answer.json["next"]:
        answer = program.get(following)
        found += answer.items
    assert len(everything) == 6
    assert found == everything


def test_only_changes_of_the_status_are_told_on_request(program):
    DID.objects.filter(number="100").edit(by=SYSTEM, notes="new")
    told = program.get("/dids/100/history", only="status").items
    assert [[one["new"] for one in item["differences"] if one["field"] == "Status"] for item in told] == [
        ["In Stock"],  # the hold has ended
        ["Hold"],
        ["Active"],
        ["In Stock"],
    ]
    assert len(program.get("/dids/100/history").items) == 5


def test_the_history_of_a_deleted_number_is_told_by_its_digits_and_by_its_id(program, stranger):
    old = DID.objects.get(number="101").pk
    DID.objects.filter(number="101").delete_unused(by=SYSTEM)
    for address in ("101", f"id:{old}"):
        told = program.get(f"/dids/{address}/history").json
        assert (told["id"], told["items"][0]["event"]) == (old, "deleted")
        assert stranger.get(f"/dids/{address}/history").status == 404
    DID.objects.create_numbers(["101"], operator=DID.objects.get(number="100").operator, by=SYSTEM)
    told = program.get("/dids/101/history").json
    assert told["id"] != old
    assert [life["id"] for life in told["other_lives"]] == [old]


def test_a_number_that_has_left_the_reseller_keeps_its_history_there(program, stranger):
    with audit.change("edit", by=SYSTEM):
        DID.objects.filter(number="101").update(operator=Operator.objects.get(name="South Telecom"))
    mine, theirs = (one.get("/dids/101/history").json for one in (program, stranger))
    assert [item["event"] for item in mine["items"]] == ["created"]
    assert [item["event"] for item in theirs["items"]] == ["changed"]
    assert program.get("/dids/101").status == 404


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("limit=0", "?limit"), ("after=x", "?after"), ("only=tags", "?only"), ("befroe=3", "?befroe")],
)
def test_a_wrong_parameter_of_the_history_is_refused(program, query, pointer):
    answer = program.get(f"/dids/100/history?{query}")
    assert (answer.status, list(answer.errors)) == (422, [pointer])


# --- ownership and explanation


def test_periods_of_use_and_hold_are_told_newest_first(program, house):
    told = program.get("/dids/100/ownership").json
    hold, use = told["items"]
    assert (hold["state"], use["state"], told["more"]) == ("on_hold", "in_use", False)
    assert use["client"] == {"id": house.client.pk, "name": "North Bakery"}
    assert use["account"] == {"id": house.account.pk, "name": "north_bakery"}
    assert use["client_package"] == {"id": house.client_package.pk, "name": "Basic"}
    assert use["began"]["at"] == "2026-05-03T11:03:00.000000Z"
    assert use["ended"]["at"] == "2026-05-04T11:03:00.000000Z"
    assert use["ended"]["action"] == "Put on Hold"


def test_a_status_is_explained_with_the_sentence_of_the_screen(program, house):
    pk = DID.objects.get(number="100").pk
    user = member("Supervisor", username="anna", reseller=house.reseller)
    shown = client_of(user).get(f"/dids/{pk}/explanation/").content.decode()
    assert program.get("/dids/100/explain").json == {"id": pk, "number": "100", "sentence": shown}


@pytest.mark.parametrize("operation", ["history", "ownership", "explain"])
def test_another_resellers_number_is_not_found(stranger, operation):
    assert stranger.get(f"/dids/100/{operation}").status == 404
    assert stranger.get(f"/dids/555/{operation}").status == 404


# --- who had it


def test_each_number_is_looked_up_at_its_own_time(program, house):
    body = {
        "numbers": [
            "+100",
            {"number": "100", "at": (START - HOUR).isoformat()},
            {"number": "100-101", "at": (START + DAY).isoformat()},
            "999",
        ],
        "at": (START + HOUR).isoformat(),
    }
    told = program.post("/who-had-it", body)
    assert told.status == 200
    assert [(item["number"], item["at"], item["state"]) for item in told.items] == [
        ("100", "2026-05-03T12:03:00.000000Z", "in_use"),
        ("100", "2026-05-03T10:03:00.000000Z", "unassigned"),
        ("100", "2026-05-04T11:03:00.000000Z", "on_hold"),
        ("101", "2026-05-04T11:03:00.000000Z", "unassigned"),
        ("999", "2026-05-03T12:03:00.000000Z", "never"),
    ]
    assert told.items[0]["client"] == {"id": house.client.pk, "name": "North Bakery"}


def test_a_number_that_is_asked_for_twice_at_a_time_is_told_once(program):
    at = START.isoformat()
    twice = ["+100", {"number": "100", "at": at}, {"number": "=100", "at": "2026-05-03 11:03"}]
    told = program.post("/who-had-it", {"numbers": twice, "at": at})
    assert numbers(told) == ["100"]


def test_results_equal_those_of_the_page_and_the_file(program, house):
    user = member("Supervisor", username="anna", reseller=house.reseller)
    browser, at = client_of(user), (START + DAY).isoformat()
    shown = browser.get("/audit/who-had-it/", {"numbers": "100,101,999", "at": at}).context["found"]
    told = program.post("/who-had-it", {"numbers": ["100", "101", "999"], "at": at}).items
    assert [(one.number, one.note) for one in shown] == [(one["number"], one["note"]) for one in told]
    file = browser.get("/audit/who-had-it/csv/", {"numbers": "100,101,999", "at": at})
    sent = program.post("/who-had-it", {"numbers": ["100", "101", "999"], "at": at}, {"Accept": "text/csv"})
    local = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\+00:00")  # of the user, who is in UTC
    assert sent.content.decode() == local.sub(r"\1T\2.000000Z", b"".join(file).decode())
    lines = program.post(
        "/who-had-it", {"numbers": ["100", "101", "999"], "at": at}, {"Accept": "application/x-ndjson"}
    )
    assert [json.loads(line) for line in lines.content.splitlines()] == told


def test_a_foreign_number_looks_like_one_that_never_existed(stranger):
    known, unknown = stranger.post("/who-had-it", {"numbers": ["100", "555"], "at": START.isoformat()}).items
    assert known | {"number": ""} == unknown | {"number": ""}


@pytest.mark.parametrize("at", ["2999-01-01T00:00Z", "yesterday", "29 Feb 2026, 10:00"])
def test_a_wrong_time_is_refused_like_on_the_page(program, house, at):
    user = member("Supervisor", username="anna", reseller=house.reseller)
    page = client_of(user).get("/audit/who-had-it/", {"numbers": "100", "at": at})
    (sentence,) = page.context["form"].errors["at"]
    for_all = program.post("/who-had-it", {"numbers": ["100"], "at": at})
    for_one = program.post("/who-had-it", {"numbers": ["100", {"number": "101", "at": at}]})
    assert for_all.errors == {"#/at": sentence}
    assert for_one.errors == {"#/numbers/1/at": sentence}


def test_entries_that_cannot_be_read_are_named_at_their_place_like_on_the_page(program, house):
    user = member("Supervisor", username="anna", reseller=house.reseller)
    entries = ["", "100", "x12\n1-2-3x", {"number": "abc"}]
    text = "\n".join(one if isinstance(one, str) else one["number"] for one in entries)
    page = client_of(user).post("/audit/who-had-it/", {"numbers": text})
    told = program.post("/who-had-it", {"numbers": entries})
    assert [one["sentence"] for one in told.json["errors"]] == page.context["form"].errors["numbers"]
    assert [one["pointer"] for one in told.json["errors"]] == ["#/numbers/2", "#/numbers/2", "#/numbers/3"]


@pytest.mark.parametrize(
    "body",
    [
        {"numbers": ["10000-20000"]},
        {"numbers": [{"number": "1000-9000", "at": f"2026-05-0{day}T00:00Z"} for day in (1, 2)]},
    ],
)
def test_more_than_ten_thousand_look_ups_are_refused(program, body):
    told = program.post("/who-had-it", body)
    assert told.status == 422
    assert "at most 10,000 are allowed" in told.errors["#/numbers"]


def test_a_file_needs_the_right_to_export(api, house):
    viewer = api(person("vera", "dids.view_did", "audit.view_change", reseller=house.reseller))
    assert viewer.post("/who-had-it", {"numbers": ["100"]}).status == 200
    refused = viewer.post("/who-had-it", {"numbers": ["100"]}, {"Accept": "text/csv"})
    assert (refused.status, refused.json["permission"]) == (403, "dids.export_did")


def test_queries_do_not_grow_with_the_times(program, django_assert_max_num_queries):
    body = {"numbers": [{"number": "100", "at": (START + n * HOUR).isoformat()} for n in range(500)]}
    with django_assert_max_num_queries(30):
        assert len(program.post("/who-had-it", body).items) == 500


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = some.text(alphabet="01+-=*,; \n\r\0x٣", max_size=12) | some.fixed_dictionaries(
    {"number": some.text(alphabet="0123+-", max_size=8)},
    optional={"at": some.text(max_size=12) | some.none()},
)
BODIES = JSON | some.fixed_dictionaries(
    {"numbers": some.lists(ENTRIES, max_size=4)},
    optional={"at": some.text(max_size=12) | some.sampled_from(["2026-05-03", "0001-01-01", "9999-12-31"])},
)


@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_any_body_is_answered_or_refused_with_a_problem(program, body):
    told = program.post("/who-had-it", body)
    assert told.status in (200, 422), told.content
    assert ("items" in told.json) == (told.status == 200)
    if told.status == 422:
        assert told.json["errors"] and told.headers["Content-Type"] == "application/problem+json"


def test_the_file_has_a_row_for_each_look_up(program):
    body = {"numbers": [{"number": "100", "at": START.isoformat()}, "100"]}
    sent = program.post("/who-had-it", body, {"Accept": "text/csv"})
    assert sent.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(sent.content.decode().splitlines()))
    assert [row["State"] for row in rows] == ["in use", "unassigned"]
    assert rows[0]["Time"] == "2026-05-03T11:03:00.000000Z"


def test_answers_are_what_the_document_says(program):
    DID.objects.create_numbers(["102"], operator=Operator.objects.get(name="North Telecom"), by=SYSTEM)
    DID.objects.filter(number="102").delete_unused(by=SYSTEM)
    for number in ("100", "101", "102"):
        past.History.model_validate(program.get(f"/dids/{number}/history").json)
        past.OwnershipPeriods.model_validate(program.get(f"/dids/{number}/ownership").json)
    past.Explanation.model_validate(program.get("/dids/100/explain").json)
    asked = [{"number": "100-103", "at": (START + n * HOUR).isoformat()} for n in (-48, -1, 1, 25, 2000)]
    told = past.Ownerships.model_validate(program.post("/who-had-it", {"numbers": asked}).json)
    assert {one.state for one in told.items} >= {"in_use", "on_hold", "unassigned", "absent", "never"}

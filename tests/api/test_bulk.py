"""Writes to many numbers by the API: which numbers, rehearsals, jobs and what they refused."""

import csv
import io
import json
from uuid import uuid4

import pytest
from django.core.management import call_command

from audit.models import Change
from dids.models import DID
from jobs.models import SMALL, Job

pytestmark = pytest.mark.django_db
MANY = SMALL + 1


@pytest.fixture
def program(api, owner):
    return api(owner)


def bulk(program, action, **body):
    return program.post("/dids/bulk", {"action": action, **body})


@pytest.fixture
def many(world, owner):
    """Create more numbers than a request writes; return their range."""
    first, last = 7_000_000, 7_000_000 + MANY - 1
    DID.objects.create_numbers(map(str, range(first, last + 1)), operator=world.operator, by=owner)
    return f"{first}-{last}"


# --- which numbers


def test_numbers_are_listed_by_digits_in_any_notation_and_by_ids(program, world):
    numbers = ["111", "+112", f"id:{world.did('113').pk}", "111", "999", "id:999999"]
    answer = bulk(program, "edit", numbers=numbers, notes="seen")
    assert answer.json["result"] == {"done": 3, "unchanged": 0, "refused": 2}
    (refusal,) = answer.json["refusals"]
    assert (refusal["code"], refusal["numbers"]) == ("missing", ["999", "id:999999"])
    assert {*DID.objects.filter(notes="seen").values_list("number", flat=True)} == {"111", "112", "113"}


def test_a_range_selects_those_that_exist(program):
    answer = bulk(program, "edit", range="100-115", notes="seen")
    assert answer.json["sentence"] == "5 numbers changed."


def test_a_filter_selects_what_the_list_shows(program):
    answer = bulk(program, "edit", filter={"status": ["reserved", "archive"], "q": "12*"}, notes="seen")
    assert answer.json["result"]["done"] == 2
    assert bulk(program, "archive", filter={"q": "=987"}).json["sentence"] == "No number changed."


def test_numbers_of_another_reseller_are_missing(program, world):
    answer = bulk(program, "edit", numbers=["3333", f"id:{world.did('3333').pk}"], notes="seen")
    assert answer.json["result"] == {"done": 0, "unchanged": 0, "refused": 2}
    assert bulk(program, "edit", range="3330-3339", notes="seen").json["result"]["done"] == 0
    assert bulk(program, "edit", filter={"operator": world.operator_2.pk}, notes="seen").status == 422
    assert world.did("3333").notes == ""


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "sell", "numbers": ["111"]}, "#/action"),
        ({"numbers": ["111"]}, "#"),
        ({"notes": "a"}, "#"),
        ({"numbers": ["111"], "range": "1-2", "notes": "a"}, "#"),
        ({"numbers": [], "notes": "a"}, "#/numbers"),
        ({"numbers": ["111", "x"], "notes": "a"}, "#/numbers/1"),
        ({"numbers": ["id:x"], "notes": "a"}, "#/numbers/0"),
        ({"range": "111", "notes": "a"}, "#/range"),
        ({"range": "441632961280-289", "notes": "a"}, "#/range"),
        ({"filter": {"colour": "red"}, "notes": "a"}, "#/filter"),
        ({"filter": {"status": "sold"}, "notes": "a"}, "#/filter/status"),
        ({"filter": {"status": {"is": 1}}, "notes": "a"}, "#/filter/status"),
        ({"filter": {"as_of": "2026-01-01"}, "notes": "a"}, "#/filter/as_of"),
        ({"filter": {}, "notes": "a"}, "#/expected"),
        ({"numbers": ["111"], "operator": 1, "notes": "a"}, "#/operator"),
        ({"numbers": ["111"], "tags": ["a"], "add_tags": ["b"]}, "#/tags"),
        ({"numbers": ["111"], "add_tags": []}, "#/add_tags"),
        ({"action": "block", "numbers": ["111"], "notes": "a"}, "#/notes"),
        ({"action": "create", "filter": {}, "operator": 1}, "#/filter"),
        ({"action": "create", "numbers": ["111"]}, "#/operator"),
    ],
)
def test_what_is_wrong_with_a_request_is_named_by_its_pointer(body, pointer, program):
    before = Change.objects.count()
    answer = program.post("/dids/bulk", {"action": "edit"} | body)
    assert answer.status == 422
    assert [*answer.errors] == [pointer]
    assert Change.objects.count() == before


def test_another_count_than_expected_is_a_conflict(program, world):
    answer = bulk(program, "edit", filter={"status": "reserved"}, expected=3, notes="seen")
    assert (answer.status, answer.json["code"], answer.json["selected"]) == (409, "unexpected_count", 7)
    assert bulk(program, "edit", filter={"status": "reserved"}, expected=7, notes="seen").status == 200


# --- rehearsals

ACTIONS = [
    {"action": "create", "numbers": ["111", "70010"], "operator": "operator"},
    {"action": "edit", "status": "archive"},
    {"action": "assign", "client": "client"},
    *({"action": name} for name in ("block", "unblock", "hold", "end_hold", "reserve", "put_in_stock")),
    *({"action": name} for name in ("archive", "restore", "delete")),
]


@pytest.mark.parametrize("body", ACTIONS, ids=lambda body: body["action"])
def test_a_rehearsal_writes_nothing_and_says_what_the_action_then_does(body, program, world):
    ids = {"operator": world.operator.pk, "client": world.client.pk}
    body = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    numbers = ["111", "256999", "2567", "2568", "2563", "12567", "999"]
    body = {"numbers": numbers} | body
    before = Change.objects.count()
    rehearsed = program.post("/dids/bulk", body | {"dry_run": True})
    assert (rehearsed.status, Change.objects.count()) == (200, before)

    done = program.post("/dids/bulk", body)
    assert rehearsed.json["result"] == done.json["result"]
    assert rehearsed.json["refusals"] == done.json["refusals"]
    assert done.json["result"]["done"]


# --- jobs


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("edit", "archive", "mass_edit"),
        ("reserve", "reserved", "mass_edit"),
        ("assign", "active", "assign"),
        ("delete", None, "delete"),
    ],
)
def test_many_numbers_are_written_by_a_job_in_one_change(action, status, kind, many, program, world):
    Package = type(world.package)
    Package.objects.filter(pk=world.package.pk).update(did_limit=MANY + 10)
    more = {"edit": {"status": "archive"}, "assign": {"client": world.client.pk}}.get(action, {})
    answer = bulk(program, action, range=many, **more)
    assert answer.status == 202
    job = program.get(answer.headers["Location"])
    assert (job.json["state"], job.json["done"], job.json["total"]) == ("queued", 0, MANY)

    call_command("worker", "--once")
    job = program.get(answer.headers["Location"]).json
    assert (job["state"], job["result"]) == ("done", {"done": MANY, "unchanged": 0, "refused": 0})
    found = DID.objects.filter(number__startswith="700")
    assert {*found.values_list("status", flat=True)} == ({status} if status else set())
    change = Change.objects.get(pk=job["change"])
    assert (change.kind, change.actor_kind) == (kind, "token")


@pytest.mark.parametrize("action", ["block", "unblock", "hold", "end_hold"])
def test_a_job_moves_the_numbers_of_any_client(action, many, program, world, owner):
    Package = type(world.package)
    Package.objects.filter(pk=world.package.pk).update(did_limit=MANY + 10)
    dids = DID.objects.filter(number__startswith="700")
    dids.assign(world.client_package, world.account, by=owner)
    if action in ("unblock", "end_hold"):
        dids.edit(by=owner, status="blocked" if action == "unblock" else "hold")
    answer = bulk(program, action, filter={"q": many, "operator": world.operator.pk})
    call_command("worker", "--once")
    job = program.get(answer.headers["Location"]).json
    assert (job["state"], job["result"]["done"]) == ("done", MANY)
    after = {"block": "blocked", "unblock": "active", "hold": "hold", "end_hold": "instock"}
    assert {*dids.values_list("status", flat=True)} == {after[action]}
    assert Change.objects.get(pk=job["change"]).kind == action


def test_many_numbers_are_created_by_a_job(program, world):
    answer = bulk(program, "create", range="7000000-7002999", operator=world.operator.pk, tags=["gold"])
    assert answer.status == 202
    call_command("worker", "--once")
    assert program.get(answer.headers["Location"]).json["sentence"] == "3,000 numbers created."
    assert DID.objects.filter(tag_set__label="gold").count() == 3_000


def test_what_a_job_refused_is_read_line_by_line(program, many, world):
    numbers = [str(number) for number in range(7_000_000, 7_000_000 + MANY)]
    numbers += ["2567", "2568", *(f"999{n}" for n in range(7))]
    path = bulk(program, "delete", numbers=numbers).headers["Location"]
    call_command("worker", "--once")
    job = program.get(path).json
    assert job["result"] == {"done": MANY, "unchanged": 0, "refused": 9}
    lines = program.get(job["refused_url"])
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in lines.content.decode().splitlines()]
    assert {row["number"] for row in rows if row["code"] == "missing"} == {f"999{n}" for n in range(7)}
    assert {row["number"] for row in rows if row["code"] != "missing"} == {"2567", "2568"}
    table = program.get(job["refused_url"], headers={"Accept": "text/csv"})
    assert table.headers["Content-Type"] == "text/csv"
    header, *others = csv.reader(io.StringIO(table.content.decode()))
    assert header == ["number", "code", "why"]
    assert others == [[row["number"], row["code"], row["why"]] for row in rows]


def test_a_job_is_cancelled_and_an_ended_one_is_not(program, many):
    path = bulk(program, "archive", range=many).headers["Location"]
    cancelled = program.post(f"{path}/cancel")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    again = program.post(f"{path}/cancel")
    assert (again.status, again.json["code"], again.json["current"]["state"]) == (409, "ended", "cancelled")
    assert not DID.objects.filter(number__startswith="700", status="archive").exists()


def test_a_cancelled_job_is_continued_and_one_that_waits_is_not(program, many):
    path = bulk(program, "archive", range=many).headers["Location"]
    waits = program.post(f"{path}/retry")
    assert (waits.status, waits.json["code"], waits.json["current"]["state"]) == (
        409,
        "not_stopped",
        "queued",
    )
    program.post(f"{path}/cancel")
    again = program.post(f"{path}/retry")
    assert (again.status, again.json["state"]) == (202, "queued")
    call_command("worker", "--once")
    assert program.get(path).json["result"]["done"] == MANY


@pytest.mark.parametrize("what", ["cancel", "retry"])
def test_only_a_token_that_may_write_jobs_stops_and_continues_one(api, supervisor, what):
    refused = api(supervisor, "jobs:read").post(f"/jobs/{uuid4()}/{what}")
    assert (refused.status, refused.json["scope"]) == (403, "jobs:write")


def test_a_token_with_scopes_that_are_offered_no_more_keeps_the_others(api, supervisor):
    program = api(supervisor, "jobs:read webhooks:write changes:admin")
    assert (program.get("/jobs").status, program.get("/changes").status) == (200, 200)
    assert program.get("/clients").status == 403


def test_the_jobs_of_a_token_are_listed_page_by_page(program, api, owner, many):
    paths = [bulk(program, action, range=many).headers["Location"] for action in ("archive", "delete")]
    first = program.get("/jobs", limit="1")
    second = program.get(first.json["next"])
    ids = [job["id"] for page in (first, second) for job in page.items]
    assert [path.rpartition("/")[2] for path in reversed(paths)] == ids
    assert [job["kind"] for job in program.get("/jobs", sort="kind").items] == ["delete", "edit"]
    assert program.get("/jobs", state="done").items == api(owner).get("/jobs").items == []


def test_a_job_of_another_token_is_unknown(program, api, stranger, owner, many):
    path = bulk(program, "archive", range=many).headers["Location"]
    for address in (path, f"{path}/refused"):
        assert api(stranger).get(address).status == 404
    assert api(stranger).post(f"{path}/cancel").status == 404
    assert api(owner).get(path).status == 404  # by another token
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize(
    "selecting_all",
    [{}, {"status": []}, {"status": ""}, {"q": " "}, {"operator": []}, {"match": "begins"}, {"change": ""}],
)
def test_a_filter_that_leaves_nothing_out_needs_the_expected_count(program, selecting_all):
    answer = bulk(program, "reserve", filter=selecting_all)
    assert answer.status == 422 and [*answer.errors] == ["#/expected"]


def test_the_only_reseller_of_a_program_leaves_nothing_out(program, world):
    answer = bulk(program, "reserve", filter={"reseller": world.reseller.pk})
    assert [*answer.errors] == ["#/expected"]
    answer = bulk(program, "reserve", filter={"sort": "number", "q": "111"})
    assert [*answer.errors] == ["#/filter/sort"]


def test_a_job_is_cancelled_only_by_a_token_that_may_write_jobs(api, owner, many):
    program = api(owner, "dids:admin jobs:read")
    job = bulk(program, "edit", range=many, notes="seen").json["job"]["id"]
    assert program.post(f"/jobs/{job}/cancel").status == 403
    assert program.get(f"/jobs/{job}").json["state"] == "queued"


def test_what_differs_from_the_rehearsal_is_said_by_cause(api, owner, world):
    """Another program takes numbers between the rehearsal and the act."""
    program, other = api(owner), api(owner)
    numbers = ["111", "112", "113", "114", "115", "116"]
    body = {"action": "put_in_stock", "numbers": numbers}
    rehearsed = program.post("/dids/bulk", body | {"dry_run": True}).json
    assert rehearsed["result"] == {"done": 6, "unchanged": 0, "refused": 0}

    assert other.delete("/dids/111").status == 200
    assert other.post("/dids/112/put-in-stock").status == 200
    assert other.post("/dids/113/put-in-stock").status == 200
    assert other.post("/dids/113/assign", {"account": world.account.pk}).status == 200

    expected = program.post("/dids/bulk", body | {"expected": rehearsed["selected"]})
    assert (expected.status, expected.json["code"]) == (409, "unexpected_count")
    assert (expected.json["expected"], expected.json["selected"]) == (6, 5)
    done = program.post("/dids/bulk", body).json
    assert done["result"] == {"done": 3, "unchanged": 1, "refused": 2}
    causes = {one["code"]: (one["why"], one["numbers"]) for one in done["refusals"]}
    assert {code: numbers for code, (_, numbers) in causes.items()} == {
        "missing": ["111"],
        "active>instock": ["113"],
    }
    assert all(why for why, _ in causes.values())
    filtered = {"action": "archive", "filter": {"status": ["instock"]}, "expected": 3}
    moved = program.post("/dids/bulk", filtered | {"dry_run": True})
    assert (moved.status, moved.json["selected"]) == (409, 5)

"""Lists of numbers as CSV and NDJSON, which have no limit."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from urllib.request import Request, urlopen

import pytest
from django.test import override_settings

from api.changes import ROW
from audit import SYSTEM
from audit.models import Change
from didmgmt.dates import for_programs
from didmgmt.limits import Slots
from dids.models import DID, DIDHistory
from tests.api.conftest import token_of
from tests.carrier import person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
CSV, NDJSON = {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}


@pytest.fixture
def program(api, owner):
    return api(owner)


def objects(answer):
    return [json.loads(line) for line in answer.content.splitlines()]


@pytest.mark.parametrize("query", ["", "status=reserved&sort=-number", "q=2567,999", "client_name=rose"])
def test_a_csv_file_is_the_one_that_the_screen_exports(program, owner, world, query):
    DID.objects.filter(number="111").edit(by=SYSTEM, notes='=HYPERLINK("http://a")')
    file = b"".join(client_of(owner).get(f"/dids/export/?{query}"))
    sent = program.get(f"/dids?{query}", CSV)
    assert sent.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "Accept" in sent.headers["Vary"]
    assert sent.content == file
    if not query:
        assert b"'=HYPERLINK" in sent.content


@pytest.mark.parametrize("query", ["", "status=reserved&sort=-number", "fields=number,changed_at,country"])
def test_ndjson_has_the_objects_of_the_list(program, world, query):
    sent = program.get(f"/dids?{query}", NDJSON)
    assert sent.headers["Content-Type"] == "application/x-ndjson"
    assert objects(sent) == program.get(f"/dids?{query}").items


def test_the_inventory_as_of_a_past_time_is_streamed_too(program, world):
    now = datetime.now(UTC).isoformat()
    assert program.get("/dids", CSV, as_of=now).content == program.get("/dids", CSV).content
    assert objects(program.get("/dids", NDJSON, as_of=now)) == program.get("/dids", as_of=now).items


@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/*", "application/problem+json"])
def test_a_format_that_is_not_offered_is_refused(program, world, accept):
    refused = program.get("/dids", {"Accept": accept})
    assert (refused.status, refused.json["code"]) == (406, "not_acceptable")
    assert "application/json, text/csv or application/x-ndjson" in refused.json["detail"]


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html, */*;q=0.1", "application/*", "text/csv;q=0.2, */*"]
)
def test_json_is_preferred_among_what_is_accepted(program, world, accept):
    assert program.get("/dids", {"Accept": accept}).items


@pytest.mark.parametrize("headers", [CSV, NDJSON])
@pytest.mark.parametrize("parameter", ["limit", "after", "count", "page"])
def test_a_stream_has_no_pages(program, world, headers, parameter):
    refused = program.get("/dids", headers, **{parameter: "1"})
    assert refused.status == 422
    assert refused.errors[f"?{parameter}"].startswith(f"There is no parameter “{parameter}”")


@pytest.mark.parametrize("headers", [CSV, NDJSON])
def test_an_invalid_filter_is_refused_instead_of_sending_everything(program, world, headers):
    refused = program.get("/dids", headers, status="gone")
    assert (refused.status, refused.errors["?status"]) == (422, "There is no status “gone”.")


@pytest.mark.parametrize("headers", [CSV, NDJSON])
def test_a_stream_needs_the_right_to_export(api, world, headers):
    viewer = api(person("vera", "dids.view_did", reseller=world.reseller))
    assert viewer.get("/dids").status == 200
    refused = viewer.get("/dids", headers)
    assert (refused.status, refused.json["permission"]) == (403, "dids.export_did")


@pytest.mark.parametrize("headers", [CSV, NDJSON])
def test_a_stream_has_only_the_numbers_of_the_own_reseller(program, world, headers):
    assert b"2567" in program.get("/dids", headers).content
    assert b"3333" not in program.get("/dids", headers).content


@pytest.mark.parametrize("headers", [CSV, NDJSON])
def test_memory_does_not_grow_with_the_rows(api, owner, world, headers):
    """Some rows are sent before the measurement, which leaves out what is read and kept once."""
    DID.objects.create_numbers(
        [str(n) for n in range(700_000, 712_000)], operator=world.operator, by=SYSTEM, notes="x" * 100
    )
    program = api(owner)
    response = program.response("GET", "/dids", headers=headers)
    assert response.streaming, response.content
    chunks = iter(response)
    sent = 0
    while sent < 300_000:
        sent += len(next(chunks))
    tracemalloc.start()
    try:
        rest = sum(map(len, chunks))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rest > 1_000_000
    print("PEAK", peak, rest)
    assert peak < 4_000_000


@override_settings(EXPORTS_AT_ONCE=1)
def test_more_streams_at_once_than_the_limit_are_refused_for_a_while(program, world, monkeypatch):
    slots = Slots(1, 3)
    monkeypatch.setattr("didmgmt.downloads._written", lambda: slots)
    first = program.response("GET", "/dids", headers=CSV)
    refused = program.get("/dids", NDJSON)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    assert refused.json["detail"].startswith("You are already downloading 1 files")
    assert b"".join(first)
    assert program.get("/dids", NDJSON).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "operators",
        "resellers",
        "clients",
        "accounts",
        "packages",
        "client-packages",
        "tags",
        "changes",
        "jobs",
    ],
)
def test_every_list_is_streamed_with_its_fields(path, program, world, monkeypatch):
    program.patch("/dids/111", {"tags": ["gold"], "notes": "=1"})
    monkeypatch.setattr("api.lists.MOST", 2)
    items = program.get(f"/{path}", limit=2).items
    rest = program.get(f"/{path}", NDJSON)
    assert rest.headers["Content-Type"] == "application/x-ndjson"
    assert objects(rest)[:2] == items
    header, *rows = csv.reader(io.StringIO(program.get(f"/{path}", CSV).content.decode()))
    assert len(rows) == len(objects(rest))
    if rows:
        assert header == [*items[0]]
    assert program.get(f"/{path}", {"Accept": "text/html"}).status == 406


# --- what a change wrote


def test_the_rows_of_a_change_are_those_of_its_file(program, owner, world):
    DID.objects.filter(number__in=["111", "112"]).edit(by=owner, notes="=1+1", tags=["gold"])
    change = Change.objects.latest("pk").pk
    file = b"".join(client_of(owner).get(f"/audit/{change}/rows.csv")).decode("utf-8-sig")
    streamed = program.get(f"/changes/{change}/rows", CSV).content.decode("utf-8-sig")
    mine, theirs = (list(csv.reader(text.splitlines())) for text in (streamed, file))
    assert [row[1:] for row in mine] == [row[1:] for row in theirs]
    times = DIDHistory.objects.filter(change=change).values_list("at", flat=True)
    assert {row[0] for row in mine[1:]} == {for_programs(at) for at in times}
    rows = objects(program.get(f"/changes/{change}/rows"))
    assert {(row["object"], row["field"], row["new"]) for row in rows} == {
        (number, *one) for number in ("111", "112") for one in (("Notes", "=1+1"), ("Tag", "gold"))
    }
    assert {*rows[0]} == {*json.loads(ROW)}
    assert program.get(f"/changes/{change}/rows", {"Accept": "application/json"}).status == 406


def test_the_rows_of_a_change_of_another_reseller_are_not_found(program, world):
    DID.objects.filter(number="3333").edit(by=SYSTEM, notes="secret")
    assert program.get(f"/changes/{Change.objects.latest('pk').pk}/rows").status == 404


# --- a real server


@pytest.mark.django_db(transaction=True)
def test_a_real_server_sends_a_stream_and_takes_a_write(live_server, request):
    world = request.getfixturevalue("world")
    token = token_of(member("Supervisor", username="clara", reseller=world.reseller))

    def send(path, body=None, **headers):
        headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url, data = f"{live_server.url}/api/v1{path}", body and json.dumps(body).encode()
        with urlopen(Request(url, data, headers), timeout=20) as response:  # noqa: S310 - our own server
            return response.status, response.headers, response.read()

    status, headers, content = send("/dids", Accept="text/csv")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert content.count(b"\r\n") == 1 + DID.objects.filter(operator=world.operator).count()
    _, _, lines = send("/dids", Accept="application/x-ndjson")
    assert len(lines.splitlines()) == content.count(b"\r\n") - 1
    status, headers, content = send("/operators", {"name": "New"})
    assert status == 201
    assert json.loads(send(headers["Location"].partition("/api/v1")[2])[2])["name"] == "New"
    assert json.loads(content)["sentence"] == "Operator New saved."

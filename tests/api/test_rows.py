"""Numbers that are created and edited from rows of CSV and NDJSON."""

import csv
import gzip
import io
import json
import tracemalloc

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from api.urls import _document
from audit.models import Change
from clients.models import Account, Client
from didmgmt.models import SentRequest
from dids.imports.bodies import COLUMNS, Columns
from dids.models import DID, ClientPackage, DIDHistory, TagSet
from dids.models.staging import ImportBatch, ImportRow
from jobs.models import SMALL, Job
from operators.models import Operator
from tests.api.conftest import Answer, Program, token_of
from tests.imports import imported
from tests.kills import Nursery, is_running, killed_again_and_again
from tests.world import make_world, member

pytestmark = pytest.mark.django_db
CSV, NDJSON = "text/csv", "application/x-ndjson"
KEY = {"Idempotency-Key": "delivery-7"}


def send(program, body, action="create", kind=CSV, headers=None, **parameters):
    """Send a body of rows; a list is sent as NDJSON."""
    if isinstance(body, list):
        body, kind = "".join(f"{json.dumps(one)}\n" for one in body), NDJSON
    content = body.encode() if isinstance(body, str) else body
    query = {"action": action, **parameters}
    path = "/api/v1/dids/bulk/rows"
    return Answer(
        program._browser.generic(
            "POST", path, content, kind, headers=headers, query_params=query, CONTENT_TYPE=kind
        )
    )


def lines_of(answer):
    """Return {line: (column, code)} of the refused rows."""
    return {row["line"]: (row["column"], row["code"]) for row in answer.json["refused_rows"]}


@pytest.fixture
def program(api, owner):
    return api(owner)


# --- what rows say


def test_rows_of_csv_have_values_of_their_own(program, world):
    body = (
        "number,operator,status,tags,notes,hold_days\r\n"
        '+44 4000,DID Operator,reserved,"vip, gold","first, of ""two""",30\r\n'
        f"4001,id:{world.operator.pk},,,'=1+1,\r\n"
    )
    answer = send(program, body)
    assert (answer.status, answer.json["sentence"]) == (200, "2 numbers created."), answer.content
    assert answer.json["result"] == {"done": 2, "unchanged": 0, "refused": 0}
    one, other = world.did("444000"), world.did("4001")
    assert (one.status, one.tag_set.label, one.notes) == ("reserved", "gold, vip", 'first, of "two"')
    assert (one.hold_days, other.hold_days, other.operator, other.notes) == (30, None, world.operator, "=1+1")
    change = Change.objects.get(pk=answer.json["change"])
    assert (change.kind, change.actor_kind, change.touched) == ("import", "token", 2)
    assert not Job.objects.exists() and not ImportRow.objects.exists() and not ImportBatch.objects.exists()


def test_objects_of_ndjson_say_the_same(program, world):
    body = [
        {"number": "4000", "operator": world.operator.pk, "tags": ["vip", "gold"], "notes": "'=1+1"},
        {"operator": {"id": world.operator.pk, "name": "any"}, "number": "4001", "hold_days": 0},
        {"number": "4002", "operator": "DID Operator", "tags": None, "notes": "two\nlines"},
    ]
    assert send(program, body).json["sentence"] == "3 numbers created."
    notes = DID.objects.filter(number__startswith="400").order_by("number").values_list("notes", flat=True)
    assert [*notes] == ["'=1+1", "", "two\nlines"]
    assert (world.did("4000").tag_set.label, world.did("4001").hold_days) == ("gold, vip", 0)


def test_parameters_say_what_rows_leave_out(program, world):
    given = {"operator": world.operator.pk, "status": "reserved", "tags": "gold,vip", "notes": "new"}
    assert send(program, "number,notes\n4000,own\n4001,\n", **given).json["result"]["done"] == 2
    one, other = world.did("4000"), world.did("4001")
    assert (one.notes, other.notes) == ("own", "new")
    assert {did.tag_set.label for did in (one, other)} == {"gold, vip"}
    assert {did.status for did in (one, other)} == {"reserved"}


def test_rows_edit_what_they_name_and_leave_the_rest(program, world):
    DID.objects.filter(number__in=["111", "112"]).edit(by=member("Clerk"), notes="old", tags=["gold"])
    answer = send(program, "number,notes,status\n111,new,archive\n112,,\n999,,\n", "edit")
    assert answer.json["result"] == {"done": 1, "unchanged": 1, "refused": 1}
    assert answer.json["sentence"] == "1 number changed, 1 unchanged. 1 row refused."
    assert lines_of(answer) == {4: ("number", "missing")}
    one, other = world.did("111"), world.did("112")
    assert (one.notes, one.status, one.tag_set.label) == ("new", "archive", "gold")
    assert (other.notes, other.status) == ("old", "reserved")


def test_empty_cells_clear_only_if_the_program_says_so(program, world):
    DID.objects.filter(number__in=["111", "112", "113"]).edit(by=member("Clerk"), notes="old", tags=["gold"])
    assert send(program, "number,notes\n111,\n", "edit", empty="clear").json["result"]["done"] == 1
    body = [{"number": "112", "tags": []}, {"number": "113", "notes": ""}, {"number": "113"}]
    answer = send(program, body, "edit", empty="clear")
    assert lines_of(answer) == {2: ("notes", "unreadable"), 3: ("tags", "unreadable")}
    assert (world.did("111").notes, world.did("111").tag_set.label) == ("", "gold")
    assert (world.did("112").notes, world.did("112").tag_set) == ("old", None)
    assert (world.did("113").notes, world.did("113").tag_set.label) == ("old", "gold")


def test_numbers_are_edited_by_their_ids(program, world):
    body = f"id,notes\n{world.did('111').pk},seen\n999999,seen\n{world.did('3333').pk},seen\nx,seen\n"
    answer = send(program, body, "edit")
    assert lines_of(answer) == {3: ("id", "no_id"), 4: ("id", "no_id"), 5: ("id", "unreadable")}
    assert (world.did("111").notes, world.did("3333").notes) == ("seen", "")


def test_numbers_are_given_to_clients_by_names_or_ids(program, world):
    names = "number,status,client,account,client_package\n256999,active,Rose Orig,rose_orig,Basic\n"
    assert send(program, names, "edit").json["result"]["done"] == 1
    holder = {"account": world.account.pk, "client_package": world.client_package.pk}
    body = [{"number": "4000", "status": "active", "operator": world.operator.pk, **holder}]
    assert send(program, body).json["result"]["done"] == 1
    for number in ("256999", "4000"):
        did = world.did(number)
        assert (did.status, did.account, did.client_package) == (
            "active",
            world.account,
            world.client_package,
        )


def test_an_id_means_its_record_or_nothing(program, world, api, administrator):
    """Records of the same name exist elsewhere; those that are not visible look like none."""
    theirs = Client.objects.create(reseller=world.reseller_2, name="Rose Orig")
    account = Account.objects.create(client=theirs, name="rose_orig")
    twin = Operator.objects.create(reseller=world.reseller_2, name="DID Operator")
    for record in ("operator", "client", "account", "client_package"):
        hidden = {"operator": twin, "client": theirs, "account": account}.get(record)
        body = [
            {"number": "4000", "operator": world.operator.pk, record: hidden.pk if hidden else 999_999},
            {"number": "4001", "operator": world.operator.pk, record: 10**30},
            {"number": "4002", "operator": world.operator.pk, record: 999_999},
        ]
        answer = send(program, body)
        refused = answer.json["refused_rows"]
        assert {row["column"] for row in refused} == {record}, answer.content
        assert refused[0]["why"] == refused[2]["why"]
        assert b"Reseller 2" not in answer.content
    body = f"number,operator,client\n4001,id:{twin.pk},\n4002,id:{twin.pk},id:{world.client.pk}\n"
    answer = send(api(administrator), body)
    assert lines_of(answer) == {3: ("client", "unreadable")}
    assert world.did("4001").operator == twin


def test_the_right_one_of_two_packages_of_a_client_is_meant_or_none(program, world):
    other = ClientPackage.objects.create(client=world.client, package=world.package)
    rows = [
        {"number": n, "operator": world.operator.pk, "status": "active", "account": world.account.pk, **more}
        for n, more in (
            ("4000", {"client_package": world.client_package.pk}),
            ("4001", {"client_package": other.pk}),
        )
    ]
    answer = send(program, rows)
    assert lines_of(answer) == {2: ("client_package", "unreadable")}
    assert world.did("4000").client_package == world.client_package


# --- what is refused

DOUBTFUL = {
    "4.42072E+11": "number",
    "4420-4429": "number",
    "441632961280-289": "number",
    "4420 7183 8750, 4420 7183 8751": "number",
    "+44 (0)20 7946 0000": "number",
    "1.234,5": "number",
    "tomorrow": "number",
    "": "number",
    "9" * 21: "number",
}


def test_doubtful_cells_are_refused_at_their_rows_and_the_others_written(program, world):
    text = io.StringIO()
    csv.writer(text).writerows([["number", "notes"], ["4000", ""], *([cell, "x"] for cell in DOUBTFUL)])
    answer = send(program, text.getvalue(), operator=world.operator.pk)
    assert answer.json["result"] == {"done": 1, "unchanged": 0, "refused": len(DOUBTFUL)}
    assert {line: column for line, (column, _) in lines_of(answer).items()} == dict(
        enumerate(DOUBTFUL.values(), start=3)
    )
    assert all(row["why"] and row["code"] for row in answer.json["refused_rows"])
    assert answer.json["refused_rows"][0]["pointer"] == "#/rows/3/number"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("number", 442071838750),
        ("number", 4.4e11),
        ("status", 1),
        ("tags", "gold"),
        ("tags", ["a,b"]),
        ("tags", [1]),
        ("hold_days", "30"),
        ("hold_days", True),
        ("hold_days", 1.5),
        ("hold_days", 400),
        ("operator", True),
        ("operator", 1.0),
        ("operator", {"name": "DID Operator"}),
        ("operator", "id:x"),
        ("operator", -1),
        ("notes", ["a"]),
        ("notes", "\ud800"),
        ("notes", "a\0b"),
        ("notes", "x" * 501),
        ("status", "sold"),
    ],
)
def test_a_member_of_another_kind_is_refused_at_its_row(member, value, program, world):
    rows = [{"number": "4000"}, {"number": "4001"} | {member: value}]
    answer = send(program, rows, operator=world.operator.pk)
    assert (answer.status, answer.json["result"]["done"]) == (200, 1)
    if value == {"name": "DID Operator"}:
        return
    assert [(line, column) for line, (column, _) in lines_of(answer).items()] == [(2, member)]


def test_lines_that_are_no_objects_are_refused(program, world):
    first = json.dumps({"number": "4000"})
    others = [
        "[]",
        "{",
        "nothing",
        '{"number": "4001", "number": "4002"}',
        '{"colour": "red"}',
        "\x00",
        "1" * 9,
    ]
    body = (
        "\n".join([first, "", *others, '{"number": "4003"}']).encode()
        + b'\n{"number": "\xff"}\n'
        + b"[" * 9999
    )
    answer = send(program, body, kind=NDJSON, operator=world.operator.pk)
    assert answer.json["result"]["done"] == 2, answer.content
    found = lines_of(answer)
    assert [*found] == [3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert {code for _, code in found.values()} == {"unreadable"}


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        ("number,colour\n1,red\n", "#/rows/1/colour", "There is no column “colour”."),
        ("number,note\n1,red\n", "#/rows/1/note", "did you mean “notes”?"),
        ("DID,Notes\n1,red\n", "#/rows/1/DID", "did you mean “number”?"),
        ("number,Package\n1,red\n", "#/rows/1/Package", "did you mean “client_package”?"),
        ("number;notes\n1;red\n", "#/rows/1/number;notes", "Separate columns by commas."),
        ("number,a/b\n", "#/rows/1/a~1b", "There is no column “a/b”."),
        ("number,notes,notes\n", "#/rows/1/notes", "There are two columns “notes”. Keep one."),
        ("notes\nred\n", "#/rows/1/number", "Name each number by one column, “number”."),
        ("id,notes\n1,red\n", "#/rows/1/id", "There is no column “id”"),
        ("4000\n4001\n", "#/rows/1/4000", "There is no column “4000”."),
        ("", "#/rows/1", "The body is empty."),
        (b"\xff\xfe\n", "#/rows/1", "Some bytes are not valid in the encoding Unicode (UTF-8)"),
        ([{"number": "1", "colour": 1}], "#/rows/1/colour", "There is no column “colour”."),
        ([{"notes": "x"}], "#/rows/1/number", "Name each number by one column"),
        ([["number"]], "#/rows/1", "This line is not a JSON object."),
        ([], "#/rows/1", "The body is empty."),
        (["\ud800"], "#/rows/1", "This line is not a JSON object."),
        ([{"number": "1", "\ud800": 1}], "#/rows/1/ ", "There is no column"),
    ],
)
def test_what_is_wrong_with_the_columns_is_refused_at_once(body, pointer, sentence, program, world):
    answer = send(program, body)
    assert (answer.status, [*answer.errors]) == (422, [pointer]), answer.content
    assert sentence in answer.errors[pointer]


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"action": "sell"}, "?action"),
        ({"action": ""}, "?action"),
        ({"action": "block"}, "?action"),
        ({"dry_run": "yes"}, "?dry_run"),
        ({"empty": "clear"}, "?empty"),
        ({"action": "edit", "empty": "x"}, "?empty"),
        ({"action": "edit", "operator": "1"}, "?operator"),
        ({"operator": "999999"}, "?operator"),
        ({"status": "active"}, "?status"),
        ({"notes": "x" * 501}, "?notes"),
        ({"dryrun": "true"}, "?dryrun"),
    ],
)
def test_what_is_wrong_with_the_parameters_is_named(parameters, pointer, program, world):
    answer = send(program, "number\n4000\n", **parameters)
    assert (answer.status, [*answer.errors]) == (422, [pointer]), answer.content
    assert not DID.objects.filter(number="4000").exists()


def test_the_operator_of_another_reseller_is_unknown(program, world):
    assert send(program, "number\n4000\n", operator=world.operator_2.pk).status == 422
    answer = send(program, "number,operator\n4000,DID Operator 2\n")
    assert lines_of(answer) == {2: ("operator", "operator_unknown")}
    assert "name it by its id, as in id:17" in answer.json["refused_rows"][0]["why"]


def test_numbers_of_another_reseller_are_missing(program, world):
    answer = send(program, "number,notes\n3333,seen\n999,seen\n", "edit")
    assert lines_of(answer) == {2: ("number", "missing"), 3: ("number", "missing")}
    whys = {row["why"] for row in answer.json["refused_rows"]}
    assert len(whys) == 1 and world.did("3333").notes == ""
    answer = send(program, "number\n111\n3333\n", operator=world.operator.pk)
    assert lines_of(answer) == {2: ("number", "exists"), 3: ("number", "outside")}


def test_rows_need_the_rights_that_each_of_them_needs(api, owner, world):
    reader = api(owner, "dids:read")
    for action, right in (("create", "dids.add_did"), ("edit", "dids.change_did")):
        refused = send(reader, "number\n111\n", action)
        assert (refused.status, refused.json["permission"]) == (403, right)
    clerk = api(member("Clerk", username="claus", reseller=world.reseller))
    holder = "Rose Orig,rose_orig,Basic"
    body = f"number,status,client,account,client_package\n256999,active,{holder}\n111,archive,,,\n"
    answer = send(clerk, body, "edit")
    assert answer.json["result"] == {"done": 1, "unchanged": 0, "refused": 1}
    assert lines_of(answer) == {2: ("status", "instock>active:right")}


def test_nothing_is_written_if_all_or_nothing_was_sent_and_a_row_is_refused(program, world):
    before = Change.objects.count()
    body = "number,notes\n111,seen\n999,seen\n113,seen\n"
    answer = send(program, body, "edit", all_or_nothing="true", headers=KEY)
    assert (answer.status, answer.json["code"], answer.json["refused"]) == (422, "rows_refused", 1)
    assert [*answer.errors] == ["#/rows/3/number"]
    assert Change.objects.count() == before and not SentRequest.objects.exists()
    body = body.replace("999", "112")
    assert send(program, body, "edit", all_or_nothing="true", headers=KEY).json["result"]["done"] == 3


# --- as people’s imports


ROWS = """DID,Status,Operator,Client,Account,Package,Tag,Notes,After Hold,Hold days
4000,In Stock,DID Operator,,,,gold,first,,30
4001,Active,DID Operator,Rose Orig,rose_orig,Basic,"gold, vip",,Reserved,
4002,Active,DID Operator,Rose Orig,rose_orig,Basic,,,,
4003,Active,DID Operator,Rose Orig,rose_orig,Basic,,no place,,
4000,Reserved,DID Operator,,,,,twice,,
4004,Sold,DID Operator,,,,,,,
4005,Active,DID Operator,Rose Orig,,Basic,,,,
4006,In Stock,DID Operator,Rose Orig,rose_orig,Basic,,,,
4007,In Stock,Nobody,,,,,,,
4008,Hold,DID Operator,Rose Orig,rose_orig,Basic,,,,0
4009,In Stock,,,,,,,,
4.4E+11,In Stock,DID Operator,,,,,,,
4010,In Stock,DID Operator,,,,,,,999
4011,In Stock,DID 0perator,,,,,,,
"""
EDITS = """DID,Status,Client,Account,Package,Tag,Notes
111,Archive,,,,gold,seen
112,Reserved,,,,,
2567,Blocked,,,,,
2568,Hold,,,,,seen
2563,Active,,,,,
256999,Active,Rose Orig,rose_orig,Basic,,
12567,Active,Rose Orig,rose_orig,Basic,,
113,Active,,,,,
114,In Stock,,,,Gold,
114,In Stock,,,,,
115,,Rose Orig,,,,
"""


def written(change):
    """Return what a change wrote, number by number."""
    rows = DIDHistory.objects.filter(change=change).order_by("number", "history_id")
    left_out = {"history_id", "object_id", "change_id", "at", "id", "hold_from", "hold_until"}
    return [{name: value for name, value in row.items() if name not in left_out} for row in rows.values()]


@pytest.mark.parametrize(("action", "rows"), [("create", ROWS), ("edit", EDITS)])
def test_rows_are_written_and_refused_as_those_of_an_imported_file(action, rows, program, world, owner):
    kinds = {"DID": "number", "Tag": "tags", "Package": "client_package"}
    table = list(csv.reader(io.StringIO(rows)))
    names = [kinds.get(name, name.lower().replace(" ", "_")) for name in table[0]]
    text = io.StringIO()
    csv.writer(text).writerows([names, *table[1:]])

    for tags in (["gold"], ["gold", "vip"]):  # with the same ids for both
        TagSet.of(tags)
    with transaction.atomic():
        done = imported(rows, owner)
        people = {one["line"]: one["what"] for one in done.explained(done.refused)}
        theirs, status = written(done.job.change_id), dict(DID.objects.values_list("number", "status"))
        counts = done.counts
        transaction.set_rollback(True)

    answer = send(program, text.getvalue(), action)
    ours = written(answer.json["change"])
    assert theirs and ours == theirs
    assert dict(DID.objects.values_list("number", "status")) == status
    found = answer.json["result"]
    assert found == {
        "done": counts["created"] + counts["updated"],
        "unchanged": counts["unchanged"],
        "refused": counts["refused"],
    }
    whys = {row["line"]: row["why"] for row in answer.json["refused_rows"]}
    assert whys.keys() == people.keys()
    assert all(whys[line].startswith(what) for line, what in people.items())


# --- rehearsals


def test_a_rehearsal_writes_nothing_and_says_what_the_rows_then_do(program, world):
    before = Change.objects.count(), DID.objects.count()
    for action, body in (
        ("create", "number,operator\n4000,DID Operator\n111,DID Operator\n4001,Nobody\n"),
        ("edit", "number,notes\n111,seen\n112,\n999,seen\n"),
    ):
        rehearsed = send(program, body, action, dry_run="true")
        assert (rehearsed.status, rehearsed.json["dry_run"], rehearsed.json["selected"]) == (200, True, 3)
        assert (Change.objects.count(), DID.objects.count()) == before
        assert not Job.objects.exists() and not ImportRow.objects.exists()
        done = send(program, body, action)
        for name in ("result", "refusals", "refused_rows"):
            assert rehearsed.json[name] == done.json[name]
        assert done.json["result"]["done"] == 1
        before = Change.objects.count(), DID.objects.count()


# --- jobs


def many_rows(count=SMALL, notes="first"):
    """Return CSV with more rows than a request writes, of which the last two are refused."""
    rows = "".join(f"{7_000_000 + n},{notes}\n" for n in range(count))
    return f"number,notes\n{rows}111,\n4.4E+11,x\n"


def test_many_rows_become_a_job_whose_refused_rows_are_read(program, world):
    answer = send(program, many_rows(), operator=world.operator.pk, tags="gold")
    assert answer.status == 202, answer.content
    path = answer.headers["Location"]
    job = program.get(path).json
    assert (job["state"], job["total"], job["kind"]) == ("queued", SMALL + 2, "rows")
    call_command("worker", "--once")
    job = program.get(path).json
    assert (job["state"], job["done"], job["total"]) == ("done", SMALL + 2, SMALL + 2)
    assert job["result"] == {"done": SMALL, "unchanged": 0, "refused": 2}
    assert job["sentence"] == "2,000 numbers created. 2 rows refused."
    codes = {one["code"]: one["count"] for one in job["refusals"]}
    assert codes["exists"] == 1 and sum(codes.values()) == 2
    assert DID.objects.filter(tag_set__label="gold").count() == SMALL
    change = Change.objects.get(pk=job["change"])
    assert (change.actor_kind, change.touched) == ("token", SMALL)

    rows = [json.loads(line) for line in program.get(job["refused_url"]).content.splitlines()]
    assert [(row["line"], row["column"], row["number"], row["value"]) for row in rows] == [
        (SMALL + 2, "number", "111", "111"),
        (SMALL + 3, "number", None, "4.4E+11"),
    ]
    table = program.get(job["refused_url"], headers={"Accept": CSV}).content.decode()
    assert [*csv.DictReader(io.StringIO(table))] == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    assert [one["kind"] for one in program.get("/jobs").items] == ["rows"]


def test_a_job_rehearses_and_keeps_only_the_refused_rows(program, world):
    before = Change.objects.count()
    answer = send(program, many_rows(), operator=world.operator.pk, dry_run="true")
    call_command("worker", "--once")
    job = program.get(answer.headers["Location"]).json
    assert (job["state"], job["change"]) == ("done", None)
    assert job["sentence"] == "2,000 numbers would be created. 2 rows refused."
    assert (job["result"]["done"], len(job["refusals"])) == (SMALL, 2)
    assert Change.objects.count() == before and not DID.objects.filter(number__startswith="7000").exists()
    assert ImportRow.objects.count() == 2
    assert len(program.get(job["refused_url"]).content.splitlines()) == 2


def test_a_job_writes_nothing_if_all_or_nothing_was_sent(program, world):
    answer = send(program, many_rows(), operator=world.operator.pk, all_or_nothing="true")
    call_command("worker", "--once")
    job = program.get(answer.headers["Location"]).json
    assert (job["state"], job["result"]) == ("failed", {"done": 0, "unchanged": 0, "refused": 2})
    assert job["error"] == (
        "Nothing was written: 2 rows are refused (lines 2,002, 2,003) and you sent all_or_nothing=true."
        " Correct them, or send all_or_nothing=false to write the others."
    )
    assert not DID.objects.filter(number__startswith="7000").exists()
    assert len(program.get(job["refused_url"]).content.splitlines()) == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite sorts in memory")
def test_what_a_job_has_written_is_counted_without_sorting_it(program, world):
    send(program, many_rows(), operator=world.operator.pk)
    with CaptureQueriesContext(connection) as seen:
        call_command("worker", "--once")
    counts = [one["sql"] for one in seen if '"created_instock"' in one["sql"]]
    assert counts
    for sql in counts:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert "TEMP B-TREE" not in str(cursor.fetchall())


def test_too_many_rows_for_all_or_nothing_are_refused_in_words_for_programs(program, world, settings):
    settings.REQUEST_LIMIT = SMALL
    answer = send(program, many_rows(), operator=world.operator.pk, all_or_nothing="true")
    call_command("worker", "--once")
    assert program.get(answer.headers["Location"]).json["error"] == (
        "all_or_nothing=true works for at most 2,000 rows, because they are written in one transaction."
        " Send all_or_nothing=false, or fewer rows at once."
    )


def test_a_job_is_cancelled_before_it_begins(program, world):
    path = send(program, many_rows(), operator=world.operator.pk).headers["Location"]
    assert program.post(f"{path}/cancel").json["state"] == "cancelled"
    call_command("worker", "--once")
    assert not DID.objects.filter(number__startswith="7000").exists()


def test_a_job_ends_when_its_token_loses_the_right(program, owner, world):
    path = send(program, many_rows(), operator=world.operator.pk).headers["Location"]
    owner.groups.clear()
    call_command("worker", "--once")
    job = Job.objects.get(pk=path.rpartition("/")[2])
    assert job.result["applied"]["refused"] == SMALL + 2
    assert not DID.objects.filter(number__startswith="7000").exists()


# --- bodies


def test_a_compressed_body_is_read(program, world):
    body = gzip.compress(many_rows(2).encode())
    gzipped = {"Content-Encoding": "gzip"}
    assert send(program, body, operator=world.operator.pk, headers=gzipped).json["result"]["done"] == 2
    many = gzip.compress(many_rows().encode())
    assert send(program, many, operator=world.operator.pk, headers=gzipped).status == 202
    call_command("worker", "--once")
    assert Job.objects.get().result["applied"]["created"] == SMALL - 2
    damaged = send(program, body[:-9], operator=world.operator.pk, headers=gzipped)
    assert (damaged.status, damaged.json["code"]) == (400, "unreadable")


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("application/json", {}),
        ("text/csv; charset=latin-1", {}),
        ("", {}),
        (CSV, {"Content-Encoding": "br"}),
    ],
)
def test_other_types_are_refused_with_those_that_are_read(kind, headers, program, world):
    answer = send(program, "number\n4000\n", kind=kind, headers=headers)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_type")
    assert [*answer.errors] == ["Content-Encoding" if headers else "Content-Type"]


@override_settings(UPLOAD_LIMIT=2 << 20)
def test_a_body_above_the_limit_is_refused_with_the_limit(program, world):
    answer = send(program, b"number\n" + b"1" * (2 << 20))
    assert (answer.status, answer.json["code"], answer.json["limit"]) == (413, "too_large", 2 << 20)
    assert "2 MB" in answer.json["detail"]


def test_a_body_that_is_cut_off_is_refused(program, world):
    body = b"number\n442071838750\n44207183875"  # the last of which would be another number
    response = program._browser.generic(
        "POST",
        "/api/v1/dids/bulk/rows",
        b"x",
        CSV,
        query_params={"action": "create", "operator": world.operator.pk},
        **{"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body) + 1)},
    )
    assert (response.status_code, response.json()["code"]) == (400, "unreadable")
    assert "31 of its 32 bytes" in response.json()["detail"]
    assert not DID.objects.filter(number__startswith="44207").exists()


WIDTH = 224  # bytes of a row


class Endless(io.RawIOBase):
    """A body of many rows that is not in memory."""

    def __init__(self, rows):
        self.head, self.left = b"number,notes\n", rows

    def read(self, size=-1):
        head, self.head = self.head, b""
        rows = min(self.left, (size - len(head)) // WIDTH)
        first = 10**11 - self.left
        self.left -= rows
        return head + b"".join(b"%012d,%s\n" % (first + n, b"x" * (WIDTH - 14)) for n in range(rows))


def test_memory_does_not_grow_with_the_body(program, world):
    rows = 150_000
    size = 13 + WIDTH * rows
    query = {"action": "create", "operator": world.operator.pk}
    send(program, "number\n4000\n", **query)  # what is read and kept once
    send(program, many_rows(), **query)
    Job.objects.all().delete()
    tracemalloc.start()
    try:
        response = program._browser.generic(
            "POST",
            "/api/v1/dids/bulk/rows",
            b"x",
            CSV,
            query_params=query,
            **{"wsgi.input": Endless(rows), "CONTENT_LENGTH": str(size)},
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (response.status_code, Job.objects.get().total) == (202, rows)
    assert Job.objects.get().file.size == size
    assert peak < 12_000_000 < size / 2


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_memory_does_not_grow_with_the_rows(kind):
    row = b"442071838750,seen\n" if kind == "csv" else b'{"number": "442071838750", "notes": "seen"}\n'
    columns = Columns(kind, ("number", "notes"))
    with ContentFile(row * 50_000) as file:
        rows = columns.rows(file)
        next(rows)
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows) == 49_999
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 1_500_000


# --- keys


def test_a_key_is_bound_to_the_body_and_carries_it_out_once(program, world):
    body, given = "number\n4000\n", {"operator": world.operator.pk, "headers": KEY}
    first, again = (send(program, body, **given) for _ in range(2))
    assert first.content == again.content and again.headers["Idempotent-Replayed"] == "true"
    assert Change.objects.filter(kind="import").count() == 1
    for other in (send(program, "number\n4001\n", **given), send(program, body, dry_run="true", **given)):
        assert (other.status, other.json["code"]) == (422, "key_used")
    many, others = many_rows(), KEY | {"Idempotency-Key": "another"}
    first, again = (send(program, many, operator=world.operator.pk, headers=others) for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    assert Job.objects.count() == 1


def test_a_body_that_is_compressed_again_is_the_same_body(program, world):
    body, given = b"number\n4000\n", {"operator": world.operator.pk}
    for moment in (1, 2):  # seconds, which an archive tells
        headers = KEY | {"Content-Encoding": "gzip"}
        answer = send(program, gzip.compress(body, mtime=moment), headers=headers, **given)
        assert (answer.status, answer.json["sentence"]) == (200, "1 number created.")
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert send(program, body, headers=KEY, **given).headers["Idempotent-Replayed"] == "true"
    other = gzip.compress(b"number\n4001\n", mtime=2)
    assert send(program, other, headers=headers, **given).json["code"] == "key_used"


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_after_its_commit_has_answered():
    world = make_world()
    token = token_of(member("Supervisor", username="owner", reseller=world.reseller))
    path = f"/api/v1/dids/bulk/rows?action=create&operator={world.operator.pk}"
    sent = {"token": token, "path": path, "body": "number\n4000\n4001\n", "key": "delivery-7", "kind": CSV}
    with Nursery() as processes:
        process = processes.start(f"program {json.dumps(sent)}")
        while is_running(process):
            pass
    assert SentRequest.objects.get().status_code == 200
    answer = send(Program(token), sent["body"], operator=world.operator.pk, headers=KEY)
    assert (answer.status, answer.json["sentence"]) == (200, "2 numbers created.")
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert DIDHistory.objects.filter(change=answer.json["change"]).count() == 2


@pytest.mark.django_db(transaction=True)
def test_rows_are_written_once_however_often_the_worker_dies():
    world = make_world()
    program = Program(token_of(member("Supervisor", username="owner", reseller=world.reseller)))
    body, given = many_rows(3_000), {"operator": world.operator.pk, "headers": KEY}
    path = send(program, body, **given).headers["Location"]
    job = Job.objects.get()
    with Nursery() as workers:
        assert killed_again_and_again(workers, job, 3, lambda job: job.is_finished) == 3
    assert send(program, body, **given).headers["Location"] == path
    assert program.get(path).json["result"] == {"done": 3_000, "unchanged": 0, "refused": 2}
    rows = DIDHistory.objects.filter(change=job.change)
    assert rows.count() == rows.values("object_id").distinct().count() == job.change.touched == 3_000


# --- the document


def test_the_documented_examples_are_understood(program, world):
    Operator.objects.create(reseller=world.reseller, name="Northline")
    content = json.loads(_document())["paths"]["/api/v1/dids/bulk/rows"]["post"]["requestBody"]["content"]
    for kind, one in content.items():
        body = one["example"].replace("id:3", f"id:{world.operator.pk}")
        body = body.replace('"operator": 3', f'"operator": {world.operator.pk}')
        answer = send(program, body, kind=kind, dry_run="true")
        assert answer.json["result"] == {"done": 2, "unchanged": 0, "refused": 0}, answer.content
    assert {*COLUMNS} - {"id"} <= {*json.loads(_document())["components"]["schemas"]["DID"]["properties"]}

"""Steps of measuring jobs, each run in a process of its own on a scratch database.

Each kind of job has two: ours, through the same functions as the screens and the worker, and plain SQL on the
same data. A step returns its measurements as a dict.
"""

import csv
import gc
import hashlib
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.management import call_command
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from openpyxl import Workbook

import sheets
from audit import SYSTEM
from audit.models import Change
from bench import load, pages
from bench.processor import cpu, session
from clients.models import Account, Client, Package, Reseller
from didmgmt.clock import SQLITE_CLOCK
from didmgmt.listing import Selection
from dids import marks
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.imports import mapping as columns
from dids.imports.limits import import_limits
from dids.imports.options import KEEP
from dids.imports.wizard import Import
from dids.job_kinds import submit_create, submit_edit, submit_export
from dids.lists.filters import DIDFilter
from dids.models import DID, ClientPackage, TagSet, counters, head_geography, head_stock
from dids.models.marks import mark_triggers
from dids.numbering.ranges import Numbers
from jobs.models import Job
from operators.models import Operator
from staff.models import Token, User, digest_of

STEPS = {}
FIRST = 370_600_000_000  # the first number of the file and of the range
OPERATORS, CLIENTS, BLOCK = 20, 50, 1_000
TAGS = ["", "", "Gold", "Gold, Mobile"]
HEADER = ["DID", "Status", "Operator", "Client", "Account", "Package", "Tag", "Notes"]
ROWS_HEADER = ["number", "status", "operator", "client", "account", "client_package", "tags", "notes"]
SAMPLES_EVERY = 0.02  # seconds
IDLE = 20  # pages and edits without a job, for comparison
LARGE_PERCENT = 35  # of all numbers, which the large operator has
HIGHEST = 990_000_000_000_000  # its first number, higher than those of demo_data
DELIVERED = 20_000  # numbers created at once
STARTED = 10  # turns after which a worker has allocated memory for its first chunks


def step(function):
    STEPS[function.__name__] = function
    return function


def file_rows(count):
    """Yield the rows of a typical file for a migration: sorted, a quarter of the numbers in use."""
    for n in range(count):
        block = n // BLOCK
        used = n % 4 == 3
        client = f"Client {block % CLIENTS}"
        yield [
            str(FIRST + n),
            "Active" if used else "In Stock",
            f"Operator {block % OPERATORS}",
            *((client, "Main", "All in") if used else ("", "", "")),
            TAGS[n // 7 % 4],
            f"Ticket {n}, moved" if n % 5 == 0 else "",
        ]


@step
def prepare(*, rows, file):
    """Write the file to import and create all names in it."""
    with open(file, "w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(HEADER)
        writer.writerows(file_rows(rows))
    User.objects.create_superuser("bench")
    reseller = Reseller.objects.create(name="Bench")
    for n in range(OPERATORS):
        Operator.objects.create(reseller=reseller, name=f"Operator {n}")
    package = Package.objects.create(reseller=reseller, name="All in", did_limit=2_000_000_000)
    for n in range(CLIENTS):
        client = Client.objects.create(reseller=reseller, name=f"Client {n}")
        Account.objects.create(client=client, name="Main")
        ClientPackage.objects.create(client=client, package=package)
    for tags in filter(None, TAGS):
        TagSet.of([tags])
    return {}


@step
def settle():
    """Run the server's maintenance after a large write, at a known time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return {}


# --- lists ----------------------------------------------------------------------------------------


@step
def fill(*, numbers, large_operator=False):
    large = numbers * LARGE_PERCENT // 100 if large_operator else 0
    call_command("demo_data", numbers=numbers - large, stdout=sys.stderr)
    if large:
        deliver(large)
    return settle()


def deliver(count):
    """Give one operator so many numbers, In Stock and higher than all others.

    A planner that assumes that they are spread evenly reads all others first. PostgreSQL does so where the
    rows of the table are in the order of number, as after the import of a sorted file, and not in that of
    operators.
    """
    operators = Operator.objects.order_by("pk")
    operator, end = operators[operators.count() // 3], HIGHEST + count
    for first in range(HIGHEST, end, DELIVERED):
        numbers = map(str, range(first, min(first + DELIVERED, end)))
        DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("CLUSTER dids_did USING did_number")


STEPS["pages"] = pages.visit
STEPS["sign_up"] = load.sign_up


@step
def web():
    call_command("web")


@step
def worker():
    call_command("worker")


# --- import ---------------------------------------------------------------------------------------


@step
def import_ours(*, rows, file):
    with measured() as upload:
        one = _start(file)
    with measured() as check:
        _request_check(one)
        work(one.job)
    _require(one.counts["created"] == rows, one.counts)
    with measured() as apply:
        _require(one.apply(one.checked), "the import was refused")
        work(one.job)
    _require(one.counts["created"] == rows, one.counts)
    return {"upload": upload, "check": check, "apply": apply}


@step
def rows_ours(*, rows, file):
    """Create the numbers of the file as a program does: with its rows, in the columns of the API."""
    body = f"{file}.rows"
    with open(file, encoding="utf-8") as source, open(body, "w", encoding="utf-8") as target:
        next(source)
        target.write(f"{','.join(ROWS_HEADER)}\n")
        shutil.copyfileobj(source, target)
    user = _user()
    token = Token.objects.create(
        owner=user,
        name="bench",
        key="benchbench12",
        digest=digest_of("s" * 43),
        scopes="dids:write jobs:read",
        expires_at=timezone.now() + timedelta(days=1),
    )
    program = Browser(headers={"Authorization": f"Bearer did_{token.key}.{'s' * 43}"})
    program.get(reverse("api:list_jobs"))  # loads what the first request loads
    with open(body, "rb") as stream, measured() as receive:
        answer = program.generic(
            "POST",
            f"{reverse('api:bulk_rows')}?action=create",
            b"x",
            "text/csv",
            **{"wsgi.input": stream, "CONTENT_LENGTH": str(os.path.getsize(body))},
        )
    _require(answer.status_code in (200, 202), answer.content)  # few rows are written at once
    with measured() as write:
        for job in Job.objects.all():
            work(job)
    _require(DID.objects.count() == rows, answer.content)
    return {"receive": receive, "write": write}


def _start(file):
    # Django stores a larger upload in a file.
    upload = TemporaryUploadedFile("numbers.csv", "text/csv", os.path.getsize(file), None)
    with upload, open(file, "rb") as given:
        while block := given.read(1 << 20):
            upload.write(block)
        upload.flush()
        with sheets.load(upload, upload.name, limits=import_limits()) as loaded:
            defaults = {"status": "instock", "after_hold": "instock", "tags": "", "notes": ""}
            return Import.start(_user(), upload, loaded, **defaults)


def _request_check(one):
    head = one.upload.head()
    guess = columns.guess([row.cells for row in head], one.upload.format.width)
    skip = [row.line for row in head[: guess.header + 1]]
    _require(one.check(mapping=guess.keys, skip=skip, existing=KEEP, create=False), "the check was refused")


_STAGED = ["number", "status", "operator", "client", "account", "package", "tags", "notes"]
_MERGE = (
    "INSERT INTO {} (number, operator_id, status, after_hold, tag_set_id, notes, account_id,"
    " client_package_id) SELECT s.number, o.id, replace(lower(s.status), ' ', ''), 'instock', t.id,"
    " s.notes, a.id, cp.id FROM bench_staged s JOIN operators_operator o ON o.name = s.operator"
    " LEFT JOIN dids_tagset t ON t.label = s.tags"
    " LEFT JOIN clients_client c ON c.reseller_id = o.reseller_id AND c.name = s.client"
    " LEFT JOIN clients_account a ON a.client_id = c.id AND a.name = s.account"
    " LEFT JOIN clients_package p ON p.reseller_id = o.reseller_id AND p.name = s.package"
    " LEFT JOIN dids_clientpackage cp ON cp.client_id = c.id AND cp.package_id = p.id"
)


@step
def import_raw(*, rows, file, into="dids_did"):
    """Load the file with csv and COPY or executemany, then merge with INSERT … SELECT under the triggers."""
    with measured() as stage, connection.cursor() as cursor, transaction.atomic():
        cursor.execute(f"CREATE TABLE bench_staged ({', '.join(f'{name} text' for name in _STAGED)})")
        with open(file, newline="", encoding="utf-8") as source:
            lines = csv.reader(source)
            next(lines)
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY bench_staged ({', '.join(_STAGED)}) FROM STDIN") as copy:
                    for line in lines:
                        copy.write_row(line)
                cursor.execute("ANALYZE bench_staged")
            else:
                marks = ", ".join(["%s"] * len(_STAGED))
                cursor.executemany(f"INSERT INTO bench_staged VALUES ({marks})", lines)
    with measured() as merge, connection.cursor() as cursor, transaction.atomic():
        cursor.execute(_MERGE.format(into))
        _require(cursor.rowcount == rows, cursor.rowcount)
    return {"stage": stage, "merge": merge}


@step
def import_without(*, index, rows, file):
    """Run the merge of ``import_raw`` into a table without this index; "" keeps all indexes."""
    if index:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(index)}")
    return {"merge": import_raw(rows=rows, file=file)["merge"]}


@step
def suggest_rules():
    marks.use_suggested(by=_user(), version=0)
    return {}


@step
def drop_mark_triggers():
    on = " ON dids_did" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for trigger in mark_triggers(connection.vendor):
            cursor.execute(f"DROP TRIGGER {trigger.name}{on}")
    return {}


@step
def find_geography():
    with measured() as took:
        took["heads"] = head_geography.renew()
    return took


@step
def import_minimal(*, rows, file):
    """Do the same in a minimal schema: numbers with their keys, and history that is found by number."""
    columns = "number, operator_id, status, after_hold, tag_set_id, notes, account_id, client_package_id"
    texts = "number varchar(20) NOT NULL, status varchar(10), after_hold varchar(10), notes varchar(500)"
    parents = {
        "operator_id": "operators_operator",
        "tag_set_id": "dids_tagset",
        "account_id": "clients_account",
        "client_package_id": "dids_clientpackage",
    }
    ids = ", ".join(f"{column} bigint" for column in parents)
    keys = ", ".join(f"FOREIGN KEY ({column}) REFERENCES {table} (id)" for column, table in parents.items())
    key, time = "INTEGER PRIMARY KEY AUTOINCREMENT", "text"
    if connection.vendor == "postgresql":
        key, time = "bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY", "timestamptz"
    record = f"INSERT INTO bench_past (object_id, {columns}, at, event) SELECT "
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bench_did (id {key}, {texts}, {ids}, UNIQUE (number), {keys})")
        cursor.execute(
            f"CREATE TABLE bench_past (history_id {key}, object_id bigint, {texts}, {ids}, at {time},"
            " event varchar(1))"
        )
        cursor.execute("CREATE INDEX bench_past_object ON bench_past (object_id, history_id)")
        for event, sign in (("INSERT", "+"), ("UPDATE", "~")):
            name = f"bench_{event.lower()}"
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    f" {record} id, {columns}, clock_timestamp(), '{sign}' FROM written; RETURN NULL; END $$"
                )
                cursor.execute(
                    f"CREATE TRIGGER {name} AFTER {event} ON bench_did REFERENCING NEW TABLE AS written"
                    f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
                )
            else:
                values = ", ".join(f"NEW.{column}" for column in columns.split(", "))
                cursor.execute(
                    f"CREATE TRIGGER {name} AFTER {event} ON bench_did FOR EACH ROW BEGIN"
                    f" {record} NEW.id, {values}, {SQLITE_CLOCK.replace('%', '%%')}, '{sign}'; END",
                    [],
                )
    return import_raw(rows=rows, file=file, into="bench_did")


# --- range, mass edit -----------------------------------------------------------------------------


@step
def range_ours(*, rows):
    user, operator = _user(), _operator()
    with measured() as took:
        job = _submit_range(user, operator, FIRST, rows)
        work(job)
    _require(job.result["done"] == rows, job.result)
    return {"create": took}


def _submit_range(user, operator, first, rows):
    numbers = Numbers([(str(first), str(first + rows - 1))])
    return submit_create(user, numbers, operator=operator, status="instock", notes="")


@step
def range_raw(*, rows):
    if connection.vendor == "postgresql":
        series = f"SELECT n FROM generate_series({FIRST}, {FIRST + rows - 1}) AS n"
    else:
        counting = f"SELECT {FIRST} UNION ALL SELECT n + 1 FROM s WHERE n < {FIRST + rows - 1}"
        series = f"WITH RECURSIVE s(n) AS ({counting}) SELECT n FROM s"
    operator = _operator()
    with measured() as took, connection.cursor() as cursor, transaction.atomic():
        cursor.execute(
            "INSERT INTO dids_did (number, operator_id, status, after_hold, notes)"
            f" SELECT CAST(n AS varchar(20)), {operator.pk}, 'instock', 'instock', '' FROM ({series}) AS n"
        )
    return {"create": took}


FIELDS = {"notes": {"notes": "Bench"}, "after_hold": {"after_hold": "archive"}}


@step
def edit_ours(*, edits):
    """Edit the first ``edits`` numbers; ``edit_raw`` takes those after them."""
    taken = {}
    for name, fields in FIELDS.items():
        with measured() as taken[name]:
            job = _submit_edit(_user(), FIRST, edits, fields)
            work(job)
        _require(job.result["done"] == edits, job.result)
    return taken


def _submit_edit(user, first, edits, fields):
    selection = _selection(user, first, edits)
    return submit_edit(user, selection, fields)


def _selection(user, first, count):
    parameters = QueryDict(urlencode({"scope": "all", "query": _query(first, count), "expected": count}))
    selection = Selection.read(parameters, DID.objects.visible_to(user), DIDFilter, user=user, limit=count)
    _require(not selection.error, selection.error)
    return selection


def _query(first, count):
    return f"q={first}-{first + count - 1}"


@step
def edit_raw(*, edits, table="dids_did"):
    taken = {}
    for name, fields in FIELDS.items():
        ((column, value),) = fields.items()
        with measured() as taken[name], connection.cursor() as cursor, transaction.atomic():
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE number BETWEEN %s AND %s",
                [value, str(FIRST + edits), str(FIRST + 2 * edits - 1)],
            )
            _require(cursor.rowcount == edits, cursor.rowcount)
    return taken


@step
def give(*, edits):
    """Create a client package with ``edits`` numbers."""
    given = ClientPackage.objects.order_by("pk").first()
    given = ClientPackage.objects.create(client=given.client, package=given.package)
    account = given.client.accounts.get()
    free = DID.objects.filter(status="instock").order_by("number").values_list("pk", flat=True)[:edits]
    result = DID.objects.filter(pk__among=sorted(free)).assign(given, account, by=_user())
    _require(result.done == edits, result.sentence())
    return {}


@step
def end_ours(*, edits):
    given = ClientPackage.objects.order_by("pk").last()
    with measured() as took:
        result = given.deactivate(by=_user())
    _require(result.done == edits, result.sentence())
    return {"end": took}


@step
def end_raw(*, edits):
    given = ClientPackage.objects.order_by("pk").last()
    now = timezone.now()
    with measured() as took, connection.cursor() as cursor, transaction.atomic():
        cursor.execute("UPDATE dids_clientpackage SET active = FALSE WHERE id = %s", [given.pk])
        cursor.execute(
            "UPDATE dids_did SET status = 'hold', hold_from = %s, hold_until = %s"
            " WHERE client_package_id = %s AND status IN ('active', 'blocked')",
            [
                *map(connection.ops.adapt_datetimefield_value, (now, now + timedelta(days=30))),
                given.pk,
            ],
        )
        _require(cursor.rowcount == edits, cursor.rowcount)
    return {"end": took}


# --- undo -----------------------------------------------------------------------------------------


@step
def undo_import_ours():
    """Undo the import of all numbers, and check that none is left and the counters agree."""
    result = _undo(Change.objects.get(kind=Change.Kind.IMPORT))
    _require(
        not DID.objects.exists() and all(one.is_exact for one in [*counters.check(), *head_stock.check()]),
        "numbers or counts are left",
    )
    return result


@step
def undo_import_raw():
    change = Change.objects.get(kind=Change.Kind.IMPORT)
    with measured() as took, connection.cursor() as cursor, transaction.atomic():
        cursor.execute(
            "DELETE FROM dids_did WHERE id IN (SELECT object_id FROM dids_didhistory WHERE change_id = %s)",
            [change.pk],
        )
        _require(cursor.rowcount == change.touched, cursor.rowcount)
    return {"undo": took}


@step
def undo_edit_ours(*, edits):
    """Undo a mass edit, and check that the inventory is the same as before in every column."""
    before = _inventory()
    result = _undo(_edited(edits))
    _require(_inventory() == before, "the inventory differs")
    return result


@step
def undo_edit_raw(*, edits):
    change = _edited(edits)
    with measured() as took, connection.cursor() as cursor, transaction.atomic():
        cursor.execute(
            "UPDATE dids_did AS d SET notes = b.notes FROM dids_didhistory b, (SELECT r.object_id,"
            " (SELECT max(p.history_id) FROM dids_didhistory p WHERE p.object_id = r.object_id"
            " AND p.history_id < r.history_id) AS before_id FROM dids_didhistory r"
            " WHERE r.change_id = %s) AS o WHERE b.history_id = o.before_id AND d.id = o.object_id",
            [change.pk],
        )
        _require(cursor.rowcount == edits, cursor.rowcount)
    return {"undo": took}


def _edited(edits):
    job = _submit_edit(_user(), FIRST, edits, {"notes": "To be undone"})
    work(job)
    _require(job.result["done"] == edits, job.result)
    return job.change


def _undo(change):
    undo = Undo(change, by=_user())
    with measured() as preview:
        result = undo.preview()
    _require(result.done == change.touched, result.sentence())
    with measured() as took:
        job = submit_undo(undo)
        work(job)
    _require(job.change.touched == change.touched, job.result)
    return {"undo": took, "preview": preview}


def _inventory():
    """Return a digest of all columns of all numbers."""
    digest = hashlib.sha256()
    for row in DID.objects.order_by("pk").values_list().iterator(10_000):
        digest.update(repr(row).encode())
    return digest.hexdigest()


# --- export ---------------------------------------------------------------------------------------


@step
def csv_ours():
    browser = _browser()
    with measured() as took, open(os.devnull, "wb") as target:
        start = time.perf_counter()
        response = browser.get("/dids/export/?format=csv")
        size = 0
        for n, block in enumerate(response.streaming_content):
            size += target.write(block)
            if n < 2:
                took[("first_byte", "first_rows")[n]] = round(time.perf_counter() - start, 3)
        took["bytes"] = size
    return {"csv": took}


_EXPORT = """
    SELECT d.id, d.status, o.name, d.number, t.label, d.notes, c.name, a.name, p.name, d.after_hold, r.name
    FROM dids_did d JOIN operators_operator o ON o.id = d.operator_id
    JOIN clients_reseller r ON r.id = o.reseller_id
    LEFT JOIN dids_tagset t ON t.id = d.tag_set_id LEFT JOIN clients_account a ON a.id = d.account_id
    LEFT JOIN clients_client c ON c.id = a.client_id
    LEFT JOIN dids_clientpackage cp ON cp.id = d.client_package_id
    LEFT JOIN clients_package p ON p.id = cp.package_id"""


@step
def csv_raw():
    with measured() as took, open(os.devnull, "wb") as target, connection.cursor() as cursor:
        size = 0
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY ({_EXPORT} ORDER BY d.number) TO STDOUT (FORMAT csv)") as copy:
                for block in copy:
                    size += target.write(block)
        else:
            text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False)
            cursor.execute(f"{_EXPORT} ORDER BY d.number")
            csv.writer(text).writerows(cursor)
            text.flush()
            text.detach()
    return {"csv": took}


@step
def xlsx_ours(*, edits):
    with measured() as took:
        job = submit_export(_user(), {"address": _query(FIRST, edits)}, edits, "bench.xlsx")
        work(job)
    _require(job.done == edits, job.done)
    return {"xlsx": took}


@step
def xlsx_raw(*, edits):
    with measured() as took, tempfile.TemporaryFile() as target, connection.cursor() as cursor:
        book = Workbook(write_only=True)
        sheet = book.create_sheet("Sheet1")
        cursor.execute(f"{_EXPORT} WHERE d.number >= %s ORDER BY d.number LIMIT %s", [str(FIRST), edits])
        while some := cursor.fetchmany(2_000):
            for row in some:
                sheet.append([text if text is None else str(text) for text in row])
        book.save(target)
    return {"xlsx": took}


# --- other requests during a job ------------------------------------------------------------------


@step
def meanwhile(*, rows, file, kind):
    """Measure a list page and an edit of one number while a worker runs a job of ``rows``, and without it.

    ``memory``: MiB of the worker after it started, and at most.
    """
    user, browser = _user(), _browser()
    mine = [str(FIRST - 1_000 + n) for n in range(10)]
    DID.objects.create_numbers(mine, operator=_operator(), by=user)  # existing ones are refused
    keys = list(DID.objects.filter(number__in=mine).values_list("pk", flat=True))
    turns = count()

    def edit():
        turn = next(turns)
        DID.objects.filter(pk=keys[turn % len(keys)]).edit(by=user, notes=f"{kind} {turn}")

    requests = {"page": lambda: browser.get("/dids/?per_page=100"), "edit": edit}
    times, memory = {name: [] for name in requests}, []
    jobs = {
        "import": lambda: _importing(file),
        "range": lambda: _ranging(rows),
        "edit": lambda: _editing(rows),
    }
    running = jobs[kind]()
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "worker", "--every", "0.05"], stdout=subprocess.DEVNULL
    )
    try:
        start = time.perf_counter()
        while next(running, None) is not None or not memory:
            for name, send in requests.items():
                times[name].append(_timed(send))
            memory.append(_memory(worker.pid) / 1024)
        took = time.perf_counter() - start
    finally:
        worker.terminate()
        worker.wait()
    settle()
    result = {}
    for name, send in requests.items():
        idle = statistics.median(_timed(send) for _ in range(IDLE))
        ratio = statistics.median(times[name]) / idle
        result[name] = _spread(times[name]) | {"idle": round(idle), "ratio": round(ratio, 2)}
    started = memory[min(len(memory) - 1, STARTED)]
    return result | {"seconds": round(took, 1), "memory": [round(started), round(max(memory))]}


def _importing(file):
    """Yield True until the import is over."""
    one = _start(file)
    _request_check(one)
    while one.phase != "checked":
        yield True
        one.job.refresh_from_db()
        _require(one.job.state != Job.State.FAILED, one.job.result)
    one.apply(one.checked)
    while not one.job.is_finished:
        yield True
        one.job.refresh_from_db()
    _require(one.job.state == Job.State.DONE, one.job.result)


def _ranging(rows):
    yield from _until_over(_submit_range(_user(), _operator(), 10 * FIRST, rows))


def _editing(rows):
    yield from _until_over(_submit_edit(_user(), FIRST, rows, {"notes": "All that match"}))


def _until_over(job):
    while not job.is_finished:
        yield True
        job.refresh_from_db()
    _require(job.state == Job.State.DONE, job.result)


def _timed(function):
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1000


def _spread(times):
    """Return {times, p50, p95, max} in milliseconds."""
    times = sorted(times)
    return {
        "times": len(times),
        "p50": round(statistics.median(times)),
        "p95": round(times[max(0, round(len(times) * 0.95) - 1)]),
        "max": round(times[-1]),
    }


# --- shared by the steps --------------------------------------------------------------------------


def work(job):
    """Run the job to its end like a worker, unless it is over already."""
    if job.is_unfinished:
        claimed = Job.objects.claim("bench")
        _require(claimed == job, claimed)
        claimed.run("bench")
        job.refresh_from_db()
    _require(job.state in (Job.State.DONE, Job.State.DRAFT), job.result)


@contextmanager
def measured():
    """Yield a dict that holds ``seconds`` at the end, and ``memory``, the peak increase in MiB.

    Counts only memory that is private to the process. ``cpu``: seconds of CPU of this process and of its
    session on the server, which other load on the machine changes less than ``seconds``.
    """
    took, server = {}, session()
    gc.collect()
    before, samples, over = _memory(), [], threading.Event()

    def sample():
        while not over.wait(SAMPLES_EVERY):
            samples.append(_memory())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    start, spent = time.perf_counter(), time.process_time() + cpu(*server)
    try:
        yield took
    finally:
        took["seconds"] = time.perf_counter() - start
        took["cpu"] = time.process_time() + cpu(*server) - spent
        samples.append(_memory())
        over.set()
        sampler.join()
        took["memory"] = round((max(samples) - before) / 1024, 1)


def _memory(process="self"):
    """Return the private memory of this process, or of another one by its id, in KiB."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _require(condition, error):
    """Stop if the measured work was not done."""
    if not condition:
        raise RuntimeError(error)


def _user():
    return User.objects.get(username="bench")


def _operator():
    return Operator.objects.order_by("pk").first()


def _browser():
    browser = Browser()
    browser.force_login(_user(), backend="staff.backends.StaffBackend")
    return browser

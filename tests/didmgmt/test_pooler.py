"""The product behind a PgBouncer in transaction mode, which gives each transaction another connection.

``POOLER_CLICKS`` in the environment: how many pages and downloads each of the people opens.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from audit import SYSTEM
from clients.models import Account, Client, Package
from didmgmt.server import MONITORED
from dids.job_kinds import submit_create
from dids.models import DID
from dids.numbering.ranges import Numbers
from jobs.models import Job
from operators.models import Operator
from tests.kills import database_url
from tests.screens.test_access import ADDRESSES, ids_of
from tests.servers import pgbouncer
from tests.web_server import running
from tests.world import client_of, make_world, member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connections"),
]

CLICKS = int(os.environ.get("POOLER_CLICKS", "25"))
POOL, PEOPLE = 5, 8
MANY = 2_500  # records of each table, which several fetches of a cursor read


@pytest.fixture
def filled():
    """Return (user, {(method, address): form}) of all pages and downloads, with many records in them."""
    world = make_world()
    user = member("Administrator")
    of = {"reseller": world.reseller}
    Client.objects.bulk_create([Client(name=f"Client {n}", **of) for n in range(MANY)])
    Account.objects.bulk_create([Account(name=f"account_{n}", client=world.client) for n in range(MANY)])
    Operator.objects.bulk_create([Operator(name=f"Operator {n}", **of) for n in range(MANY)])
    Package.objects.bulk_create([Package(name=f"Package {n}", did_limit=9, **of) for n in range(MANY)])
    numbers = [str(n) for n in range(700_000, 700_000 + MANY)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    ids = ids_of(world, user)
    asked = {("GET", address.path.format(**ids)): None for address in ADDRESSES}
    # They give up after two seconds, which is too short on a busy machine.
    for path in MONITORED:
        asked.pop(("GET", path), None)
    asked |= {("GET", f"/{name}/export/?format=xlsx"): None for name in ("clients", "dids")}
    asked["GET", "/dids/export/?scope=page"] = asked["GET", "/dids/export/?as_of=2999-01-01T10:00"] = None
    asked["POST", "/dids/export/"] = {"scope": "ids", "ids": str(ids["number"])}
    asked["POST", "/audit/who-had-it/csv/"] = {"numbers": ",".join(numbers[:1_000])}
    return user, asked


@pytest.fixture
def answers(filled):
    """Return (user, {(method, address): (form, lines)}) of what answers 200 without a pooler.

    ``lines``: of a CSV file, 0 of a workbook, None of a page.
    """
    user, asked = filled
    browser, found = client_of(user), {}
    for (method, path), form in asked.items():
        answer = browser.get(path) if method == "GET" else browser.post(path, form)
        if answer.status_code == 200:
            found[method, path] = form, lines_of(answer.headers, b"".join(answer))
    return user, found


def lines_of(headers, body):
    if "Content-Disposition" not in headers:
        return None
    return body.count(b"\n") if headers["Content-Type"].startswith("text/csv") else 0


def environment(port, **variables):
    return {
        "DATABASE_URL": database_url(port),
        "DJANGO_SETTINGS_MODULE": "didmgmt.settings",
        "DATABASE_POOLER": "transaction",
        "SECRET_KEY": settings.SECRET_KEY,
        "VAR_DIR": str(settings.VAR_DIR),
        "REQUESTS_PER_MINUTE": "0",
        "EXPORTS_AT_ONCE": "64",
        "WEB_THREADS": str(4 * PEOPLE),  # half of them write files
    } | variables


def fetch(port, cookies, method, path, form):
    """Return (status, lines as ``lines_of``); raise HTTPException for a body that is cut off."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        headers = {"Host": "localhost", "Cookie": cookies}
        body = None
        if method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": "t" * 32}
            headers["Cookie"] += f"; {settings.CSRF_COOKIE_NAME}={'t' * 32}"
            body = urlencode(form)
        client.request(method, path, body, headers)
        response = client.getresponse()
        return response.status, lines_of(response.headers, response.read())


def test_no_page_and_no_download_breaks_behind_a_pooler_in_transaction_mode(answers, tmp_path):
    user, asked = answers
    downloads = sorted(address for address, (_, lines) in asked.items() if lines is not None)
    cookies = client_of(user).cookies.output(header="", sep=";").strip()
    with ExitStack() as stack:
        pooler = stack.enter_context(pgbouncer(POOL))
        web = stack.enter_context(running(tmp_path, **environment(pooler)))

        def click(person):
            chance, counts, broken = random.Random(person), Counter(), []
            mine = downloads[person::PEOPLE]  # with those of the others all of them
            for n in range(CLICKS):
                # After these, every other one is a download.
                some = downloads if chance.random() < 0.5 else sorted(asked)
                address = mine[n] if n < len(mine) else chance.choice(some)
                form, lines = asked[address]
                try:
                    status, found = fetch(web.port, cookies, *address, form)
                except (HTTPException, OSError) as error:
                    status, found = repr(error), None
                counts[lines is not None] += 1
                counts[address] += 1
                if (status, found) != (200, lines):
                    broken.append((*address, status, lines, found))
            return counts, broken

        with ThreadPoolExecutor(PEOPLE) as people:
            results = list(people.map(click, range(PEOPLE)))
        left = left_in_sessions(pooler)
    counts = sum((counts for counts, _ in results), Counter())
    broken = [one for _, some in results for one in some]
    print(f"{counts[True]} downloads, {counts[False]} pages, {len(broken)} broken")
    assert broken == []
    assert counts.keys() >= set(downloads)
    assert left == []


def left_in_sessions(port):
    """Return what the application has left in the pooler's connections: it would reach other people."""
    look = """
        SELECT 'listens' FROM pg_listening_channels() UNION ALL
        SELECT 'cursor ' || name FROM pg_cursors WHERE name <> '' UNION ALL
        SELECT 'statement ' || name FROM pg_prepared_statements UNION ALL
        SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() UNION ALL
        SELECT 'temporary tables' WHERE pg_my_temp_schema() <> 0 UNION ALL
        SELECT name FROM pg_settings
        WHERE source = 'session' AND name <> ALL(%s)
    """
    # The pooler keeps these apart for each client, or sets them itself.
    known = ["TimeZone", "client_encoding", "application_name"]
    known += re.findall(r"SET (\w+)", (settings.BASE_DIR / "deploy" / "pgbouncer.ini").read_text())
    database = connection.settings_dict
    where = {"host": "127.0.0.1", "port": port, "dbname": database["NAME"], "user": database["USER"]}
    with ExitStack() as stack:
        # Transactions that are open at the same time have all connections of the pool.
        some = [stack.enter_context(psycopg.connect(**where)) for _ in range(POOL)]
        found = {one.execute("SELECT pg_backend_pid()").fetchone()[0] for one in some}
        assert len(found) == POOL
        return sorted({name for one in some for (name,) in one.execute(look, [known]).fetchall()})


def test_a_worker_runs_jobs_behind_a_pooler_and_leaves_its_connections_as_they_were(filled):
    user, _ = filled
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    operator = Operator.objects.first()
    job = submit_create(user, Numbers([("880000", "889999")]), operator=operator, **fields)
    with pgbouncer(POOL) as pooler:
        command = [sys.executable, "manage.py", "worker", "--every", "0.1"]
        worker = subprocess.Popen(command, cwd=settings.BASE_DIR, env=os.environ | environment(pooler))
        try:
            while not job.is_finished and worker.poll() is None:
                time.sleep(0.05)
                job.refresh_from_db()
        finally:
            worker.terminate()
            worker.wait()
        assert (job.state, job.done) == (Job.State.DONE, 10_000)
        assert left_in_sessions(pooler) == []


def test_long_downloads_are_read_through_cursors_in_transactions(answers):
    """Outside of one a cursor is lost behind a pooler, so Django gets all rows at once there."""
    user, asked = answers
    browser, cursors = client_of(user), set()
    for (method, path), (form, lines) in asked.items():

        def note(execute, sql, params, many, context, path=path):
            cursor = context["cursor"].cursor
            if hasattr(cursor, "withhold"):
                cursors.add((path, cursor.withhold))
            return execute(sql, params, many, context)

        if lines is not None:
            with connection.execute_wrapper(note):
                b"".join(browser.get(path) if method == "GET" else browser.post(path, form))
    assert {path for path, is_held in cursors if is_held} == set()
    tables = {f"/{name}/export/" for name in ("clients", "accounts", "operators", "packages")}
    assert {path for path, _ in cursors} >= {*tables, "/dids/export/?format=xlsx", "/audit/who-had-it/csv/"}

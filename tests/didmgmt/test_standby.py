"""Lists from a real streaming standby; its replay is paused, so it lags for as long as the test wants."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.kills import database_url
from tests.servers import cluster
from tests.world import make_world, member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no replicas"),
]

# Runs in a process of its own, because the test's has no replica. It reads lines of a user's name and perhaps
# numbers to create, and prints whether the user's list shows one of these and comes from the replica.
READING = """
import django, json, sys; django.setup()
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext
from operators.models import Operator
from staff.models import User
from tests.world import client_of
settings.ALLOWED_HOSTS = ["*"]
for line in sys.stdin:
    who, *rest = line.split()
    browser = client_of(User.objects.get(username=who))
    if rest:
        sent = {"numbers": rest[0], "operator": Operator.objects.first().pk, "status": "instock"}
        browser.post("/dids/new/", sent | {"after_hold": "instock"})
    with CaptureQueriesContext(connections["replica"]) as seen:
        text = browser.get("/dids/?q=7000").text
    tables = " ".join(query["sql"] for query in seen.captured_queries)
    shown = ">700002<" in text.replace("<mark>", "").replace("</mark>", "")
    print(json.dumps([shown, '"dids_did"' in tables]), flush=True)
"""


@contextmanager
def reading(replica):
    """Yield a function that passes words on to ``READING`` and returns its answer."""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "REPLICA_URL": replica,
        "VAR_DIR": str(settings.VAR_DIR),
        "DEBUG": "1",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "didmgmt.settings",
    }
    command, pipe = [sys.executable, "-c", READING], subprocess.PIPE
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:

        def list_of(*words):
            print(*words, file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield list_of
        process.stdin.close()


def test_after_a_job_its_owner_sees_all_of_it_at_any_lag():
    with cluster() as primary, primary.standby() as standby, primary.database():
        make_world()
        for role in ("Supervisor", "Viewer"):
            member(role)
        where = f"postgres://postgres@127.0.0.1:{standby.port}/{connection.settings_dict['NAME']}"
        wait_until_replayed(primary, standby)
        with psycopg.connect(where, autocommit=True) as replica, reading(where) as list_of:
            # More numbers than are created at once.
            list_of("supervisor", "700000-703000")
            wait_until_replicated(replica, "didmgmt_ownwrites")
            assert list_of("supervisor") == [False, True]
            replica.execute("SELECT pg_wal_replay_pause()")

            call_command("worker", "--once")  # which knows no replica

            assert list_of("supervisor") == [True, False]
            assert list_of("viewer") == [False, True]

            replica.execute("SELECT pg_wal_replay_resume()")
            wait_until_replicated(replica, "didmgmt_ownwrites WHERE writes > 1")
            assert list_of("viewer") == [True, True]
            assert list_of("supervisor") == [True, True]


def wait_until_replayed(primary, standby):
    """Wait until the standby has replayed all that the primary has written until now."""
    first, second = (f"postgres://postgres@127.0.0.1:{one.port}/postgres" for one in (primary, standby))
    with psycopg.connect(first) as one, psycopg.connect(second, autocommit=True) as other:
        (written,) = one.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        while not other.execute(query, [written]).fetchone()[0]:
            time.sleep(0.02)


def wait_until_replicated(replica, rows):
    while not replica.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]:
        time.sleep(0.02)

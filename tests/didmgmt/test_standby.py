"""Lists from a real streaming standby; its replay is paused, so it lags for as long as the test wants."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.run import binaries, temporary_server
from tests.servers import folder_of_postgres, free_port

PG_BASEBACKUP = shutil.which("pg_basebackup")
pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no replicas"),
    pytest.mark.skipif(not (binaries() and PG_BASEBACKUP), reason="there is no initdb or pg_basebackup"),
]

# Runs in a process of its own, because the test database has no standby.
SETTING_UP = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.world import make_world, member
make_world(); member("Supervisor"); member("Viewer")
"""
READING = """
import django, json, sys; django.setup()
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext
from operators.models import Operator
from staff.models import User
from tests.world import client_of
settings.ALLOWED_HOSTS = ["*"]
who, *rest = sys.argv[1:]
browser = client_of(User.objects.get(username=who))
if rest:
    sent = {"numbers": rest[0], "operator": Operator.objects.first().pk, "status": "instock"}
    browser.post("/dids/new/", sent | {"after_hold": "instock"})
with CaptureQueriesContext(connections["replica"]) as seen:
    text = browser.get("/dids/?q=7000").text
tables = " ".join(query["sql"] for query in seen.captured_queries)
print(json.dumps({"shown": ">700002<" in text.replace("<mark>", "").replace("</mark>", ""),
                  "replica": '"dids_did"' in tables}))
"""


@contextmanager
def standby_of(url):
    """Yield the URL of a standby that streams from the server at ``url``."""
    port = free_port()
    with folder_of_postgres() as (folder, options):
        data = folder / "data"
        copying = [PG_BASEBACKUP, "-D", data, "-d", url, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(copying, check=True, cwd=folder, **options)
        start = f"-c port={port} -c listen_addresses=127.0.0.1 -k {folder}"
        control = [binaries() / "pg_ctl", "-D", data, "--wait"]
        log = subprocess.DEVNULL
        subprocess.run(
            [*control, "start", "-o", start, "-l", folder / "log"], check=True, stdout=log, **options
        )
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/{url.rpartition('/')[2]}"
        finally:
            subprocess.run([*control, "stop", "--mode=immediate"], **options)


def python(arguments, tmp_path, primary, **variables):
    environment = os.environ | {
        "DATABASE_URL": primary,
        "VAR_DIR": str(tmp_path),
        "DEBUG": "1",
        "LOG_LEVEL": "ERROR",
    }
    environment |= {"DJANGO_SETTINGS_MODULE": "didmgmt.settings", "LOG_LEVEL": "ERROR"} | variables
    done = subprocess.run(
        [sys.executable, *arguments], cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_a_job_its_owner_sees_all_of_it_at_any_lag(tmp_path):
    with temporary_server(binaries()) as primary:
        with psycopg.connect(primary.replace("/did", "/postgres"), autocommit=True) as server:
            server.execute("CREATE DATABASE did")
        python(["-c", SETTING_UP], tmp_path, primary)
        with standby_of(primary) as standby, psycopg.connect(standby, autocommit=True) as replica:

            def list_of(who, *numbers):
                said = python(["-c", READING, who, *numbers], tmp_path, primary, REPLICA_URL=standby)
                found = json.loads(said.splitlines()[-1])
                return found["shown"], found["replica"]

            def wait_until_replicated(condition):
                while not replica.execute(f"SELECT count(*) FROM {condition}").fetchone()[0]:
                    time.sleep(0.05)

            # More numbers than are created at once.
            list_of("supervisor", "700000-703000")
            wait_until_replicated("didmgmt_ownwrites")
            assert list_of("supervisor") == (False, True)
            replica.execute("SELECT pg_wal_replay_pause()")

            # The worker knows no replica.
            python(["manage.py", "worker", "--once"], tmp_path, primary)

            assert list_of("supervisor") == (True, False)
            assert list_of("viewer") == (False, True)

            replica.execute("SELECT pg_wal_replay_resume()")
            wait_until_replicated("didmgmt_ownwrites WHERE writes > 1")
            assert list_of("viewer") == (True, True)
            assert list_of("supervisor") == (True, True)

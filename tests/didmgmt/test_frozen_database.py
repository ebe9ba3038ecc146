"""A database that is frozen, gone or busy: pages get a sentence, monitors an answer, nobody waits for ever.

What is asked while the database is frozen must be answered while it is frozen.
"""

import json
import os
import signal
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction

from didmgmt import patience
from tests.kills import Proxy, database_url
from tests.servers import cluster
from tests.web_server import running
from tests.world import client_of

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server")

PAGES = ["/dids/", "/jobs/", "/clients/", "/nowhere/"] * 4
DOWN = "The database does not answer. Nothing was changed."


class Visitor:
    """A signed-in user of a web server in a process of its own."""

    def __init__(self, web, user):
        self.web, self.cookies = web, client_of(user).cookies.output(header="", sep=";").strip()

    def ask(self, path, form=None):
        """Return (status, headers, text)."""
        with closing(HTTPConnection("127.0.0.1", self.web.port, timeout=60)) as client:
            headers = {"Host": "localhost", "Cookie": self.cookies}
            if form is not None:
                headers |= {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": "t" * 32}
                headers["Cookie"] += f"; {settings.CSRF_COOKIE_NAME}={'t' * 32}"
            client.request("GET" if form is None else "POST", path, form and urlencode(form), headers)
            response = client.getresponse()
            return response.status, response.headers, response.read().decode()

    def ask_all(self, paths):
        """Return the answers to requests that are sent at once."""
        with ThreadPoolExecutor(len(paths)) as threads:
            return list(threads.map(self.ask, paths))

    def readiness(self):
        status, _, text = self.ask("/readyz")
        return status, json.loads(text)


@contextmanager
def visited(user, folder, url, **variables):
    """Yield a ``Visitor`` of a server with that database, whose threads all have a connection to it."""
    variables |= {"SECRET_KEY": settings.SECRET_KEY, "DATABASE_URL": url}
    variables |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DEBUG": "0"}
    with running(folder, **variables) as web:
        visitor = Visitor(web, user)
        assert {status for status, *_ in visitor.ask_all(PAGES)} == {200, 404}
        assert visitor.readiness()[1]["database"] == "ok"
        yield visitor


@on_postgresql
def test_either_side_notices_within_half_a_minute_that_the_other_one_is_gone():
    names = "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}")
        assert cursor.fetchone() == ("10", "5", "3", "30000")  # which the server reads back from its socket
    options = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [10, 5, 3, 30_000]


def postgresql_port():
    return int(connection.settings_dict["PORT"] or 5432)


def assert_said(answers):
    for status, headers, text in answers:
        assert (status, headers["Retry-After"]) == (503, "10")
        assert DOWN in text


def assert_monitored(visitor):
    assert visitor.ask("/healthz")[0] == 200
    status, checks = visitor.readiness()
    assert (status, checks["database"]) == (503, "failed")


def wait_until_it_works(visitor):
    while visitor.ask("/dids/")[0] != 200:
        time.sleep(0.1)


@on_postgresql
def test_pages_and_monitors_are_answered_while_the_database_is_frozen(world, supervisor, tmp_path):
    with (
        Proxy(postgresql_port()) as proxy,
        visited(supervisor, tmp_path, database_url(proxy.port)) as visitor,
    ):
        proxy.flows.clear()
        with ThreadPoolExecutor(1) as other:
            pages = other.submit(visitor.ask_all, PAGES)
            assert_monitored(visitor)
            assert_said(pages.result())
        assert_monitored(visitor)
        assert_said(visitor.ask_all(PAGES))
        proxy.flows.set()
        wait_until_it_works(visitor)
        assert visitor.readiness()[1]["database"] == "ok"


@on_postgresql
def test_pages_and_monitors_are_answered_while_the_server_is_stopped(request, tmp_path):
    with cluster() as own, own.database():
        request.getfixturevalue("world")
        supervisor = request.getfixturevalue("supervisor")
        with visited(supervisor, tmp_path, database_url()) as visitor:
            own.signal(signal.SIGSTOP)
            try:
                assert_monitored(visitor)
                assert_said(visitor.ask_all(PAGES))
            finally:
                own.signal(signal.SIGCONT)
            wait_until_it_works(visitor)


@on_postgresql
def test_pages_and_monitors_are_answered_while_the_database_is_gone(world, supervisor, tmp_path):
    with ExitStack() as proxied:
        proxy = proxied.enter_context(Proxy(postgresql_port()))
        with visited(supervisor, tmp_path, database_url(proxy.port)) as visitor:
            proxied.close()
            assert_monitored(visitor)
            assert_said(visitor.ask_all(PAGES))


@on_postgresql
def test_lists_come_from_the_primary_while_the_replica_is_frozen(world, supervisor, tmp_path):
    with Proxy(postgresql_port()) as proxy:
        replica = database_url(proxy.port)
        with visited(supervisor, tmp_path, database_url(), REPLICA_URL=replica) as visitor:
            proxy.flows.clear()
            answers = visitor.ask_all(PAGES)
            assert {status for status, *_ in answers} == {200, 404}
            assert visitor.ask("/healthz")[0] == 200
            assert visitor.readiness()[1]["database"] == "ok"


@on_postgresql
def test_a_statement_that_takes_too_long_is_stopped_with_a_sentence(world, supervisor, tmp_path):
    limits = {"DATABASE_REQUEST_SECONDS": "2", "DATABASE_LOCK_SECONDS": "5"}
    with (
        visited(supervisor, tmp_path, database_url(), **limits) as visitor,
        closing(connection.copy()) as other,
    ):
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM dids_did FOR UPDATE")
        form = {"scope": "ids", "ids": str(world.did("256999").pk), "step": "apply"}
        status, _, text = visitor.ask("/dids/mass-edit/", form | {"change_notes": "on", "notes": "late"})
        assert status == 503
        assert (
            "The database needed more than 2 seconds for this and was stopped. Nothing was changed." in text
        )
        other.rollback()
    assert world.did("256999").notes == ""


@on_postgresql
def test_rows_that_others_write_for_long_are_not_waited_for(world, supervisor, tmp_path):
    limits = {"DATABASE_REQUEST_SECONDS": "60", "DATABASE_LOCK_SECONDS": "1"}
    with (
        visited(supervisor, tmp_path, database_url(), **limits) as visitor,
        closing(connection.copy()) as other,
    ):
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM dids_did FOR UPDATE")
        form = {"scope": "ids", "ids": str(world.did("256999").pk), "step": "apply"}
        status, _, text = visitor.ask("/dids/mass-edit/", form | {"change_notes": "on", "notes": "late"})
        assert status == 503
        assert "The database is busy: others were writing the same records. Nothing was changed." in text
        other.rollback()


@on_postgresql
def test_a_transaction_that_pauses_for_too_long_counts_as_a_lost_connection(world):
    with pytest.raises(OperationalError, match="idle-in-transaction"):
        pause_for_too_long()


def pause_for_too_long():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 10")
        cursor.execute("SELECT pg_backend_pid()")
        session = cursor.fetchone()
        with closing(connection.copy()) as other, other.cursor() as look:
            while True:
                look.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", session)
                if not look.fetchone():
                    break
                time.sleep(0.01)
        cursor.execute("SELECT 1")


@on_postgresql
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (patience.COMMAND, ["0", "0", "0"]),
        (patience.JOB, ["15min", "0", "2min"]),
        (patience.REQUEST, ["8s", "5s", "2min"]),
    ],
)
def test_each_kind_of_process_has_its_limits(world, monkeypatch, limits, expected):
    monkeypatch.setattr(patience, "_limits", limits)
    found = []
    with closing(connection.copy()) as fresh, fresh.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            found += cursor.fetchone()
    assert found == expected


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL’s writers lock rows")
@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_monitors_are_answered_while_a_writer_has_sqlite(world, supervisor, lock):
    browser = client_of(supervisor)
    connections.close_all()
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as writer:
        writer.execute(f"BEGIN {lock}")
        writer.execute("UPDATE dids_did SET notes = 'locked'")
        assert browser.get("/healthz").status_code == 200
        assert browser.get("/readyz").json()["database"] == "ok"
        writer.execute("ROLLBACK")

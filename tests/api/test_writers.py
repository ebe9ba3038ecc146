"""Programs that send requests again and again to a server that is killed: each is carried out once.

``KILLS`` in the environment: how often the server is killed.
"""

import json
import os
import threading
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException

import pytest
from django.db import connection, transaction

from audit.models import Change
from didmgmt.models import SentRequest
from dids.models import DID, DIDHistory
from tests.api.conftest import Program, token_of
from tests.kills import Nursery, database_url, is_running
from tests.web_server import running
from tests.world import make_world, member

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("KILLS", "2"))
WRITERS = 16
KEYS = 8 * KILLS  # each of them is used by several writers
SIZE = 50  # numbers of a request
FIRST = 7_000_000


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def token(world):
    return token_of(member("Supervisor", username="owner", reseller=world.reseller))


def body_of(key, world):
    first = FIRST + key * SIZE
    return {"action": "create", "range": f"{first}-{first + SIZE - 1}", "operator": world.operator.pk}


def headers_of(token, key):
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }


def test_a_process_that_dies_after_its_commit_has_answered(world, token):
    body = body_of(0, world)
    with Nursery() as processes:
        sent = {"token": token, "path": "/api/v1/dids/bulk", "body": body, "key": "once"}
        process = processes.start(f"program {json.dumps(sent)}")
        while is_running(process):
            time.sleep(0.01)
    assert SentRequest.objects.get().status_code == 200
    answer = Program(token).post("/dids/bulk", body, headers={"Idempotency-Key": "once"})
    assert (answer.status, answer.json["sentence"]) == (200, f"{SIZE} DIDs created for DID Operator.")
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert Change.objects.filter(kind="create", actor_kind="token").count() == 1


@pytest.mark.parametrize("sent", ["half", "all"])
def test_a_client_whose_connection_dies_sends_the_request_again(sent, world, token, tmp_path):
    """Half a request does nothing; one that arrived is carried out once, even if nobody reads its answer."""
    content = json.dumps(body_of(0, world))
    headers = {**headers_of(token, "once"), "Host": "127.0.0.1", "Content-Length": len(content)}
    lines = ["POST /api/v1/dids/bulk HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", content])
    variables = {"DATABASE_URL": database_url(), "ALLOWED_HOSTS": "127.0.0.1"}
    with running(tmp_path, **variables) as server:
        for _ in range(3):
            server.connect(request if sent == "all" else request[:-20]).close()
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as client:
            client.request("POST", "/api/v1/dids/bulk", content, headers_of(token, "once"))
            response = client.getresponse()
            assert (response.status, json.loads(response.read())["result"]["done"]) == (200, SIZE)
    assert Change.objects.filter(kind="create", actor_kind="token").count() == 1
    assert SentRequest.objects.count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock for all writers")
def test_a_request_that_waits_too_long_for_the_first_is_told_to_come_again(world, token):
    program, held, finish = Program(token), threading.Event(), threading.Event()

    def first():
        with transaction.atomic():
            answers.append(program.post("/dids/2567/block", headers={"Idempotency-Key": "once"}))
            held.set()
            finish.wait()
        connection.close()

    answers, thread = [], threading.Thread(target=first)
    thread.start()
    held.wait()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        second = Program(token).post("/dids/2567/block", headers={"Idempotency-Key": "once"})
    finish.set()
    thread.join()
    assert (answers[0].status, second.status, second.json["code"]) == (200, 409, "in_progress")
    assert second.headers["Retry-After"] == "2"
    third = Program(token).post("/dids/2567/block", headers={"Idempotency-Key": "once"})
    assert third.content == answers[0].content


class Writers:
    """Send each of ``KEYS`` requests from several threads until it is answered."""

    def __init__(self, world, token):
        self.world, self.token, self.port = world, token, 0
        self.answers, self.failed = {key: [] for key in range(KEYS)}, []
        self.threads = [threading.Thread(target=self._write, args=[number]) for number in range(WRITERS)]

    def _write(self, number):
        for turn in range(KEYS):
            key = (number + turn) % KEYS
            if turn % 4 < 2:  # half of the keys each
                self.answers[key].append(self._answer(key))

    def _answer(self, key):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                status, answer = self._send(key)
            except (OSError, HTTPException):
                time.sleep(0.05)  # killed
                continue
            if status == 200:
                return answer
            assert status in (409, 503), answer
            time.sleep(0.05)
        raise AssertionError(f"{key} was never answered")

    def _send(self, key):
        headers = headers_of(self.token, f"key {key}")
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as client:
            client.request("POST", "/api/v1/dids/bulk", json.dumps(body_of(key, self.world)), headers)
            response = client.getresponse()
            return response.status, response.read()

    @property
    def answered(self):
        return sum(map(len, self.answers.values()))


def test_sixteen_writers_and_a_server_that_is_killed_write_each_request_once(world, token, tmp_path):
    writers = Writers(world, token)
    variables = {"DATABASE_URL": database_url(), "WEB_THREADS": str(WRITERS), "ALLOWED_HOSTS": "127.0.0.1"}
    variables["API_REQUESTS_PER_MINUTE"] = "0"
    for kill in range(KILLS + 1):
        with running(tmp_path, **variables) as server:
            writers.port = server.port
            if not kill:
                for thread in writers.threads:
                    thread.start()
            while kill < KILLS and writers.answered < (kill + 1) * 10:
                time.sleep(0.005)
            if kill == KILLS:
                for thread in writers.threads:
                    thread.join()
    assert all(len(answers) >= 2 and len({*answers}) == 1 for answers in writers.answers.values())
    assert SentRequest.objects.count() == KEYS
    created = Change.objects.filter(kind="create", actor_kind="token")
    assert [*created.values_list("touched", flat=True)] == [SIZE] * KEYS
    numbers = DID.objects.filter(number__startswith="70").values_list("number", flat=True)
    assert {*numbers} == {str(FIRST + number) for number in range(KEYS * SIZE)}
    assert DIDHistory.objects.filter(change__in=created).count() == KEYS * SIZE

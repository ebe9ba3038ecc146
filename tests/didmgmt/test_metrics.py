"""/metrics: who may read it, what it says, and that it answers without a database."""

import contextlib
import ipaddress
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from datetime import timedelta

import pytest
import yaml
from django.conf import settings as real_settings
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from audit.models import Change
from audit.seals.writing import seal_new_rows
from didmgmt import metrics
from didmgmt.urls import urlpatterns as ours
from dids.models import DID
from events.models import Delivery, Endpoint, Event, Unpublished
from jobs.models import Job, WorkerBeat
from tests.kills import database_url
from tests.servers import without_database
from tests.web_server import running
from tests.world import client_of, member

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a server")
DEPLOY = real_settings.BASE_DIR / "deploy"
TOKEN = "a-token-of-the-tests"
BEARER = {"authorization": f"Bearer {TOKEN}"}

handler500 = "didmgmt.faults.handler500"


def fails(request):
    raise ValueError("a page fails")


def breaks_off(request):
    def rows():
        yield b"first\n"
        raise ValueError("a download breaks off")

    return StreamingHttpResponse(rows())


def whole(request):
    return StreamingHttpResponse([b"first\n", b"second\n"])


urlpatterns = [
    *ours,
    path("fails/", fails, name="fails"),
    path("breaks-off/", breaks_off, name="breaks_off"),
    path("whole/", whole, name="whole"),
    path("page/", lambda request: HttpResponse("page"), name="page"),
]


@pytest.fixture
def switched_on(settings):
    settings.METRICS_TOKEN, settings.METRICS_NETWORKS, settings.METRICS_OPEN = TOKEN, [], True
    return settings


def figures(text):
    """Return {name: value} of figures without labels, and {(name, value of each label…): value}."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            found[(sample.name, *labels) if labels else sample.name] = sample.value
    return found


def scrape(client=None, **options):
    response = (client or Client()).get("/metrics", headers=BEARER, **options)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return figures(response.text)


# --- who may read it --------------------------------------------------------------------------------


def test_nobody_reads_metrics_that_are_not_switched_on(client, db):
    for headers in ({}, BEARER, {"authorization": "Bearer "}):
        response = client.get("/metrics", headers=headers)
        assert response.status_code == 404
        assert response.text.startswith("Metrics are switched off. Set METRICS_TOKEN")


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", "Bearer a-token-of-the-test", f"Basic {TOKEN}", TOKEN, "Bearer tökén"]
)
def test_a_wrong_token_is_refused_with_a_sentence(switched_on, client, sent):
    response = client.get("/metrics", headers={"authorization": sent})
    assert (response.status_code, response.text) == (
        403,
        "Send the token of METRICS_TOKEN in the header “Authorization: Bearer …”.",
    )


def test_an_administrator_who_is_signed_in_needs_the_token_as_well(switched_on, administrator):
    assert client_of(administrator).get("/metrics").status_code == 403


@pytest.mark.parametrize(
    ("address", "status"),
    [("10.2.3.4", 200), ("::ffff:10.2.3.4", 200), ("fd00::7", 200), ("192.0.2.7", 403), ("", 403)],
)
def test_a_network_may_read_them_without_a_token(settings, client, transactional_db, address, status):
    settings.METRICS_NETWORKS = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "fd00::/8")]
    settings.METRICS_OPEN = True
    response = client.get("/metrics", REMOTE_ADDR=address)
    assert response.status_code == status
    if status == 403:
        assert response.text == "Your address is not in METRICS_NETWORKS."


def test_with_both_settings_the_network_needs_the_token(switched_on, client, transactional_db):
    switched_on.METRICS_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    answers = [
        client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code
        for headers, address in ((BEARER, "10.0.0.1"), ({}, "10.0.0.1"), (BEARER, "192.0.2.1"))
    ]
    assert answers == [200, 403, 403]


# --- what it says -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_numbers_jobs_workers_and_seals_are_told_from_the_database(switched_on, world, supervisor):
    now = timezone.now()
    WorkerBeat.beat("alive", ["Holds"])
    WorkerBeat.objects.create(worker="silent", seen_at=now - timedelta(hours=1))
    waiting = {"kind": "edit", "owner": supervisor, "state": Job.State.QUEUED}
    Job.objects.create(**waiting, created_at=now - timedelta(minutes=10))
    # Queued again five minutes ago, and one that pauses after an error.
    Job.objects.create(**waiting, created_at=now - timedelta(days=3), lease_until=now - timedelta(minutes=5))
    Job.objects.create(**waiting | {"kind": "import"}, created_at=now, lease_until=now + timedelta(minutes=5))
    Job.objects.create(**waiting | {"state": Job.State.RUNNING}, lease_until=now)
    Job.objects.create(**waiting | {"state": Job.State.DONE})
    assert seal_new_rows()
    found = scrape()
    stored = DID.objects.order_by().values_list("status", flat=True)
    for status in ("active", "instock", "hold", "blocked", "reserved"):
        assert found["did_numbers", status] == list(stored).count(status)
    assert sum(value for key, value in found.items() if key[0] == "did_numbers") == DID.objects.count() > 5
    assert (found["did_jobs_waiting", "edit"], found["did_jobs_waiting", "import"]) == (2, 1)
    assert (found["did_jobs_running", "edit"], found["did_jobs_running", "import"]) == (1, 0)
    assert 600 <= found["did_job_waiting_seconds", "edit"] < 660
    assert found["did_job_waiting_seconds", "import"] == 0
    assert found["did_workers"] == 1
    assert found["did_worker_seen_seconds", "alive"] < 60
    assert 3600 <= found["did_worker_seen_seconds", "silent"] < 3660
    assert found["did_periodic_tasks_failing"] == 1
    assert found["did_seal_age_seconds"] < 60
    assert found["did_changes_unsealed"] == 0
    assert found["did_database_up"] == 1
    assert "did_replica_up" not in found


@pytest.mark.django_db(transaction=True)
def test_the_lag_of_events_and_of_webhooks_is_told(switched_on, world):
    now = timezone.now()
    Unpublished.objects.all().delete()
    assert scrape()["did_events_unpublished_seconds"] == 0

    made = [
        Endpoint.objects.create(url="https://receiver.example/hook", **fields)
        for fields in (
            {"lag": 2.5},
            {"failing_since": now},
            {"active": False, "lag": 7, "failing_since": now},
        )
    ]
    published = Event.objects.create(type="did.created", at=now, body="{}")
    for endpoint, minutes in zip(made, (5, 3, None), strict=True):
        due = minutes and now - timedelta(minutes=minutes)
        Delivery.objects.create(event=published, endpoint=endpoint, next_try_at=due)
    ids = {"did_after": 0, "package_after": 0}
    running = Job.objects.create(kind="edit", owner=member("Clerk"), state=Job.State.RUNNING)
    changes = [
        Change.objects.create(kind="edit", actor_kind="system", at=now - timedelta(minutes=minutes))
        for minutes in (60, 10)
    ]
    running.change = changes[0]  # whose events follow at its end
    running.save()
    for change in changes:
        Unpublished.objects.create(change_id=change.pk, **ids)

    found = scrape()

    assert 600 <= found["did_events_unpublished_seconds"] < 660
    assert 300 <= found["did_webhook_overdue_seconds"] < 360
    assert {key[1]: value for key, value in found.items() if key[0] == "did_webhook_lag_seconds"} == {
        str(made[0].pk): 2.5
    }
    assert found["did_webhooks_failing"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_queued_again_has_not_waited_since_it_was_made(switched_on, supervisor):
    job = Job.objects.create(
        kind="edit", owner=supervisor, state=Job.State.FAILED, created_at=timezone.now() - timedelta(days=3)
    )
    assert job.retry()
    assert scrape()["did_job_waiting_seconds", "edit"] < 60


@pytest.mark.django_db
def test_no_figure_counts_the_inventory_or_its_history(world):
    def read():
        with CaptureQueriesContext(connection) as queries:
            list(metrics._of_database())
        return [query["sql"].split(" -- ")[0] for query in queries]

    before = read()
    assert len(before) <= 13
    for sql in before:
        tables = set(re.findall(r'(?:FROM|JOIN) "(\w+)"', sql))
        assert "LIMIT" in sql if "dids_did" in tables else not any("history" in name for name in tables)
        one = sql.startswith('SELECT MAX("audit_change"."id")') or "LIMIT 1" in sql
        assert "audit_change" not in tables or one


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
def test_requests_are_counted_by_route_method_and_class_of_status(switched_on):
    def counts():
        return {key[1:]: value for key, value in scrape().items() if key[0] == "did_route_seconds_count"}

    before = counts()
    browser = Client(raise_request_exception=False)
    browser.get("/healthz")
    browser.post("/healthz")
    browser.generic("BREW", "/healthz")
    browser.get("/nowhere/")
    added = {key: value - before.get(key, 0) for key, value in counts().items()}
    added = {key: value for key, value in added.items() if value and key[1] != "metrics"}
    assert added == {
        ("GET", "healthz", "2xx"): 1,
        ("POST", "healthz", "4xx"): 1,
        ("other", "healthz", "4xx"): 1,
        ("GET", "none", "4xx"): 1,
    }


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
def test_an_exception_is_counted_on_a_page_and_in_a_download(switched_on, settings):
    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    names = [("did_unhandled_exceptions_total", during) for during in ("page", "download")]

    def counts():
        return [scrape()[name] for name in names]

    before = counts()
    with override_settings(MIDDLEWARE=["didmgmt.requests.RequestMiddleware"]):
        browser = Client(raise_request_exception=False)
        assert browser.get("/fails/").status_code == 500
        assert [one - other for one, other in zip(counts(), before, strict=True)] == [1, 0]
        with pytest.raises(ValueError, match="a download breaks off"):
            b"".join(browser.get("/breaks-off/").streaming_content)
        assert b"".join(browser.get("/whole/").streaming_content) == b"first\nsecond\n"
    assert [one - other for one, other in zip(counts(), before, strict=True)] == [1, 1]


# --- several processes --------------------------------------------------------------------------------


def test_any_web_process_tells_the_requests_of_all(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "manage.py", "web"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "PORT": str(port), "DEBUG": "1"}
    environment |= {"WEB_PROCESSES": "2", "METRICS_TOKEN": TOKEN}
    shared = tmp_path / "metrics" / f"{socket.gethostname()}-127.0.0.1-{port}"
    shared.mkdir(parents=True)
    stale = shared / "summary_1.db"
    stale.write_bytes(b"of an earlier run that was killed")

    def get(where):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{where}", headers=BEARER)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return response.read().decode()

    with subprocess.Popen(command, cwd=real_settings.BASE_DIR, env=environment) as process:
        try:
            while not is_listening(port):
                assert process.poll() is None
            # Until each of both has answered some.
            while len({*shared.glob("summary_*.db")} - {stale}) < 2:
                threads = [threading.Thread(target=get, args=("/healthz",)) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            told = [
                figures(get("/metrics"))["did_route_seconds_count", "GET", "healthz", "2xx"] for _ in range(6)
            ]
        finally:
            process.send_signal(signal.SIGTERM)
    assert len(set(told)) == 1 and told[0] % 8 == 0
    assert not shared.exists()


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


# --- without a database -------------------------------------------------------------------------------


@pytest.fixture
def no_database(transactional_db, monkeypatch):
    with without_database(monkeypatch):
        yield


def test_requests_are_told_without_a_database_even_to_who_sends_a_cookie(switched_on, no_database):
    browser = Client()
    browser.cookies["sessionid"] = "made-up"
    found = scrape(browser)
    assert found["did_database_up"] == 0
    assert "did_workers" not in found and ("did_numbers", "active") not in found
    assert ("did_unhandled_exceptions_total", "page") in found


class Frozen:
    """The database server behind an address of its own, which stops answering at the word ``at``."""

    def __init__(self, host, port, at):
        self._server, self._at, self.asked = (host, port), at, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        with client, socket.create_connection(self._server) as server, contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client and self._at in data:
                        self.asked.set()
                        client.recv(1)  # until it gives up
                        return
                    (server if ready is client else client).sendall(data)

    def close(self):
        self._listener.close()


@on_postgresql
@pytest.mark.parametrize("at", [b"user", b"dids_stock"], ids=["connecting", "reading"])
def test_a_frozen_server_is_given_up(switched_on, transactional_db, monkeypatch, at):
    database = connection.settings_dict
    frozen = Frozen(database["HOST"] or "127.0.0.1", int(database["PORT"] or 5432), at)
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(database, "HOST", "127.0.0.1")
        patch.setitem(database, "PORT", str(frozen.port))
        patch.setattr(metrics, "PATIENCE", 0.5)
        assert scrape()["did_database_up"] == 0
        connection.close()
    frozen.close()
    assert frozen.asked.is_set()


# --- what is built on it ------------------------------------------------------------------------------


def used():
    """Yield (where, expression) of the alert rules and the dashboard."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        yield rule["alert"], rule["expr"]
    for panel in json.loads((DEPLOY / "grafana" / "did.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.django_db(transaction=True)
def test_alerts_and_dashboard_use_only_what_is_exposed(tmp_path, world):
    WorkerBeat.beat("a worker")
    Endpoint.objects.create(url="https://receiver.example/hook", lag=1)
    variables = {"DATABASE_URL": database_url(), "METRICS_TOKEN": TOKEN}
    if connection.vendor == "postgresql":
        variables["REPLICA_URL"] = database_url()
    with running(tmp_path, **variables) as server:
        assert server.get("/login/")[0] == 200
        status, body = server.get("/metrics", **BEARER)
    text = body.decode()
    assert (status, figures(text)["did_database_up"]) == (200, 1)
    if connection.vendor == "postgresql":  # the primary itself, which replays nothing
        assert figures(text)["did_replica_up"] == 1
        assert not {"did_replica_lag_bytes", "did_replica_lag_seconds"} & figures(text).keys()
    exposed = {"up": {"job"}}
    for family in text_string_to_metric_families(text):
        exposed.setdefault(family.name, set())
        for sample in family.samples:
            exposed.setdefault(sample.name, set()).update(sample.labels)
    if connection.vendor == "sqlite":  # which has no replica
        exposed |= {f"did_replica_{what}": set() for what in ("up", "lag_seconds", "lag_bytes")}
    found = 0
    for where, expression in used():
        for name, labels in re.findall(r"\b(did_\w+|up)\b(?:\{([^}]*)\})?", expression):
            assert name in exposed, f"{where}: {name}"
            assert set(re.findall(r"(\w+)=", labels)) <= exposed[name], f"{where}: {labels}"
            found += 1
        names = re.findall(r"did_\w+", expression)
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            assert set(labels.split(", ")) <= set().union(*(exposed[name] for name in names)), where
    assert found > 30
    documented = set(
        re.findall(r"`(did_\w+)`", (real_settings.BASE_DIR / "docs" / "operations.md").read_text())
    )
    assert documented <= set(exposed)
    families = {family.name for family in text_string_to_metric_families(text)}
    assert [name for name in families if not any(one.startswith(name) for one in documented)] == []

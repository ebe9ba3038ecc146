"""A real Prometheus, configured as in the manual, evaluates the alert rules and the dashboard of deploy/."""

import json
import re
import subprocess
import time
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
import yaml
from django.conf import settings
from django.db import connection

from audit.seals.writing import seal_new_rows
from dids.models import DID
from events.models import Endpoint
from jobs.models import Job, WorkerBeat
from tests.didmgmt.test_metrics import DEPLOY, TOKEN, used
from tests.kills import database_url
from tests.programs import program
from tests.servers import prometheus
from tests.web_server import running

ALERTS = DEPLOY / "prometheus" / "alerts.yml"
# Nothing is replicated here: on PostgreSQL the replica is the primary itself, SQLite has none.
EMPTY = {"max(did_replica_lag_seconds)", "max(did_replica_lag_bytes)"}
if connection.vendor == "sqlite":
    EMPTY.add("1 - min(did_replica_up)")

# {alert: (series, a value each minute, labels, sentence)} of what fires it.
FIRED = {
    "DIDHostDown": (
        'up{job="did", instance="one"}',
        "0x150",
        {"job": "did", "instance": "one"},
        "The web processes of one don't answer.",
    ),
    "DIDDatabaseDown": (
        'did_database_up{instance="one"}',
        "0x150",
        {"instance": "one"},
        "The database does not answer one within 2 seconds.",
    ),
    "DIDReplicaDown": (
        'did_replica_up{instance="one"}',
        "0x150",
        {"instance": "one"},
        "The replica does not answer one, so lists come from the primary.",
    ),
    "DIDReplicaLags": (
        "did_replica_lag_seconds",
        "90x150",
        {},
        "Lists are read from a replica that is 1m 30s behind.",
    ),
    "DIDNoWorker": ("did_workers", "0x150", {}, "No worker is alive, so jobs wait."),
    "DIDWorkerSilent": (
        'did_worker_seen_seconds{worker="a:1:f"}',
        "0+60x150",
        {"worker": "a:1:f"},
        "The worker a:1:f ended without stopping, or hangs, since 2h 0m 0s.",
    ),
    "DIDJobWaits": (
        'did_job_waiting_seconds{kind="edit"}',
        "0+60x150",
        {"kind": "edit"},
        "A job of kind edit has waited for 2h 0m 0s. More workers would run it.",
    ),
    "DIDHoldsOverdue": (
        "did_hold_overdue_seconds",
        "0+60x150",
        {},
        "Holds that are over have not been written for 2h 0m 0s. See the workers' log.",
    ),
    "DIDPeriodicTaskFails": (
        "did_periodic_tasks_failing",
        "1x150",
        {},
        "Periodic tasks fail. The jobs page names them.",
    ),
    "DIDEventsLate": (
        "did_events_unpublished_seconds",
        "0+60x150",
        {},
        "No event tells of a change that was made 2h 0m 0s ago. See the workers' log.",
    ),
    "DIDWebhooksLate": (
        "did_webhook_overdue_seconds",
        "0+60x150",
        {},
        "A webhook has waited 2h 0m 0s for a worker to try it.",
    ),
    "DIDNoSeal": (
        "did_seal_age_seconds",
        "172800x150",
        {},
        "History has not been sealed for 2d 0h 0m 0s.",
    ),
    "DIDSealNotDelivered": (
        "did_seal_deliveries_failing",
        "1x150",
        {},
        "Seals can't be delivered. The jobs page names the destination.",
    ),
    "DIDException": (
        'did_unhandled_exceptions_total{during="page"}',
        "0+1x150",
        {},
        "Requests ended in exceptions that nothing handled. The log has their tracebacks.",
    ),
    "DIDFailures": ('did_route_seconds_count{status="5xx"}', "0+1x150", {}, "20% of all requests fail."),
    "DIDSlow": (
        'did_request_seconds_bucket{method="GET", le="+Inf"}',
        "0+100x150",
        {},
        "One in twenty pages takes longer than 2s.",
    ),
}
BESIDES = {
    'did_route_seconds_count{status="2xx"}': "0+4x150",
    'did_request_seconds_bucket{method="GET", le="1"}': "0+90x150",
    'did_request_seconds_bucket{method="GET", le="3"}': "0+100x150",
}


def rules():
    """Return {name: rule} of the alert rules."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_each_alert_fires_with_a_sentence(tmp_path):
    expected = [
        {
            "eval_time": "2h",
            "alertname": name,
            "exp_alerts": [
                {
                    "exp_labels": labels | rules()[name]["labels"],
                    "exp_annotations": {"summary": sentence},
                }
            ],
        }
        for name, (_, _, labels, sentence) in FIRED.items()
    ]
    series = {series: values for series, values, _, _ in FIRED.values()} | BESIDES
    given = [{"series": series, "values": values} for series, values in series.items()]
    case = {"interval": "1m", "input_series": given, "alert_rule_test": expected}
    file = tmp_path / "alerts_test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [case]}))
    done = subprocess.run([program("promtool"), "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rules().keys() == FIRED.keys()


def manual(token, port):
    """Return the configuration in docs/operations.md, for a server at ``port``, that scrapes every second."""
    (text,) = re.findall(
        r"```yaml\n(.*?)```", (settings.BASE_DIR / "docs" / "operations.md").read_text(), re.DOTALL
    )
    for written, here in (
        ("/srv/did/deploy/prometheus/alerts.yml", str(ALERTS)),
        ("/etc/prometheus/did-token", str(token)),
        ('"did-web-1:8000", "did-web-2:8000"', f'"127.0.0.1:{port}"'),
    ):
        assert written in text
        text = text.replace(written, here)
    return f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{text}"


@pytest.mark.django_db(transaction=True)
def test_prometheus_answers_every_expression_of_the_dashboard_and_of_the_alerts(world, supervisor, tmp_path):
    for state in (Job.State.QUEUED, Job.State.RUNNING):
        Job.objects.create(kind="edit", owner=supervisor, state=state)
    WorkerBeat.beat("a worker")
    seal_new_rows()
    Endpoint.objects.create(url="https://receiver.example/hook", lag=1.5)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    variables = {"DATABASE_URL": database_url(), "METRICS_TOKEN": TOKEN, "SECRET_KEY": settings.SECRET_KEY}
    if connection.vendor == "postgresql":
        variables["REPLICA_URL"] = database_url()
    with running(tmp_path, **variables) as server, prometheus(tmp_path, manual(token, server.port)) as port:

        def ask(path, **query):
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as client:
                client.request("GET", f"/api/v1/{path}?{urlencode(query)}")
                answer = json.load(client.getresponse())
            assert answer["status"] == "success", f"{query}: {answer}"
            return answer["data"]

        def value(expression):
            return [
                (one["metric"], float(one["value"][1])) for one in ask("query", query=expression)["result"]
            ]

        expressions = {expression.replace("$__rate_interval", "1m") for _, expression in used()}
        dashboard = json.loads((DEPLOY / "grafana" / "did.json").read_text())
        shown = {target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
        shown = {expression.replace("$__rate_interval", "1m") for expression in shown}
        empty, end = shown, time.monotonic() + 120
        while empty != EMPTY:  # rates need two scrapes
            assert time.monotonic() < end, empty
            assert server.get("/login/")[0] == 200
            answers = {expression: value(expression) for expression in expressions}
            empty = {expression for expression in shown if not answers[expression]}
        assert answers["sum(max by (status) (did_numbers))"] == [({}, DID.objects.count())]
        assert answers["max by (kind) (did_jobs_waiting) > 0"] == [({"kind": "edit"}, 1)]

        evaluated = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"]: rule["lastError"] for rule in evaluated if rule["health"] == "err"} == {}

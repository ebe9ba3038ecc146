"""What the log says about requests: one line each, with user and address, as text or JSON."""

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path
from playwright.sync_api import expect

from clients.models import Reseller
from didmgmt import requests
from didmgmt.logs import JsonFormatter, LineFormatter
from didmgmt.urls import urlpatterns as ours
from tests.programs import free_port
from tests.world import PASSWORD, client_of, member

handler500 = "didmgmt.faults.handler500"


@login_not_required
def fails(request):
    raise ValueError("it fails\n{" + request.GET.get("q", ""))


def says(request):
    logging.getLogger("didmgmt").warning("said", extra={"password": "hidden", "request": request})
    return HttpResponse(request.META["REMOTE_ADDR"])


def downloads(request):
    def rows():
        yield b"first\n"
        logging.getLogger("didmgmt").info("in the download")

    return StreamingHttpResponse(rows())


urlpatterns = [*ours] + [
    path(f"{view.__name__}/", view, name=view.__name__) for view in (fails, says, downloads)
]


@contextmanager
def written(formatter):
    """Yield what returns the lines that a handler with this format writes meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("didmgmt.requests")
    level = logger.level
    if isinstance(formatter, JsonFormatter):
        logger.setLevel(logging.INFO)
    requests._current.set(None)
    logging.getLogger().addHandler(handler)
    yield lambda: stream.getvalue().splitlines()
    logging.getLogger().removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def log():
    """Return the lines that the product's handler writes during the test."""
    with written(LineFormatter()) as lines:
        yield lines


@pytest.fixture
def objects():
    """Return the objects that it writes with LOG_FORMAT=json."""
    with written(JsonFormatter()) as lines:
        yield lambda: [json.loads(line) for line in lines()]


@pytest.mark.parametrize(
    ("variables", "levels"),
    [
        ({}, "INFO worker: at work|WARNING worker: GET"),
        (
            {"LOG_FORMAT": "json"},
            '"level": "INFO", "logger": "worker"|"level": "INFO", "logger": "didmgmt.requests"',
        ),
    ],
)
def test_the_setting_chooses_the_format_and_whether_each_request_is_logged(tmp_path, variables, levels):
    code = """
import logging
logging.getLogger("worker").info("at work")
logging.getLogger("didmgmt.requests").info("GET")
logging.getLogger("worker").warning("GET")
"""
    run = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for one, line in zip(levels.split("|"), run.stderr.splitlines(), strict=False):
        assert one in line
    assert len(run.stderr.splitlines()) == (3 if variables else 2)


def test_a_refused_request_is_one_line_with_user_and_address(viewer, log):
    assert client_of(viewer).get("/clients/new/", REMOTE_ADDR="192.0.2.7").status_code == 403
    (line,) = log()
    assert re.search(
        r": Forbidden \(Permission denied\): /clients/new/ by viewer from 192\.0\.2\.7 in request \w{32}$",
        line,
    )


def test_sign_ins_and_failures_name_user_and_address_but_no_password(viewer, log):
    for password in ("wrong-horse-1", PASSWORD):
        fields = {"username": "viewer", "password": password}
        Client().post("/login/", fields, REMOTE_ADDR="192.0.2.7")
    failure = next(line for line in log() if "login failure" in line)
    success = next(line for line in log() if "Signed in" in line)
    assert 'username: "viewer", ip_address: "192.0.2.7"' in failure
    assert "INFO staff: Signed in by viewer from 192.0.2.7 in request " in success
    assert "horse" not in "\n".join(log())


@pytest.mark.parametrize(
    "name", ["a\n2026-01-01 INFO forged", "a\r\n2026", "a\u202eb", "a\x1b[2Jb", "a\u2028b"]
)
def test_a_name_cannot_forge_a_line(db, log, name):
    Client().post("/login/", {"username": name, "password": "x"}, REMOTE_ADDR="192.0.2.7")
    (line,) = log()
    assert "login failure" in line and line.isprintable()


def test_an_exception_keeps_its_traceback_indented(log):
    try:
        raise ValueError("first\n2026-01-01 INFO forged")
    except ValueError:
        logging.getLogger("didmgmt").exception("It failed")
    first, *traceback = log()
    assert first.endswith("ERROR didmgmt: It failed")
    assert len(traceback) > 3
    assert all(line.startswith("    ") for line in traceback)


# --- the id of a request ------------------------------------------------------------------------------


@pytest.mark.urls(__name__)
def test_the_page_of_an_error_shows_the_id_that_the_log_has(db, log):
    response = Client(raise_request_exception=False).get("/fails/")
    assert response.status_code == 500
    (shown,) = re.findall(r">(\w{32})<", response.text)
    assert shown == response.headers["X-Request-ID"]
    assert log()[0].endswith(f"Internal Server Error: /fails/ by anonymous from 127.0.0.1 in request {shown}")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_notice_of_an_error_in_a_part_of_a_page_has_the_id(page_of, world):
    page = page_of(member("Supervisor"))
    page.goto("/clients/")
    page.route("**/edit/", lambda route: route.fulfill(status=500, headers={"X-Request-ID": "0f3a-77"}))
    page.get_by_role("link", name="Edit").first.click()
    expect(page.get_by_role("alert")).to_contain_text(
        "The server reported an error (500). Reload the page before you try again."
        " If it happens again, tell an administrator this number: 0f3a-77"
    )


@pytest.mark.parametrize(
    ("proxies", "given", "kept"),
    [
        (1, "0f3a-of.the_proxy", True),
        (0, "0f3a-of.the_proxy", False),  # anybody may have sent it
        (1, "short", False),
        (1, "x" * 65, False),
        (1, "0f3a of the proxy", False),
        (1, "0f3a-ünicode", False),
        (1, "0f3a<script>", False),
        (1, "", False),
    ],
)
def test_only_a_well_formed_id_of_a_trusted_proxy_is_kept(client, settings, proxies, given, kept):
    settings.TRUSTED_PROXIES = proxies
    answers = [client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in "12"]
    if kept:
        assert answers == [given, given]
    else:
        assert len(set(answers)) == 2 and all(re.fullmatch(r"\w{32}", answer) for answer in answers)


def test_a_web_process_that_dies_is_one_object_as_well(tmp_path):
    variables = {
        "VAR_DIR": str(tmp_path),
        "PORT": str(free_port()),
        "LOG_FORMAT": "json",
        "WEB_PROCESSES": "1",
    }
    command = [sys.executable, "manage.py", "web"]
    environment = {"PATH": os.environ["PATH"], **variables}
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.PIPE, text=True
    ) as web:
        try:
            children = Path(f"/proc/{web.pid}/task/{web.pid}/children")
            while not (child := children.read_text().split()):
                assert web.poll() is None
            os.kill(int(child[0]), signal.SIGKILL)
            said = json.loads(web.stderr.readline())
        finally:
            web.terminate()
    assert (said["level"], said["logger"]) == ("WARNING", "web")
    assert said["message"].startswith("The web process 1 exited with status -9; it is started again")


# --- JSON ---------------------------------------------------------------------------------------------


def test_a_request_is_one_object_without_its_query_and_body(world, objects):
    user = member("Viewer", username="bound", reseller=Reseller.objects.get(pk=world.reseller.pk))
    before = datetime.now(UTC)
    response = client_of(user).get("/dids/?q=4420&number=112233", REMOTE_ADDR="192.0.2.7")
    found = [line for line in objects() if line["logger"] == "didmgmt.requests"][-1]
    at, duration = datetime.fromisoformat(found.pop("time")), found.pop("duration")
    assert before - timedelta(seconds=1) < at < before + timedelta(minutes=5)
    assert 0 < duration < 300
    assert found == {
        "level": "INFO",
        "logger": "didmgmt.requests",
        "message": "GET dids:list 200",
        "request_id": response.headers["X-Request-ID"],
        "route": "dids:list",
        "method": "GET",
        "status": 200,
        "user_id": user.pk,
        "reseller_id": world.reseller.pk,
        "address": "192.0.2.7",
    }
    assert list(objects()[-1]) == [name for name in JsonFormatter.FIELDS if name in objects()[-1]]


@pytest.mark.urls(__name__)
def test_an_exception_is_one_field_of_one_line(db, objects):
    Client(raise_request_exception=False).get("/fails/?q=112233")
    error, request = objects()
    assert error["exception"].startswith("Traceback (most recent call last):\n")
    assert error["exception"].endswith("ValueError: it fails\n{112233")
    assert (error["level"], error["route"], error["request_id"]) == ("ERROR", "fails", request["request_id"])
    assert (request["status"], "exception" in request) == (500, False)


@pytest.mark.urls(__name__)
def test_what_libraries_attach_to_a_record_is_left_out(viewer, objects):
    client_of(viewer).get("/says/", headers={"Authorization": "Bearer hidden"})
    said = next(line for line in objects() if line["message"] == "said")
    assert (said["user_id"], said["route"]) == (viewer.pk, "says")
    assert "hidden" not in json.dumps(objects())


@pytest.mark.urls(__name__)
def test_a_record_in_the_middle_of_a_download_has_the_id_of_its_request(viewer, objects):
    response = client_of(viewer).get("/downloads/")
    assert [line["message"] for line in objects() if line["route"] == "downloads"] == []
    assert b"".join(response.streaming_content) == b"first\n"
    response.close()
    said, request = (line for line in objects() if line["route"] == "downloads")
    assert (said["message"], request["message"]) == ("in the download", "GET downloads 200")
    assert said["request_id"] == request["request_id"] == response.headers["X-Request-ID"]


def test_a_refusal_has_no_traceback(viewer, objects):
    client_of(viewer).get("/clients/new/")
    refused = next(line for line in objects() if line["logger"] == "django.request")
    assert refused["message"] == "Forbidden (Permission denied): /clients/new/"
    assert "exception" not in refused


def test_health_checks_and_static_files_are_not_worth_a_line(client, db, objects):
    client.get("/healthz")
    client.get("/static/css/app.css")
    assert [line for line in objects() if line["logger"] == "didmgmt.requests"] == []

"""What the log says about requests: one line each, with user and address."""

import io
import logging

import pytest
from django.conf import settings
from django.test import Client

from didmgmt.logs import LineFormatter
from tests.world import PASSWORD, client_of


@pytest.fixture
def log():
    """Return the lines that the product's handler writes during the test."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: stream.getvalue().splitlines()
    logging.getLogger().removeHandler(handler)


def test_the_settings_use_this_format():
    assert settings.LOGGING["formatters"]["line"] == {"()": "didmgmt.logs.LineFormatter"}


def test_a_refused_request_is_one_line_with_user_and_address(viewer, log):
    assert client_of(viewer).get("/clients/new/", REMOTE_ADDR="192.0.2.7").status_code == 403
    (line,) = log()
    assert line.endswith("Forbidden (Permission denied): /clients/new/ by viewer from 192.0.2.7")


def test_sign_ins_and_failures_name_user_and_address_but_no_password(viewer, log):
    for password in ("wrong-horse-1", PASSWORD):
        fields = {"username": "viewer", "password": password}
        Client().post("/login/", fields, REMOTE_ADDR="192.0.2.7")
    failure = next(line for line in log() if "login failure" in line)
    success = next(line for line in log() if "Signed in" in line)
    assert 'username: "viewer", ip_address: "192.0.2.7"' in failure
    assert success.endswith("INFO staff: Signed in by viewer from 192.0.2.7")
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

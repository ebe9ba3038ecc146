"""Each seal is delivered to a file, a web address and mail, and compared with what was delivered."""

import json
import stat
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from threading import Thread

import pytest
from django.core.management import call_command
from django.test import Client

from audit import SYSTEM
from audit.models import Seal, SealDelivery
from audit.seals import delivery
from audit.seals.delivery import deliver_seals
from audit.seals.writing import seal_new_rows
from dids.models import DID
from jobs.models import WorkerBeat
from tests.audit.forging import days_ago, forge, on, verify
from tests.carrier import carrier, numbers_in
from tests.mail_servers import mail_server
from tests.world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_seal_a_day")]

FORGED = "UPDATE dids_didhistory SET notes = 'never' WHERE number = '103'"


@pytest.fixture
def house(db):
    """Record and seal two days; the last seal is of yesterday."""
    with on(days_ago(2)):
        house = carrier()
        numbers_in("instock", ["101", "102"], house)
    seal_new_rows(days_ago(2))
    with on(days_ago(1)):
        DID.objects.all().edit(by=SYSTEM, notes="yesterday")
    seal_new_rows(days_ago(1))
    return house


def work():
    call_command("worker", "--once", stdout=StringIO())


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def next_minute():
    SealDelivery.objects.filter(tried_at__isnull=False).update(tried_at=days_ago(1) + timedelta(hours=1))


# --- the log ------------------------------------------------------------------------------------------


def test_the_worker_appends_each_seal_to_the_log(house, settings):
    work()

    seals = list(Seal.objects.order_by("number"))
    first, second, third = lines(settings.SEAL_LOG)
    assert [one["digest"] for one in (first, second, third)] == [seal.digest for seal in seals]
    assert second["previous"] == first["digest"]
    assert second["number"] == 2
    assert second["rows"] == seals[1].rows == 3
    assert second["first"]["dids_didhistory"] == first["last"]["dids_didhistory"] + 1
    assert second["last"]["dids_didhistory"] == seals[1].until["dids_didhistory"]
    assert second["sealed_at"] == seals[1].sealed_at.isoformat()
    assert stat.S_IMODE(settings.SEAL_LOG.stat().st_mode) == 0o600
    assert "unchanged" in verify()


def test_a_seal_is_appended_once_however_often_it_is_sent(house, settings):
    assert deliver_seals() == 2
    assert deliver_seals() == 0
    SealDelivery.objects.all().delete()
    assert deliver_seals() == 2

    assert [one["number"] for one in lines(settings.SEAL_LOG)] == [1, 2]


def test_a_log_that_a_crash_cut_short_is_continued(house, settings):
    deliver_seals()
    whole = settings.SEAL_LOG.read_text()
    settings.SEAL_LOG.write_text(whole[:-20])
    SealDelivery.objects.all().delete()

    deliver_seals()

    assert settings.SEAL_LOG.read_text() == f"{whole[:-20]}\n{whole.splitlines()[1]}\n"
    assert "unchanged" in verify()


def test_the_newest_seal_made_again_is_found_by_the_log(house, settings):
    numbers_in("instock", ["103"], house)
    work()
    forge(FORGED, "DELETE FROM audit_seal WHERE number > 2")
    seal_new_rows()

    output = verify()

    assert (
        f"Seal 3 of {Seal.objects.get(number=3).day} (line 3 of {settings.SEAL_LOG}) was delivered" in output
    )
    assert "history was sealed again since. It covered" in output
    assert "Compare these rows with a backup." in output


def test_the_worker_sends_a_chain_that_was_made_again_once_more(house, settings):
    work()
    before = lines(settings.SEAL_LOG)
    forge("DELETE FROM audit_seal")

    work()

    after = lines(settings.SEAL_LOG)
    assert after[:-1] == before
    assert (after[-1]["number"], after[-1]["previous"]) == (1, "")


def test_a_removed_seal_is_found_by_a_log_of_elsewhere(house, settings, tmp_path):
    work()
    kept = settings.SEAL_LOG.rename(tmp_path / "kept")
    forge("DELETE FROM audit_seal WHERE number = 3")

    output = verify("--log", str(kept))

    assert "Seal 3 of" in output
    assert (
        "was delivered but is not in the database: it was removed, or an older backup was restored" in output
    )


def test_a_line_that_was_removed_or_damaged_is_found(house, settings):
    work()
    first, _, third = settings.SEAL_LOG.read_text().splitlines()
    settings.SEAL_LOG.write_text(f"{first}\n{third}\n[]\n")

    output = verify()

    assert f"1 of the seals up to 3 is not in {settings.SEAL_LOG} (seal 2)" in output
    assert f"Line 3 of {settings.SEAL_LOG} is not a seal" in output


def test_a_log_of_elsewhere_shows_that_days_without_a_seal_had_none(db, settings, tmp_path):
    with on(days_ago(30)):
        numbers_in("instock", ["101"], carrier())
    seal_new_rows(days_ago(20))
    work()
    assert "This is the first seal" in verify()
    assert "history was not sealed for 19 days" in verify()

    output = verify("--log", str(settings.SEAL_LOG))

    assert "unchanged" in output


def test_a_log_that_can_not_be_read_is_named(house, tmp_path):
    assert "The log of seals can’t be read: " in verify("--log", str(tmp_path / "none"))


def test_a_log_that_can_not_be_written_is_shown_until_it_can(house, settings, tmp_path, supervisor):
    settings.SEAL_LOG = tmp_path / "gone" / "seals.log"
    WorkerBeat.beat("w")

    work()

    page = client_of(supervisor).get("/jobs/").text
    assert "Seals of history can’t be delivered to the log since" in page
    assert "No such file or directory" in page
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["seals"]) == (200, "not delivered to: log")
    settings.SEAL_LOG.parent.mkdir()
    work()
    assert not settings.SEAL_LOG.exists()  # not tried again within a minute
    next_minute()
    work()
    assert len(lines(settings.SEAL_LOG)) == 3
    assert "can’t be delivered" not in client_of(supervisor).get("/jobs/").text


# --- a web address --------------------------------------------------------------------------------------


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status < 300:
            self.server.received.append(body)
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.received.append("a GET")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def webhook(settings):
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.received, server.answers = [], []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.SEAL_WEBHOOK = f"http://127.0.0.1:{server.server_port}/seals"
        yield server
        server.shutdown()
        thread.join()


def test_seals_are_posted_to_the_webhook(house, webhook):
    work()
    work()

    (body,) = webhook.received
    assert [one["digest"] for one in body["seals"]] == list(
        Seal.objects.order_by("number").values_list("digest", flat=True)
    )


@pytest.mark.parametrize("status", [500, 302, 404])
def test_a_webhook_that_fails_is_tried_again_and_nothing_is_lost(house, webhook, status):
    webhook.answers.append(status)
    work()
    assert webhook.received == []
    (failing,) = SealDelivery.failing()
    assert (failing.place, str(status) in failing.error) == ("webhook", True)
    work()
    assert webhook.received == []

    next_minute()
    work()

    assert [one["number"] for one in webhook.received[0]["seals"]] == [1, 2, 3]
    assert not SealDelivery.failing().exists()


def test_a_webhook_that_nobody_answers_keeps_no_other_place_waiting(house, settings):
    settings.SEAL_WEBHOOK = "http://127.0.0.1:1/"

    work()

    assert len(lines(settings.SEAL_LOG)) == 3
    assert [failing.place for failing in SealDelivery.failing()] == ["webhook"]


def test_a_long_chain_is_sent_in_parts(house, webhook, monkeypatch):
    monkeypatch.setattr(delivery, "BATCH", 1)

    work()
    work()
    work()

    assert [[one["number"] for one in body["seals"]] for body in webhook.received] == [[1], [2], [3]]


# --- mail -----------------------------------------------------------------------------------------------


def test_seals_are_mailed(house, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.SEAL_MAIL = "127.0.0.1", ["auditor@example.com"]
    received = []
    with mail_server(received) as settings.EMAIL_PORT:
        work()
    (mail,) = received

    assert (mail["To"], mail["Subject"]) == ("auditor@example.com", "Seals 1 to 3 of DID Management")
    kept = tmp_path / "kept"
    kept.write_text(mail.get_payload(decode=True).decode().partition("\n\n")[2].replace("\r\n", "\n"))
    assert "unchanged" in verify("--log", str(kept))


def test_a_mail_server_that_is_down_is_tried_again(house, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.SEAL_MAIL, settings.EMAIL_PORT = "127.0.0.1", ["auditor@example.com"], 1
    work()
    assert [failing.place for failing in SealDelivery.failing()] == ["mail"]
    received = []

    next_minute()
    with mail_server(received) as settings.EMAIL_PORT:
        work()

    assert len(received) == 1
    assert not SealDelivery.failing().exists()

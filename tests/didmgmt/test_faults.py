"""A request that meets a deadlock is tried again; a database or disk that fails is never a status 500."""

import errno
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from django.contrib import messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from audit.models import Change
from clients.models import Client, Reseller
from didmgmt import faults
from didmgmt.urls import urlpatterns as ours
from dids.models import DID
from tests.carrier import carrier, numbers_in
from tests.world import client_of

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs row locks")

calls = []  # what the views below did, in order
handler500 = "didmgmt.faults.handler500"


def database_fails(sqlite=sqlite3.SQLITE_BUSY, sqlstate="40P01"):
    """Raise what Django raises for this error of the database."""
    if connection.vendor == "sqlite":
        cause = sqlite3.OperationalError("database failed")
        cause.sqlite_errorcode = sqlite
    else:
        cause = type("Failure", (Exception,), {"sqlstate": sqlstate})("database failed")
    raise OperationalError("database failed") from cause


def busy_twice(request):
    """Write in a transaction that fails twice; read an uploaded file and send a message each time."""
    content = request.FILES["file"].read() if request.FILES else b""
    calls.append(content)
    messages.info(request, "A message.")
    with transaction.atomic():
        Reseller.objects.create(name=f"Try {len(calls)}")
        if len(calls) <= 2:
            database_fails()
    return HttpResponse(" ".join(str(message) for message in messages.get_messages(request)))


def always_busy(request):
    calls.append(request.method)
    database_fails()


def busy_after_a_commit(request):
    calls.append(request.method)
    Reseller.objects.create(name=f"Written {len(calls)}")
    database_fails()


def busy_after_a_union(request):
    """Read what begins with a bracket on PostgreSQL."""
    calls.append(request.method)
    list(Reseller.objects.values_list("name").union(Client.objects.values_list("name")))
    database_fails()


def disk_full(request):
    calls.append(request.method)
    database_fails(sqlite3.SQLITE_FULL, "53100")


def no_room_for_a_file(request):
    raise OSError(errno.ENOSPC, "No space left on device")


def down(request):
    calls.append(request.method)
    database_fails(sqlite3.SQLITE_IOERR, "57P01")


urlpatterns = [
    path("busy-twice/", busy_twice),
    path("always-busy/", always_busy),
    path("busy-after-a-commit/", busy_after_a_commit),
    path("busy-after-a-union/", busy_after_a_union),
    path("disk-full/", disk_full),
    path("no-room/", no_room_for_a_file),
    path("down/", down),
    *ours,
]


@pytest.fixture
def browser(supervisor, monkeypatch):
    calls.clear()
    monkeypatch.setattr(faults, "PAUSE", 0.001)
    with override_settings(ROOT_URLCONF=__name__):
        browser = client_of(supervisor)
        browser.raise_request_exception = False
        yield browser


def test_a_deadlock_is_tried_again_with_the_same_file_and_one_message(browser):
    response = browser.post("/busy-twice/", {"file": SimpleUploadedFile("a.txt", b"content")})
    assert (response.status_code, response.text) == (200, "A message.")
    assert calls == [b"content"] * 3
    assert [*Reseller.objects.values_list("name", flat=True)] == ["Try 3"]


def test_the_fourth_deadlock_is_answered_with_a_sentence(browser):
    response = browser.post("/always-busy/")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    who = "others were writing the same records"
    if connection.vendor == "sqlite":
        who = "another process has been writing for a long time"
    assert f"The database is busy: {who}. Nothing was changed." in response.text
    assert len(calls) == 4


def test_a_request_that_has_committed_something_is_not_tried_again(browser):
    response = browser.post("/busy-after-a-commit/")
    assert response.status_code == 503
    assert "check what was done before you try again" in response.text
    assert len(calls) == 1 == Reseller.objects.count()


def test_a_union_is_read_and_so_no_reason_to_give_up(browser):
    assert browser.post("/busy-after-a-union/").status_code == 503
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/disk-full/", "The disk is full, so nothing can be saved. Nothing was changed."),
        ("/no-room/", "The disk is full, so nothing can be saved. Nothing was changed."),
        ("/down/", "The database does not answer. Each change is written whole or not at all"),
    ],
)
def test_any_other_failure_is_answered_at_once(browser, address, sentence):
    response = browser.post(address)
    assert response.status_code == 503
    assert sentence in response.text
    assert len(calls) <= 1


def test_a_part_of_a_page_gets_the_sentence_alone(browser):
    response = browser.get("/down/", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert response.text.startswith("The database does not answer. Nothing was changed.")


@pytest.fixture
def no_database(monkeypatch):
    """Let the next connection find no database."""
    connection.close()
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connection.settings_dict, "NAME", "/nowhere/db.sqlite3")
    else:
        monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    yield
    connection.close()
    monkeypatch.undo()


@pytest.mark.parametrize("address", ["/dids/", "/login/", "/jobs/", "/nowhere/"])
def test_every_page_says_that_the_database_does_not_answer(browser, no_database, address):
    response = browser.get(address)
    assert response.status_code == 503
    assert "The database does not answer. Nothing was changed." in response.text


def test_health_checks_answer_without_a_database_and_a_session(client, no_database):
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "failed")


@on_postgresql
def test_a_user_whose_edit_meets_a_deadlock_sees_that_it_was_made(supervisor):
    numbers_in("instock", ["100", "200"], carrier())
    # On a busy machine PostgreSQL may cancel the other transaction instead.
    assert any(edit_meets_a_deadlock(supervisor, turn) for turn in range(1, 6))


def edit_meets_a_deadlock(supervisor, turn):
    """Edit two numbers while another transaction locks them in the wrong order; return who was cancelled.

    True: the edit was, and was tried again.
    """
    first, second = DID.objects.order_by("pk").values_list("pk", flat=True)
    lock = "SELECT 1 FROM dids_did WHERE id = %s FOR UPDATE"
    answers, is_edit_cancelled = [], True

    def edit():
        fields = {"scope": "ids", "ids": f"{first},{second}", "change_notes": "on", "notes": f"mine {turn}"}
        answers.append(client_of(supervisor).post("/dids/mass-edit/", fields | {"step": "apply"}))
        connections.close_all()

    with closing(connection.copy()) as other, other.cursor() as cursor:
        other.set_autocommit(False)
        cursor.execute(lock, [second])
        user = threading.Thread(target=edit)
        user.start()
        while not is_somebody_waiting():
            time.sleep(0.01)
        try:
            cursor.execute(lock, [first])
        except OperationalError:
            is_edit_cancelled = False
        other.rollback()
    user.join()

    assert answers[0].status_code == 302, answers[0].text
    assert set(DID.objects.values_list("notes", flat=True)) == {f"mine {turn}"}
    assert Change.objects.filter(kind="mass_edit").count() == turn
    return is_edit_cancelled


def is_somebody_waiting():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
        return cursor.fetchone() is not None

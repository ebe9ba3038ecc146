"""Requirements of OWASP ASVS 5.0 that no other test proves, and the table that names them all."""

import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client as Browser
from django.test import override_settings
from django.urls import path

from audit.models import Change
from dids.models import DID
from jobs.models import Job
from operators.models import Operator
from tests.imports import DEFAULTS, staged
from tests.screens.test_access import ADDRESSES
from tests.world import PASSWORD, client_of

ROOT = Path(settings.BASE_DIR)
MARKUP = "<img src=x onerror=alert(1)>"


@login_not_required
def fails(request):
    raise ValueError("the database password is hunter2")


urlpatterns = [path("fails/", fails)]


# --- the table ------------------------------------------------------------------------------------


def test_every_test_that_the_page_on_security_names_exists():
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists() or f"\ndef {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []


def test_every_requirement_of_the_table_names_a_test():
    table = (ROOT / "docs" / "security.md").read_text().partition("## OWASP ASVS 5.0")[2]
    rows = [line for line in table.splitlines() if re.match(r"\| \d+\.\d+\.\d+ ", line)]
    assert len(rows) >= 30
    assert [row for row in rows if "`tests/" not in row] == []


# --- input and output -----------------------------------------------------------------------------


def test_markup_in_a_name_is_shown_as_text(world, viewer):
    Operator.objects.filter(pk=world.operator.pk).update(name=MARKUP)
    for address in ("/operators/", "/dids/", "/audit/", "/operators/choices/"):
        page = client_of(viewer).get(address)
        assert page.headers["Content-Type"] == "application/json" or MARKUP not in page.content.decode()


def test_invisible_signs_in_notes_are_shown(world, clerk):
    notes = "paid\u202eoyven\u200b"
    DID.objects.filter(pk=world.did("111").pk).edit(by=clerk, notes=notes)
    pk = world.did("111").pk
    for address in ("/dids/?q=%3D111", f"/dids/{pk}/history/", f"/audit/{Change.objects.latest('pk').pk}/"):
        page = client_of(clerk).get(address).content.decode()
        assert notes not in page
        assert "paid⟨U+202E⟩oyven⟨U+200B⟩" in page


@pytest.mark.parametrize("text", ["' OR 1=1 --", '" OR ""="', "1); DROP TABLE dids_did; --", "%' ESCAPE '"])
@pytest.mark.parametrize("address", ["/dids/?q=", "/dids/?sort=", "/operators/?name=", "/audit/?sort="])
def test_sql_in_an_address_finds_nothing(world, viewer, address, text):
    page = client_of(viewer).get(address + quote(text))
    assert page.status_code == 200
    assert not page.context["listing"].rows
    assert DID.objects.count() == 13


def test_numbers_are_written_only_after_the_check(world, clerk):
    number_import = client_of(clerk).post("/dids/import/", DEFAULTS | {"file": csv("DID\n778899\n")})
    job = Job.objects.get()
    assert client_of(clerk).post(f"/dids/import/{job.pk}/check/").url == number_import.url
    assert not DID.objects.filter(number="778899").exists()


def csv(text, name="numbers.csv"):
    return SimpleUploadedFile(name, text.encode())


# --- browsers -------------------------------------------------------------------------------------


def test_every_address_refuses_a_form_from_another_site(administrator):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(administrator, backend="staff.backends.StaffBackend")
    ids = defaultdict(lambda: 1, {"import": UUID(int=1), "job": UUID(int=1)})
    accepted = [
        address.name
        for address in ADDRESSES
        if browser.post(address.path.format_map(ids), address.sent).status_code != 403
    ]
    assert accepted == []
    assert Browser(enforce_csrf_checks=True).post("/login/", {"username": "x"}).status_code == 403


def refuse_writes(execute, sql, params, many, context):
    assert sql.split()[0] not in ("INSERT", "UPDATE", "DELETE")
    return execute(sql, params, many, context)


def test_opening_a_dialog_writes_nothing(world, supervisor):
    dialogs = [
        "/clients/new/",
        f"/clients/{world.client.pk}/close/",
        f"/clients/{world.client.pk}/delete/",
        f"/clients/{world.client.pk}/give/",
        f"/client-packages/{world.client_package.pk}/deactivate/",
        f"/dids/delete/?ids={world.did('111').pk}",
        f"/dids/mass-edit/?ids={world.did('111').pk}&step=apply&change_notes=on&notes=x",
        f"/operators/{world.operator.pk}/delete/",
        f"/packages/{world.package.pk}/archive/",
    ]
    browser = client_of(supervisor)
    with connection.execute_wrapper(refuse_writes):
        assert {browser.get(address).status_code for address in dialogs} == {200}


def test_another_origin_may_not_read_a_response(world, viewer):
    response = client_of(viewer).get("/dids/", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_the_session_cookie_is_hidden_from_scripts(viewer):
    browser = Browser()
    browser.post("/login/", {"username": viewer.username, "password": PASSWORD})
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize("address", ["/dids/export/", "/operators/export/", "/clients/export/?format=xlsx"])
def test_a_file_is_saved_not_shown(world, viewer, address):
    response = client_of(viewer).get(address)
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    response.getvalue()  # closes the file


# --- files ----------------------------------------------------------------------------------------


def test_a_file_name_of_a_visitor_is_no_path(world, clerk, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    client_of(clerk).post("/dids/import/", DEFAULTS | {"file": csv("DID\n778899\n", "..\\..\\evil.csv")})
    job = Job.objects.get()
    (stored,) = [file for file in (tmp_path / "jobs").rglob("*") if file.is_file()]
    assert stored.name == f"{job.pk}.csv"


@pytest.mark.parametrize("name", ['a";filename=b.csv', "rejeição.csv", "a;b.csv"])
def test_the_name_of_a_download_cannot_add_to_its_header(world, owner, name):
    number_import = staged("DID\nnonsense\n", owner, operator=world.operator, name=name)
    response = client_of(owner).get(f"/dids/import/{number_import.job.pk}/refused.csv")
    header = response.headers["Content-Disposition"]
    assert header.isascii()
    assert re.fullmatch(r"""attachment; (filename="([^"\\]|\\.)*"|filename\*=utf-8''[\w.%-]*)""", header)


def test_a_file_above_the_limit_is_refused(world, clerk, settings):
    settings.UPLOAD_LIMIT = 10
    response = client_of(clerk).post("/dids/import/", DEFAULTS | {"file": csv("DID\n778899\n")})
    assert response.status_code == 422
    assert not Job.objects.exists()


def test_a_picture_that_is_named_like_a_workbook_is_refused(world, clerk):
    picture = SimpleUploadedFile("numbers.xlsx", b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert client_of(clerk).post("/dids/import/", DEFAULTS | {"file": picture}).status_code == 422
    assert not Job.objects.exists()


# --- passwords and sessions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("x7f-q9t", False),  # seven characters
        ("password1", False),
        ("iloveyou", False),
        ("naïve ☎ telephone", True),
        ("p" + "assphrase " * 9, True),
    ],
)
def test_a_password_is_long_and_uncommon_and_nothing_else(viewer, password, accepted):
    fields = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}
    response = client_of(viewer).post("/password/", fields)
    assert (response.status_code == 302) == accepted
    viewer.refresh_from_db()
    assert viewer.check_password(password) == accepted


def test_signing_in_begins_a_new_session(viewer):
    browser = Browser()
    session = browser.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    browser.cookies[settings.SESSION_COOKIE_NAME] = planted
    browser.post("/login/", {"username": viewer.username, "password": PASSWORD})
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value != planted


@pytest.mark.parametrize("address", ["/start/", "/clients/", "/audit/", "/jobs/", "/me/", "/password/"])
def test_every_page_offers_to_sign_out(viewer, address):
    assert 'action="/logout/"' in client_of(viewer).get(address).content.decode()


# --- errors ---------------------------------------------------------------------------------------


@override_settings(ROOT_URLCONF=__name__)
def test_the_page_of_an_error_reveals_nothing_of_it(caplog):
    response = Browser(raise_request_exception=False).get("/fails/")
    assert response.status_code == 500
    assert "hunter2" not in response.content.decode() and "Traceback" not in response.content.decode()
    assert "hunter2" in caplog.text  # the log has it


def test_trace_is_refused_and_folders_are_not_listed(client, db):
    assert client.trace("/login/").status_code == 405
    assert client.get("/static/").status_code == 404

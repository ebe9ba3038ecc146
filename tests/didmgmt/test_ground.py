"""Settings, ``make run``, health checks, and what the test suite itself relies on."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.request
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from audit import history, triggers
from clients.models import Reseller
from didmgmt.proxy import ClientAddressMiddleware
from jobs.models import WorkerBeat
from tests.programs import free_port


def environment(folder, **variables):
    """Return an environment without the settings of the suite."""
    values = {"PATH": os.environ["PATH"], "VAR_DIR": folder} | variables
    return {name: str(value) for name, value in values.items()}


def manage(folder, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        umask=0o022,
    )


def printed(folder, code, **variables):
    """Return what this Python code prints inside the project."""
    run = manage(folder, "shell", "--no-imports", "-c", code, **variables)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def assert_refused(run, *words):
    """Check for one sentence on stderr, no traceback and a non-zero exit status."""
    assert run.returncode != 0
    assert run.stderr.startswith("Error: ")
    assert run.stderr.count("\n") == 1
    for word in words:
        assert word in run.stderr


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "flase"),
        ("TLS", "maybe"),
        ("DEMO", "2"),
        ("PORT", "80a"),
        ("PORT", "65536"),
        ("HOLD_DAYS", "-1"),
        ("REQUEST_LIMIT", "0"),
        ("TRUSTED_PROXIES", "one"),
        ("TIME_ZONE", "Europe/Atlantis"),
        ("LOG_LEVEL", "LOUD"),
        ("SESSION_IDLE_MINUTES", "0"),
        ("SESSION_HOURS", "one"),
        ("SECURITY_CONTACT", "security@example.com"),
        ("CSRF_TRUSTED_ORIGINS", "did.example.com"),
        ("SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://u:hidden@h/n"),
        ("DATABASE_URL", "postgres://u:hidden@h:port/n"),
        ("DATABASE_URL", "nonsense"),
        ("REPLICA_URL", "postgres://u:hidden@h:port/n"),
        ("REPLICA_URL", "sqlite:///copy.sqlite3"),
        ("REPLICA_URL", "postgres://u:hidden@h/n"),  # DATABASE_URL is not PostgreSQL
        ("DATABASE_POOLER", "session"),
        ("DATABASE_CONNECT_SECONDS", "1"),
        ("DATABASE_REQUEST_SECONDS", "0"),
        ("OWNER_DATABASE_URL", "postgres://u:hidden@h/n"),  # DATABASE_URL is not PostgreSQL
        ("SEAL_LOG", "/nowhere/seals.log"),
        ("SEAL_LOG", "/"),
        ("SEAL_WEBHOOK", "ftp://hidden@host/path"),
        ("SEAL_WEBHOOK", "https://host:port/hidden"),
        ("SEAL_MAIL", "auditor"),
        ("SEAL_MAIL", "auditor@example.com"),  # without MAIL_URL
        ("MAIL_URL", "imap://u:hidden@h"),
        ("MAIL_FROM", "did@"),
        ("METRICS_TOKEN", "hidden"),
        ("METRICS_TOKEN", "hidden token of two words"),
        ("METRICS_NETWORKS", "10.0.0.1/8"),
        ("METRICS_NETWORKS", "10.0.0.0/8,intranet"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_an_invalid_value_is_refused_by_its_variable(tmp_path, name, value):
    run = manage(tmp_path, "check", **{name: value})
    assert_refused(run, name)
    assert "hidden" not in run.stderr


@pytest.mark.parametrize("option", ["assume_role=r", "options=-cjit%3Doff", "prepare_threshold=5"])
def test_what_a_pooled_connection_cannot_keep_is_refused(tmp_path, option):
    url = f"postgres://u:hidden@h/n?{option}"
    run = manage(tmp_path, "check", DATABASE_URL=url, DATABASE_POOLER="transaction")
    assert_refused(run, "DATABASE_POOLER")
    assert option.partition("=")[0] in run.stderr


def test_a_backup_through_a_pooler_is_refused(tmp_path):
    url = "postgres://u@127.0.0.1:1/n"
    run = manage(tmp_path, "backup", str(tmp_path / "file"), DATABASE_URL=url, DATABASE_POOLER="transaction")
    assert run.returncode != 0
    assert run.stderr.startswith("CommandError: DATABASE_URL leads to a pooler")
    assert "OWNER_DATABASE_URL" in run.stderr


def test_a_generated_secret_key_is_private_and_stays_the_same(tmp_path):
    show = "from django.conf import settings; print(settings.SECRET_KEY)"
    key = printed(tmp_path, show)
    assert len(key) >= 50
    assert printed(tmp_path, show) == key
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def readable_by_others(folder):
    """Return the files and folders in ``folder``, itself included, that others than their owner can use."""
    paths = [folder, *folder.rglob("*")]
    return [str(path) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def test_a_folder_of_an_earlier_version_is_made_private(tmp_path):
    var = tmp_path / "var"
    (var / "files").mkdir(parents=True)
    for path in (var / "db.sqlite3", var / "files" / "numbers.csv"):
        path.touch()
        path.chmod(0o644)
    var.chmod(0o755)
    (var / "files").chmod(0o755)
    manage(var, "check")
    assert readable_by_others(var) == []
    assert stat.S_IMODE((var / "db.sqlite3").stat().st_mode) == 0o600


def test_a_folder_of_all_users_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    assert_refused(manage(tmp_path, "check"), "VAR_DIR", "shared by all users")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_the_deployment_check_passes_behind_tls(tmp_path):
    run = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", TLS="1")
    assert run.returncode == 0, run.stderr


def test_behind_tls_cookies_belong_to_this_host_and_browsers_stay_with_https(tmp_path):
    code = """
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("anna", password="correct-horse-9")
browser = Client()
posts = [("/login/", {"username": "anna", "password": "correct-horse-9"}), ("/me/", {"time_zone": "UTC"})]
for path, fields in posts:
    answer = browser.post(path, fields, headers={"host": "localhost", "x-forwarded-proto": "https"})
print(answer.headers["Strict-Transport-Security"])
for name, cookie in sorted(browser.cookies.items()):
    print(name, bool(cookie["secure"]), cookie["path"], cookie["domain"] or "-", cookie["samesite"])
"""
    policy, *cookies = printed(tmp_path, code, TLS="1").splitlines()
    assert policy == f"max-age={365 * 24 * 3600}; includeSubDomains"
    names = ("csrftoken", "messages", "seen", "sessionid")
    assert cookies == [f"__Host-{name} True / - Lax" for name in names]


def test_a_web_process_does_not_load_openpyxl(tmp_path):
    loaded = printed(tmp_path, "import sys; import didmgmt.urls; print('openpyxl' in sys.modules)")
    assert loaded == "False"


def test_debug_is_off_by_default(tmp_path):
    run = manage(
        tmp_path, "shell", "--no-imports", "-c", "from django.conf import settings as s; print(s.DEBUG)"
    )
    assert run.stdout.strip() == "False"


def test_pages_forbid_scripts_and_frames_from_elsewhere(client, db):
    policy = client.get("/", follow=True).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert {"frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy


# --- proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "192.0.2.9, 198.51.100.7", "198.51.100.7"),  # the first entry comes from the client
        (2, "192.0.2.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (1, "", "10.0.0.1"),
        (2, "198.51.100.7", "10.0.0.1"),
    ],
)
def test_the_client_address_is_the_one_that_the_trusted_proxy_wrote(rf, proxies, forwarded, address):
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    with override_settings(TRUSTED_PROXIES=proxies):
        ClientAddressMiddleware(lambda _: None)(request)
    assert request.META["REMOTE_ADDR"] == address


# --- health ---------------------------------------------------------------------------------------


READY = [
    *"database migrations history worker disk keys".split(),
    "periodic tasks",
    "seals",
    "files",
    "clocks",
]


def test_healthz_needs_neither_a_session_nor_a_database(client):
    assert client.get("/healthz").content == b"ok"


def test_readyz_is_ready_with_a_worker(client, db):
    WorkerBeat.beat("w")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == dict.fromkeys(READY, "ok")


def test_readyz_names_a_silent_worker(client, db):
    WorkerBeat.objects.create(worker="w", seen_at=timezone.now() - timedelta(seconds=61))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["worker"] == "failed"


@pytest.mark.owner
def test_readyz_names_missing_history_triggers(client, db):
    WorkerBeat.beat("w")
    triggers.drop(connection)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == dict.fromkeys(READY, "ok") | {"history": "failed"}


# --- make run -------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(folder, port, **variables):
    """Yield a running ``manage.py serve``; ``lines`` is its output until then."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=settings.BASE_DIR,
        env=environment(folder, PORT=port, DEMO="0", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o022,
    )
    with process:
        process.lines = []
        for line in process.stdout:
            process.lines.append(line)
            if line.startswith("Running at"):
                break
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.lines += process.stdout


def test_a_first_start_works_and_a_second_one_keeps_everything(tmp_path, database_url):
    port = free_port()
    with serving(tmp_path, port, DATABASE_URL=database_url) as first:
        assert f"Running at http://127.0.0.1:{port}/" in first.lines[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/dids/", timeout=10) as response:
            assert response.url.startswith(f"http://127.0.0.1:{port}/login/")
            style = re.search(r"/static/css/app\.\w+\.css", response.read().decode()).group()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{style}", headers={"Accept-Encoding": "gzip"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            assert response.headers["Content-Encoding"] == "gzip"
            assert int(response.headers["Content-Length"]) * 4 < (tmp_path / style[1:]).stat().st_size
        assert readable_by_others(tmp_path) == []
        assert [path.name for path in (tmp_path / "static").iterdir() if path.name.startswith(".")] == []
    assert first.returncode == 0, first.lines
    assert first.lines[-1] == "Stopped.\n"
    assert any(re.search(r"Password: +\S{16}", line) for line in first.lines)
    collected = (tmp_path / "static").stat().st_mtime_ns

    with serving(tmp_path, port, DATABASE_URL=database_url) as second:
        # No migration, no new administrator, no static files collected: a second start is fast. On a busy
        # machine the server and the worker may log something before it is ready.
        assert len([line for line in second.lines if " INFO " not in line]) == 1
    assert second.returncode == 0, second.lines
    assert (tmp_path / "static").stat().st_mtime_ns == collected


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Return (folder, output) of a first start, which takes ten times as long as others."""
    folder = tmp_path_factory.mktemp("started")
    with serving(folder, free_port(), ADMIN_PASSWORD="correct horse") as process:
        pass
    return folder, "".join(process.lines)


def test_the_first_administrator_gets_the_given_password_unprinted(started):
    folder, output = started
    assert "correct horse" not in output
    check = (
        "from staff.models import User; u = User.objects.get();"
        "print(u.username, u.is_superuser, u.check_password('correct horse'), u.groups.get())"
    )
    assert printed(folder, check) == "admin True True Administrator"


def test_a_killed_child_is_started_again_and_all_end_with_a_killed_parent(started):
    folder, port = started[0], free_port()
    with serving(folder, port, WEB_PROCESSES="1") as process:
        killed = {name: child_of(process.pid, name) for name in ("web", "worker")}
        for child in killed.values():
            os.kill(child, signal.SIGKILL)
        restarted = (line for line in process.stdout if "is started again" in line)
        sentences = sorted(next(restarted) for _ in killed)
        assert sentences[0].startswith("The web process 1 exited with status -9; it is started again")
        assert sentences[1].startswith("The worker exited with status -9; it is started again")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as response:
            assert response.read() == b"ok"

        process.kill()
        process.wait()
        # The output ends when no child holds it any more.
        assert "Traceback" not in process.stdout.read()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def child_of(pid, word):
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        child, parent, command = line.split(None, 2)
        if int(parent) == pid and word in command:
            return int(child)
    raise AssertionError(f"no child with {word}:\n{listing.stdout}")


def test_a_port_in_use_is_refused(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_refused(manage(tmp_path, "serve", PORT=port), f"Port {port}", "in use")


def test_a_foreign_host_address_is_refused(tmp_path):
    assert_refused(manage(tmp_path, "serve", HOST="192.0.2.1", PORT=free_port()), "192.0.2.1")


def test_an_unreachable_database_is_refused_without_its_password(tmp_path):
    url = f"postgres://user:hidden@127.0.0.1:{free_port()}/did"
    run = manage(tmp_path, "serve", PORT=free_port(), DATABASE_URL=url)
    assert_refused(run, "database 'did'", "cannot be reached")
    assert "hidden" not in run.stderr


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "db.sqlite3").write_text("a letter to a friend, rather long" * 100)
    assert_refused(manage(tmp_path, "serve", PORT=free_port()), "db.sqlite3", "cannot be opened")


def test_a_database_in_a_missing_folder_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/missing/db.sqlite3"
    assert_refused(manage(tmp_path, "serve", PORT=free_port(), DATABASE_URL=url), "cannot be opened")


@pytest.mark.parametrize("key", ["", "k" * 50])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, key):
    (tmp_path / "file").touch()
    run = manage(tmp_path / "file" / "var", "serve", PORT=free_port(), SECRET_KEY=key)
    assert_refused(run, "cannot be written", "VAR_DIR")


def test_sqlite_writes_ahead(tmp_path):
    code = (
        "from django.db import connection; cursor = connection.cursor();"
        "pragmas = ['journal_mode', 'foreign_keys'];"
        "print(*[cursor.execute(f'PRAGMA {name}').fetchone()[0] for name in pragmas])"
    )
    assert printed(tmp_path, code) == "wal 1"
    with contextlib.closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_make_refuses_an_old_python_with_a_sentence(tmp_path):
    for name in ("Makefile", "requirements.txt"):
        (tmp_path / name).write_bytes((settings.BASE_DIR / name).read_bytes())
    run = subprocess.run(
        ["make", "run", "PYTHON=false"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert run.stderr.startswith("Error: Python 3.11 or newer is needed")
    assert not (tmp_path / ".venv").exists()


# --- the tests themselves -------------------------------------------------------------------------


def test_a_transactional_test_leaves_the_roles_and_nothing_else(transactional_db):
    Reseller.objects.create(name="Leftover")
    TransactionTestCase._fixture_teardown(TransactionTestCase)
    assert not Reseller.objects.exists()
    assert not history.TRACKED[Reseller].objects.exists()
    assert Group.objects.filter(name="Administrator").exists()
    assert triggers.missing(connection) == []


def test_a_test_that_reaches_for_another_machine_fails():
    with pytest.raises(AssertionError, match="tried to connect to 192.0.2.1"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_a_test_that_needs_no_database_does_not_run_on_each_engine(request):
    assert "not without_database" not in request.config.option.markexpr


@pytest.mark.parametrize(("ci", "failed"), [("true", 1), ("", 0)])
def test_a_part_that_cannot_run_fails_only_in_ci(tmp_path, ci, failed):
    run = subprocess.run(
        [sys.executable, "-m", "tests.run", "browser"],
        cwd=settings.BASE_DIR,
        env=environment(tmp_path, PATH=str(tmp_path), CI=ci),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == failed
    assert "could not run: there is no Chromium" in run.stdout
    assert run.stdout.splitlines()[-1] == f"0 passed, {failed} failed"

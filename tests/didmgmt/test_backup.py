"""``manage.py backup`` while others write, and ``manage.py restore``."""

import json
import stat
import tarfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audit import SYSTEM
from dids.models import DID, DIDHistory
from jobs.models import Job
from tests import roles
from tests.carrier import carrier, numbers_in
from tests.didmgmt.test_ground import manage

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles")


@pytest.fixture
def house():
    return carrier()


@pytest.fixture
def files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"


def rows(path):
    with tarfile.open(path) as archive:
        return json.load(archive.extractfile("manifest.json"))["rows"]


def count_in(folder, url):
    """Return how many numbers and how many of their history rows the restored database has."""
    code = "from dids.models import *; print(DID.objects.count(), DIDHistory.objects.count())"
    run = manage(folder, "shell", "--no-imports", "-c", code, DATABASE_URL=url)
    return [int(count) for count in run.stdout.split()]


def test_a_backup_made_while_others_write_is_restored_whole(house, clerk, files, tmp_path, database_url):
    numbers_in("instock", [str(n) for n in range(5000, 5100)], house)
    job = Job(kind="export", owner=clerk, state=Job.State.DONE)
    job.file.save("numbers.xlsx", ContentFile(b"a workbook"))
    stop = threading.Event()

    def write():
        while not stop.is_set():
            DID.objects.filter(number__lt="5010").edit(by=SYSTEM, notes=str(DIDHistory.objects.count()))
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with roles.as_owner():
            call_command("backup", tmp_path / "backup.tar")
    finally:
        stop.set()
        writer.join()

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("backup")] == ["backup.tar"]
    assert stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode) == 0o600
    saved = rows(tmp_path / "backup.tar")
    assert saved["dids_did"] == 100 and 100 <= saved["dids_didhistory"] <= DIDHistory.objects.count()

    target = tmp_path / "target"
    run = manage(target, "restore", str(tmp_path / "backup.tar"), DATABASE_URL=database_url)
    assert run.returncode == 0, run.stderr
    assert f"{sum(saved.values()):,} rows in {len(saved)} tables, 1 file" in run.stdout
    assert count_in(target, database_url) == [100, saved["dids_didhistory"]]
    assert [path.read_bytes() for path in (target / "files").rglob("*.xlsx")] == [b"a workbook"]

    run = manage(target, "restore", str(tmp_path / "backup.tar"), DATABASE_URL=database_url)
    assert run.returncode and "is not empty" in run.stderr
    run = manage(target, "restore", "--replace", str(tmp_path / "backup.tar"), DATABASE_URL=database_url)
    assert run.returncode == 0, run.stderr


@pytest.fixture
def two_roles(database_url):
    """Make an owner of the empty database and a role for the application; return the variables for both."""
    parts = urlsplit(database_url)
    owner, application = (f"{parts.path[1:]}_{part}" for part in ("owner", "application"))
    with psycopg.connect(database_url, autocommit=True) as database:
        for role in (owner, application):
            database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        database.execute(f"ALTER DATABASE {parts.path[1:]} OWNER TO {owner}")
        database.execute(f"ALTER SCHEMA public OWNER TO {owner}")
        try:
            yield {
                name: parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}").geturl()
                for name, role in (("DATABASE_URL", application), ("OWNER_DATABASE_URL", owner))
            }
        finally:
            database.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
            database.execute(f"ALTER DATABASE {parts.path[1:]} OWNER TO CURRENT_USER")
            for role in (application, owner):
                database.execute(f"DROP OWNED BY {role} CASCADE")
                database.execute(f"DROP ROLE {role}")


@on_postgresql
def test_with_two_roles_the_owner_restores_and_backs_up(house, files, tmp_path, request):
    numbers_in("instock", ["5000"], house)
    with roles.as_owner():
        call_command("backup", tmp_path / "first.tar")
    urls = request.getfixturevalue("two_roles")
    target = tmp_path / "target"

    run = manage(target, "restore", str(tmp_path / "first.tar"), **urls)
    assert run.returncode == 0, run.stderr
    with psycopg.connect(urls["DATABASE_URL"]) as application:
        assert application.execute("SELECT number FROM dids_did").fetchall() == [("5000",)]
        for statement in ("DELETE FROM dids_didhistory", "SELECT dids_didhistory_write()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), application.transaction():
                application.execute(statement)

    run = manage(target, "backup", str(tmp_path / "second.tar"), **urls)
    assert run.returncode == 0, run.stderr
    assert rows(tmp_path / "second.tar") == rows(tmp_path / "first.tar")


@on_postgresql
def test_a_backup_by_the_applications_role_asks_for_the_owner(house, files, tmp_path):
    if not roles.made:
        pytest.skip("the server does not let us make a role")
    with roles.as_application(), pytest.raises(CommandError, match="Set OWNER_DATABASE_URL to their owner"):
        call_command("backup", tmp_path / "backup.tar")


def test_a_backup_never_overwrites_a_file(house, files, tmp_path):
    (tmp_path / "old").write_text("kept")
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "kept"


@pytest.mark.owner
def test_a_backup_without_history_triggers_is_refused(house, files, tmp_path):
    with connection.cursor() as cursor:
        table = " ON dids_did" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER dids_didhistory_update{table}")
    try:
        with pytest.raises(CommandError, match="lacks 1 history trigger"):
            call_command("backup", tmp_path / "backup.tar")
    finally:
        call_command("install_triggers")
    assert not any(path.name.startswith("backup") for path in tmp_path.iterdir())


@pytest.mark.parametrize("harm", ["one byte", "cut off", "no archive"])
def test_a_damaged_backup_is_refused_before_anything_is_replaced(house, files, tmp_path, harm):
    path: Path = tmp_path / "backup.tar"
    with roles.as_owner():
        call_command("backup", path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"one byte": content, "cut off": content[:5000], "no archive": b"nonsense"}[harm])
    with pytest.raises(CommandError, match="damaged|incomplete|no archive"):
        call_command("restore", path, replace=True)
    assert not DID.objects.exists()

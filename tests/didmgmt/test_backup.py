"""``manage.py backup`` while others write, and ``manage.py restore``."""

import json
import stat
import tarfile
import threading
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audit import SYSTEM
from dids.models import DID, DIDHistory
from jobs.models import Job
from tests.carrier import carrier, numbers_in
from tests.didmgmt.test_ground import manage

pytestmark = pytest.mark.django_db(transaction=True)


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
    call_command("backup", path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"one byte": content, "cut off": content[:5000], "no archive": b"nonsense"}[harm])
    with pytest.raises(CommandError, match="damaged|incomplete|no archive"):
        call_command("restore", path, replace=True)
    assert not DID.objects.exists()

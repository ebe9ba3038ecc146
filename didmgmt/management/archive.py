"""The file that ``manage.py backup`` writes and ``manage.py restore`` reads: a tar archive.

- ``database.sqlite3``, or ``database.dump`` in the custom format of pg_dump
- ``files/…``: the uploads and results of jobs
- ``secret_key``, unless SECRET_KEY is set in the environment
- ``manifest.json``, the last one: {"engine", "made", "rows": {table: rows}, "sha256": {member: digest}}
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from audit import triggers
from audit.roles import owns_tables
from didmgmt.text import count_noun
from jobs.files import MARKER

MANIFEST, FILES, SECRET_KEY = "manifest.json", "files", "secret_key"
DATABASE = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
BLOCK = 1024 * 1024  # bytes


class HashingReader:
    """Read a binary file and keep the SHA-256 of what was read."""

    def __init__(self, file):
        self.file, self.sha256 = file, hashlib.sha256()

    def read(self, size=-1):
        data = self.file.read(size)
        self.sha256.update(data)
        return data


def digest(file):
    """Return the SHA-256 of the rest of a binary file."""
    reader = HashingReader(file)
    while reader.read(BLOCK):
        pass
    return reader.sha256.hexdigest()


def read_manifest(archive):
    try:
        return json.load(archive.extractfile(MANIFEST))
    except (KeyError, ValueError, tarfile.TarError):
        raise CommandError("This file was not written by “manage.py backup”, or it is incomplete.") from None


def verify(path):
    """Compare every member of an archive with its digest; raise CommandError for the first difference."""
    with tarfile.open(path) as archive:
        expected = read_manifest(archive)["sha256"]
        found = {member.name: digest(archive.extractfile(member)) for member in archive if member.isfile()}
    del found[MANIFEST]
    if found != expected:
        names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise CommandError(f"The archive is damaged: {names[0]} differs from its digest.")


def check_sqlite(path):
    """Return {table: rows} of an SQLite file; raise CommandError if it is damaged or lacks triggers."""
    copy = connection.copy()
    copy.settings_dict["NAME"] = str(path)
    with closing(copy), copy.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        if (found := cursor.fetchone()[0]) != "ok":
            raise CommandError(f"The copy of the database is damaged: {found}.")
        if missing := triggers.missing(copy):
            raise CommandError(lacks_triggers(missing))
        return count_rows(copy)


def require_owner():
    """Raise CommandError unless the connection to PostgreSQL is direct, and that of the owner of the tables.

    pg_dump and pg_restore set parameters of their connections, which a pooler would hand on to others.
    """
    if settings.POOLED_TRANSACTIONS and settings.OWNER_DATABASE is None:
        raise CommandError(
            "DATABASE_URL leads to a pooler in transaction mode, through which the database can’t be copied."
            " Set OWNER_DATABASE_URL to the address of the database itself."
        )
    if not owns_tables():
        raise CommandError(
            f"The role {connection.settings_dict['USER']} does not own the tables, so it can’t copy or"
            " replace all of them. Set OWNER_DATABASE_URL to their owner for this command."
        )


def lacks_triggers(missing):
    return (
        f"The database lacks {count_noun(len(missing), 'history trigger')}. Run “manage.py install_triggers”."
    )


def count_rows(database):
    """Return {table: rows} of the tables of the application."""
    with database.cursor() as cursor:
        counts = {}
        for table in sorted(database.introspection.django_table_names(only_existing=True)):
            cursor.execute(f"SELECT count(*) FROM {database.ops.quote_name(table)}")
            counts[table] = cursor.fetchone()[0]
    return counts


def copy_sqlite(source, target):
    """Copy an SQLite database in one step, while others write.

    Copied in several steps it would start over after each write of another process.
    """
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        try:
            one.backup(other, pages=-1)
        except sqlite3.Error as error:
            raise CommandError(f"The database could not be copied: {error}.") from None


def run_postgresql(program, *arguments):
    """Run pg_dump or pg_restore on our database; raise CommandError with its reason."""
    database = connection.settings_dict
    _, secrets = DatabaseClient.settings_to_cmd_args_env(database, [])
    where = {"host": "HOST", "port": "PORT", "username": "USER"}
    options = [f"--{option}={database[key]}" for option, key in where.items() if database[key]]
    command = [program, f"--dbname={database['NAME']}", "--no-password", *options, *arguments]
    try:
        done = subprocess.run(
            command, env=os.environ | (secrets or {}), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CommandError(
            f"{program} is not installed. Install the client programs of PostgreSQL."
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise CommandError(f"{program} failed: {reason}")


def stored_files():
    """Yield (path, name in the archive) of the uploads and results of jobs, without the folder's marker."""
    root = Path(settings.MEDIA_ROOT)
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name != MARKER:
            yield path, f"{FILES}/{path.relative_to(root).as_posix()}"


def size(path):
    return f"{path.stat().st_size / 1024**2:,.1f} MB"

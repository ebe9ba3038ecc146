"""Processor time of processes and of the database's sessions, in seconds; Linux only."""

from contextlib import suppress
from pathlib import Path

from django.db import connection


def cpu(*pids):
    """Return the seconds that these processes of this machine spent on a core, 0 for those that ended."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total / 1e9


def descendants(pid="self"):
    """Return the process ids of the children of a process, of their children, and so on."""
    children = [
        int(child)
        for listed in Path(f"/proc/{pid}/task").glob("*/children")
        for child in listed.read_text().split()
    ]
    return [*children, *(other for child in children for other in descendants(child))]


def session():
    """Return the process ids of the server for this connection: none on SQLite, which is a library."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return [cursor.fetchone()[0]]


def sessions():
    """Return the process ids of the server for the other connections to the same database."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]

"""Failures of the database and of disks: try a request again, else answer 503 with a sentence.

A request that meets a deadlock, a serialization failure or SQLite's "database is locked" is tried again if
it has committed nothing so far and its body can be read again. What fails three times more, or in another
way, is answered with a page (for htmx: one sentence), never with status 500. A streamed response has begun
when it is read, so it is not tried again.
"""

import errno
import logging
import os
import random
import re
import sqlite3
import sys
import time
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpResponse
from django.template.loader import render_to_string

from didmgmt import measures
from didmgmt.problems import is_for_program, problem

TRIES = 3  # after the first one
PAUSE = 0.1  # seconds before the second try, on average; doubled for each further one
GIVE_UP = 4  # seconds after which no further try begins, so that people get an answer within ten
RETRY_AFTER = 10  # seconds, in the header of an answer
DEADLOCK, SERIALIZATION_FAILURE, LOCK_NOT_AVAILABLE, DISK_FULL = "40P01", "40001", "55P03", "53100"
TOO_LONG = "57014"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READS = ("GET", "HEAD", "OPTIONS")
READ = re.compile(r"[\s(]*(SELECT|SET|SHOW|EXPLAIN|PRAGMA|BEGIN|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)

NOTHING_CHANGED = "Nothing was changed."
MAYBE_CHANGED = "Each change is written whole or not at all: check what was done before you try again."
BUSY = "The database is busy: others were writing the same records. {} Try again in a few seconds."
BUSY_FILE = (
    "The database is busy: another process has been writing for a long time. {} Try again in a few seconds;"
    " if it lasts, ask an administrator to look for a worker that hangs and to end it."
)
FULL = (
    "The disk is full, so nothing can be saved. {} Ask an administrator to make room. Jobs wait until"
    " then and continue by themselves."
)
SLOW = (
    "The database needed more than {seconds} seconds for this and was stopped. {} Search for less or choose"
    " fewer records, or try again when it is less busy."
)
DOWN = "The database does not answer. {} Try again in a minute; if it lasts, tell an administrator."

MISSING = (
    "A file that this page needs is not on this server. {} Try again in a minute; if it lasts, ask an"
    " administrator whether all servers share their folder of files."
)

log = logging.getLogger("didmgmt.faults")


def is_fault(error):
    """Return whether the database or a disk failed, rather than the application."""
    return isinstance(error, (OperationalError, InterfaceError)) or is_full(error) or is_missing_file(error)


def is_full(error):
    """Return whether a disk has no room left."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return _sqlstate(error) == DISK_FULL or _sqlite_code(error) == sqlite3.SQLITE_FULL


def is_missing_file(error):
    """Return whether an uploaded or written file is not on this host."""
    if not isinstance(error, FileNotFoundError) or error.filename is None:
        return False
    return Path(os.fsdecode(error.filename)).is_relative_to(settings.MEDIA_ROOT)


def is_transient(error):
    """Return whether the same transaction may succeed at once; it has certainly been rolled back."""
    states = (DEADLOCK, SERIALIZATION_FAILURE, LOCK_NOT_AVAILABLE)
    codes = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return _sqlstate(error) in states or _sqlite_code(error) in codes


def took_too_long(error):
    """Return whether PostgreSQL stopped a statement, because of its time limit or for an administrator."""
    return _sqlstate(error) == TOO_LONG


def _sqlstate(error):
    return getattr(error.__cause__, "sqlstate", None)


def _sqlite_code(error):
    """Return SQLite's primary error code, without the bits that say more."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


class _Writes:
    """Notice, as an execute wrapper, whether a request has committed a write."""

    def __init__(self):
        self.committed = False

    def __call__(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if not READ.match(sql):
            # Runs at once outside a transaction, and never if the transaction is rolled back.
            transaction.on_commit(self._commit)
        return result

    def _commit(self):
        self.committed = True


class FaultMiddleware:
    """Try a request again after a transient fault; answer 503 for any other.

    It comes before the middleware that carries out a form once, so that each try does this again.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.writes, began = _Writes(), time.monotonic()
        for number in range(TRIES + 1):
            with connection.execute_wrapper(request.writes):
                response = self.get_response(request)
            error = getattr(response, "fault", None)
            if error is None or number == TRIES or time.monotonic() - began > GIVE_UP:
                break
            if not is_transient(error) or request.writes.committed or not _rewind(request):
                break
            log.info("%s %s is tried again: %s", request.method, request.path, _first_line(error))
            if hasattr(request, "_messages"):
                request._messages._queued_messages.clear()
            time.sleep(random.uniform(0.5, 1.5) * PAUSE * 2**number)  # noqa: S311 - no secret
        return response

    def process_exception(self, request, exception):
        return unavailable(request, exception) if is_fault(exception) else None


def _rewind(request):
    """Go back to the beginning of the uploaded files; return False if that is impossible."""
    files = [file for _, files in request.FILES.lists() for file in files]
    if any(file.closed for file in files):
        return False
    for file in files:
        file.seek(0)
    return True


def handler500(request):
    """Answer an exception that no middleware handled: 503 if the database or a disk failed, else 500."""
    error = sys.exc_info()[1]
    if is_fault(error):
        return unavailable(request, error)
    measures.EXCEPTIONS.labels("page").inc()
    if is_for_program(request):
        sentence = f"The server failed. Nothing more is known here; its log has the request {request.id}."
        return problem(500, "server_error", sentence, request_id=request.id)
    page = render_to_string("500.html", {"request_id": getattr(request, "id", "")})
    return HttpResponse(page, status=500)


def unavailable(request, error):
    """Return status 503 with a sentence, which says whether anything was changed."""
    if not is_transient(error):
        log.error("%s %s: %s", request.method, request.path, _first_line(error), exc_info=error)
    committed = getattr(request, "writes", None) is None or request.writes.committed
    sentence = _sentence(error)
    # A connection that was lost at COMMIT leaves it open whether the transaction was committed.
    unknown = committed or sentence is DOWN
    change = MAYBE_CHANGED if unknown and request.method not in READS else NOTHING_CHANGED
    sentence = sentence.format(change, seconds=settings.DATABASE_REQUEST_SECONDS)
    if is_for_program(request):
        response = problem(503, "unavailable", sentence)
    elif request.headers.get("HX-Request"):
        response = HttpResponse(sentence, content_type="text/plain; charset=utf-8", status=503)
    else:
        response = HttpResponse(render_to_string("503.html", {"sentence": sentence}), status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    response.headers["Cache-Control"] = "no-store"
    response.fault = error
    return response


def _sentence(error):
    if is_missing_file(error):
        return MISSING
    if is_full(error):
        return FULL
    if is_transient(error):
        return BUSY if _sqlite_code(error) is None else BUSY_FILE
    return SLOW if took_too_long(error) else DOWN


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

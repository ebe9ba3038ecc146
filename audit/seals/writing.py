"""Seal history: hash what was recorded since the last seal, and chain the seals.

A seal covers ranges of keys of every history table and of the changes. Its digest covers their hashes,
its day and the digest of the previous seal; its signature is an HMAC of that digest. Rows that a pruning
deletes are covered by a later seal of what is left; the newest seal of a range is the one in force.
"""

import logging
from datetime import date, datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit.changes import LENIENCY
from audit.models import Change, Seal
from audit.seals.hashing import Span, hash_span, sealed_models, sign
from audit.seals.spans import spans_with_gaps
from didmgmt.clock import database_now

MAX_KEYS = 50 * 4_096  # keys of a table in one seal, so that sealing does not hold up the worker
LONGEST_LOCK = 1_000  # ms that writers may have to wait on PostgreSQL while the newest keys are read

_CHANGES = Change._meta.db_table

log = logging.getLogger(__name__)


class ClockSetBackError(Exception):
    """The clock is behind the newest seal."""


def newest_seal() -> Seal | None:
    """Return the newest seal without its spans, None before the first one; one query."""
    return Seal.objects.order_by("-number").defer("spans").first()


def seal_new_rows(now: datetime | None = None) -> int:
    """Seal the rows recorded up to now, once a local day is over; at most ``MAX_KEYS`` keys of a table.

    Return how many rows were sealed: 0 if the day is sealed already, if another worker was faster, or if
    a long write transaction kept the newest keys from being read. Raise ClockSetBackError if the newest seal
    is later than the clock.
    """
    now = now or database_now()
    day = timezone.localdate(now) - timedelta(days=1)
    last = newest_seal()
    if last and last.sealed_at > now + LENIENCY:
        raise ClockSetBackError(
            f"Seal {last.number} was made at {last.sealed_at:%Y-%m-%d %H:%M} UTC, but the clock says"
            f" {now:%Y-%m-%d %H:%M} UTC. Set the clock right: nothing is sealed before that time."
        )
    if last and last.day >= day and not last.more:
        return 0
    try:
        newest = _newest_keys()
    except OperationalError:  # writers were in the way; the worker tries again
        return 0
    until = dict(last.until) if last else {}
    spans, more = [], False
    for model in sealed_models():
        table = model._meta.db_table
        first = until.get(table, 0) + 1
        last_key = min(newest[table], first + MAX_KEYS - 1)
        more = more or last_key < newest[table]
        if first <= last_key:
            spans.append(hash_span(model, first, last_key))
            until[table] = last_key
    return _append(last, day, now, spans, until, more)


def reseal_pruned_spans(now: datetime | None = None) -> int:
    """Seal the ranges that lost rows again, after a pruning. Return how many ranges."""
    spans = [hash_span(gap.model, gap.span["first"], gap.span["last"]) for gap in spans_with_gaps()]
    last = newest_seal()
    if last and spans:
        _append(last, last.day, now or database_now(), spans, last.until, last.more)
    return len(spans)


def count_unsealed_rows() -> int:
    """Count the rows recorded since the newest seal; one query a table."""
    last = newest_seal()
    until = last.until if last else {}
    return sum(
        model._default_manager.filter(pk__gt=until.get(model._meta.db_table, 0)).count()
        for model in sealed_models()
    )


def _newest_keys() -> dict[str, int]:
    """Return the newest key of each table, below which no row will be committed any more.

    A PostgreSQL transaction takes its keys before it commits, so a table lock waits for the transactions
    that are running. SQLite has one writer at a time.

    Changes are locked first, as each writer does. A writer outside of a change may hold the next table and
    wait for an earlier one; sealing then gives up before PostgreSQL, after ``deadlock_timeout``, would cancel
    that writer instead.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            tables = sorted((model._meta.db_table for model in sealed_models()), key=_CHANGES.__ne__)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', least(setting::int / 2, %s)::text, true)"
                    " FROM pg_settings WHERE name = 'deadlock_timeout'",
                    [LONGEST_LOCK],
                )
                cursor.execute("SELECT audit_lock_history(%s)", [tables])
                cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
        return {
            model._meta.db_table: model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
            for model in sealed_models()
        }


def _append(
    last: Seal | None, day: date, now: datetime, spans: list[Span], until: dict[str, int], more: bool
) -> int:
    """Append a seal to the chain and return its rows; 0 if another worker took its number first."""
    seal = Seal(
        number=last.number + 1 if last else 1,
        day=day,
        sealed_at=now,
        more=more,
        spans=spans,
        until=until,
        previous=last.digest if last else "",
    )
    seal.digest, seal.signature = sign(seal)
    try:
        with transaction.atomic():
            seal.save(force_insert=True)
    except IntegrityError:
        return 0
    # A log kept elsewhere holds the digests for verify_history --expect.
    log.info("Seal %s up to %s: %s rows, digest %s", seal.number, day, seal.rows, seal.digest)
    return seal.rows

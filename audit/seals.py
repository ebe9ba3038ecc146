"""Seals: what was recorded since the last one, hashed and chained, so that a later forgery shows.

A seal covers ranges of keys of every history table and of the changes, cut into blocks of
``BLOCK`` keys with a SHA-256 each. Its own digest covers them, its day and the digest of the seal before; its
signature is an HMAC of that digest. Rows are hashed as JSON of their values, alike on both engines, so that
a seal holds after a move from one to the other.

What a pruning deletes lawfully is sealed anew in a later seal; for each range the newest seal counts.
"""

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit.history import TRACKED, columns
from audit.models import Change, Seal

BLOCK = 4_096  # keys hashed together: what a finding narrows a forgery down to
AT_ONCE = 50 * BLOCK  # keys of a table in one seal, so that no round of the worker takes long
LOCK_SECONDS = 2  # that writers may have to wait for the bounds of a seal on PostgreSQL
NAMED = 5  # objects that a finding names

log = logging.getLogger(__name__)

# Of a change what never changes once it is written: a job counts ``touched`` up chunk by chunk.
CHANGE_COLUMNS = [f.attname for f in Change._meta.concrete_fields if f.name != "touched"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was sealed, as a sentence. ``table``: "" where it is the chain itself."""

    table: str
    sentence: str

    def __str__(self):
        return self.sentence


def last_seal():
    """The newest seal, its spans not read; None where there is none. Asked for at every round of a worker."""
    return Seal.objects.order_by("-number").defer("spans").first()


def seal_what_is_due(now=None):
    """Seal what was recorded up to now, once a local day is over; at most ``AT_ONCE`` keys of a table.

    Returns how many rows were sealed: 0 when it is done for the day, when another worker was quicker, or when
    writers did not let it take the bounds this time.
    """
    now = now or timezone.now()
    day = timezone.localdate(now) - timedelta(days=1)
    last = last_seal()
    if last and last.day >= day and not last.more:
        return 0
    try:
        keys = _newest_keys()
    except OperationalError:  # somebody writes for long; the worker comes by again
        return 0
    until = dict(last.until) if last else {}
    spans, more = [], False
    for model in _models():
        table = model._meta.db_table
        first, end = until.get(table, 0) + 1, keys[table]
        last_key = min(end, first + AT_ONCE - 1)
        more = more or last_key < end
        if first <= last_key:
            spans.append(_span(model, first, last_key))
            until[table] = last_key
    return _add(day, now, spans, until, more, last)


def seal_anew(now=None):
    """Seal the ranges again from which rows are gone, after a pruning. Returns how many ranges."""
    now = now or timezone.now()
    spans = [_span(model, span["first"], span["last"]) for model, span, _ in _with_gaps()]
    last = last_seal()
    if spans:
        _add(last.day, now, spans, last.until, last.more, last)
    return len(spans)


def verify(expected=""):
    """Yields a Finding for all that is not as it was sealed; reads all sealed rows, a block at a time.

    ``expected``: the digest of some seal that was kept elsewhere; a Finding when no seal bears it.
    """
    digests, before = set(), None
    for seal in Seal.objects.order_by("number").iterator(100):
        yield from _broken_link(seal, before)
        before = seal
        digests.add(seal.digest)
    if expected and expected not in digests:
        yield Finding("", f"No seal bears the digest {expected}: seals were replaced or taken away.")
    for seal, model, span in _newest_spans():
        yield from _broken_blocks(seal, model, span)


def whole_before_pruning():
    """Yields a Finding for ranges that have all their rows and differ; to be asked before rows go."""
    gaps = {(span["table"], span["first"]) for _, span, _ in _with_gaps()}
    for seal, model, span in _newest_spans():
        if (span["table"], span["first"]) not in gaps:
            yield from _broken_blocks(seal, model, span)


def unsealed():
    """How many rows came since they were sealed last."""
    last = last_seal()
    until = last.until if last else {}
    return sum(m.objects.filter(pk__gt=until.get(m._meta.db_table, 0)).count() for m in _models())


def unrecorded():
    """Yields a Finding for each tracked table whose rows are not what their newest history says.

    Somebody wrote while the triggers were gone. One pass over the table and one over its history.
    """
    for tracked, past in TRACKED.items():
        for what, sql in _differing(tracked, past):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*), min(id), max(id) FROM ({sql}) AS differing")
                count, *_ = cursor.fetchone()
                if not count:
                    continue
                cursor.execute(f"SELECT id FROM ({sql}) AS differing ORDER BY id LIMIT {NAMED}")
                ids = ", ".join(str(pk) for (pk,) in cursor.fetchall())
            table = tracked._meta.db_table
            yield Finding(table, f"{table}: {what} of {count:,} (id {ids}{', …' if count > NAMED else ''}).")


# --- making ----------------------------------------------------------------------------------------


def _models():
    return [*TRACKED.values(), Change]


def _newest_keys():
    """{table: newest key} below which nothing will appear any more.

    A PostgreSQL transaction takes its keys before it commits: the tables are locked for a moment, which
    waits for those under way. SQLite has one writer at a time.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            tables = ", ".join(model._meta.db_table for model in _models())
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
                cursor.execute(f"LOCK TABLE {tables} IN SHARE MODE")
        return {m._meta.db_table: m.objects.aggregate(newest=Max("pk"))["newest"] or 0 for m in _models()}


def _span(model, first, last):
    names = CHANGE_COLUMNS if model is Change else [f.attname for f in model._meta.concrete_fields]
    return {
        "table": model._meta.db_table,
        "columns": names,
        "first": first,
        "last": last,
        "blocks": [_block(model, names, *ends) for ends in _ends(first, last)],
    }


def _ends(first, last):
    """The (first, last) keys of each block."""
    for begin in range(first, last + 1, BLOCK):
        yield begin, min(begin + BLOCK - 1, last)


def _block(model, names, first, last):
    """[rows, hash] of the rows with keys from ``first`` to ``last``; one query."""
    rows = model.objects.filter(pk__range=(first, last)).order_by("pk").values_list(*names)
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(_json([_plain(value) for value in row]))
        count += 1
    return [count, digest.hexdigest()]


def _plain(value):
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _json(content):
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _told(seal):
    """(digest, signature) that the seal has to bear."""
    content = [
        *(seal.number, seal.day.isoformat(), seal.sealed_at.astimezone(UTC).isoformat()),
        *(seal.more, seal.spans, seal.until, seal.previous),
    ]
    digest = hashlib.sha256(_json(content)).hexdigest()
    return digest, hmac.new(settings.SEAL_KEY.encode(), digest.encode(), hashlib.sha256).hexdigest()


def _add(day, now, spans, until, more, last):
    """Append a seal to ``last``; returns its rows. Its number keeps two workers from appending both."""
    seal = Seal(
        number=last.number + 1 if last else 1,
        day=day,
        sealed_at=now,
        more=more,
        spans=spans,
        until=until,
        previous=last.digest if last else "",
    )
    seal.digest, seal.signature = _told(seal)
    try:
        with transaction.atomic():
            seal.save(force_insert=True)
    except IntegrityError:
        return 0
    # Whoever keeps the log elsewhere keeps what verify_history --expect asks for.
    log.info("Seal %s up to %s: %s rows, digest %s", seal.number, day, seal.rows, seal.digest)
    return seal.rows


# --- checking --------------------------------------------------------------------------------------


def _newest_spans():
    """(seal, model, span) of every range in its newest seal, in the order of seals; one seal at a time."""
    by_table = {model._meta.db_table: model for model in _models()}
    newest = {}
    for seal in Seal.objects.order_by("number").iterator(100):
        for span in seal.spans:
            newest[span["table"], span["first"]] = seal.number
    kept = None
    for (table, first), number in sorted(newest.items(), key=lambda item: (item[1], item[0])):
        if kept is None or kept.number != number:
            kept = Seal.objects.get(number=number)
        span = next(s for s in kept.spans if (s["table"], s["first"]) == (table, first))
        if table in by_table:
            yield kept, by_table[table], span


def _with_gaps():
    """(model, span, rows that are gone) of the ranges with fewer rows than were sealed."""
    for _, model, span in _newest_spans():
        sealed = sum(rows for rows, _ in span["blocks"])
        there = model.objects.filter(pk__range=(span["first"], span["last"])).count()
        if there < sealed:
            yield model, span, sealed - there


def _broken_link(seal, before):
    digest, signature = _told(seal)
    number = before.number + 1 if before else 1
    if seal.number != number:
        yield Finding("", f"Seal {number} is missing: the next one is {seal.number}.")
    elif seal.previous != (before.digest if before else ""):
        yield Finding("", f"Seal {seal.number} of {seal.day} does not follow the seal before it.")
    if seal.digest != digest:
        yield Finding("", f"Seal {seal.number} of {seal.day} was changed: its digest is not of its content.")
    elif not hmac.compare_digest(seal.signature, signature):
        yield Finding("", f"Seal {seal.number} of {seal.day} is not signed with this SEAL_KEY.")


def _broken_blocks(seal, model, span):
    known = {field.attname for field in model._meta.concrete_fields}
    table, when = span["table"], f"sealed {timezone.localtime(seal.sealed_at):%Y-%m-%d %H:%M}"
    if gone := set(span["columns"]) - known:
        where = f"{span['first']:,} to {span['last']:,}"
        yield Finding(
            table,
            f"{table}: rows {where} can't be checked, a column of theirs is gone: {', '.join(sorted(gone))}.",
        )
        return
    for (first, last), (rows, digest) in zip(_ends(span["first"], span["last"]), span["blocks"], strict=True):
        there, now = _block(model, span["columns"], first, last)
        if now == digest:
            continue
        where = f"{table}: among the rows {first:,} to {last:,} ({when})"
        if there < rows:
            said = f"{where} {rows - there:,} of {rows:,} are missing."
            pruned = Change.objects.filter(kind=Change.Kind.PRUNE, at__gt=seal.sealed_at).exists()
            said += " A pruning that was broken off would explain it: run prune_history again." * pruned
        elif there > rows:
            said = f"{where} {there - rows:,} were added later."
        else:
            said = f"{where} one or more of {rows:,} were changed."
        yield Finding(table, said)


def _differing(tracked, past):
    """(what is wrong, SELECT of the ids) of one tracked table."""
    here, there = tracked._meta.db_table, past._meta.db_table
    same = "IS NOT DISTINCT FROM" if connection.vendor == "postgresql" else "IS"
    equal = " AND ".join(f'd."{now}" {same} h."{then}"' for now, then in columns(tracked))
    newest = f"h.history_id = (SELECT max(history_id) FROM {there} WHERE object_id = d.id)"
    yield (
        "the newest history is not of the row that is there",
        f"SELECT d.id FROM {here} d WHERE NOT EXISTS"
        f" (SELECT 1 FROM {there} h WHERE h.object_id = d.id AND {newest} AND h.event <> '-' AND {equal})",
    )
    yield (
        "history does not know of the deletion",
        f"SELECT h.object_id AS id FROM {there} h WHERE h.event <> '-'"
        f" AND NOT EXISTS (SELECT 1 FROM {here} d WHERE d.id = h.object_id)"
        f" AND NOT EXISTS (SELECT 1 FROM {there} l WHERE l.object_id = h.object_id"
        " AND l.history_id > h.history_id)",
    )

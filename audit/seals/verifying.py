"""Verify that history and its seals are what was recorded."""

from collections.abc import Iterator

from django.db import connection
from django.db.models import Model
from django.utils import timezone

from audit.history import OF_MIGRATIONS, TRACKED, TrackedModel, columns
from audit.models import Change, Seal
from audit.seals.failures import IntegrityFailure, count_and_name
from audit.seals.hashing import block_bounds, hash_block
from audit.seals.spans import SealedSpan, current_spans, spans_with_gaps


def verify_seals(expected: str = "") -> Iterator[IntegrityFailure]:
    """Yield the failures of all sealed rows, which are read a block at a time.

    ``expected`` is a digest that was kept elsewhere; it is a failure if no seal has it.
    """
    if expected and not Seal.objects.filter(digest=expected).exists():
        yield IntegrityFailure("", f"No seal has the digest {expected}: seals were replaced or removed.")
    for sealed in current_spans():
        yield from _block_failures(sealed)


def verify_complete_spans() -> Iterator[IntegrityFailure]:
    """Yield the failures of ranges that have lost no row; run before a pruning, which is resealed."""
    pruned = {(gap.span["table"], gap.span["first"]) for gap in spans_with_gaps()}
    for sealed in current_spans():
        if (sealed.span["table"], sealed.span["first"]) not in pruned:
            yield from _block_failures(sealed)


def verify_recording() -> Iterator[IntegrityFailure]:
    """Yield a failure for each tracked table whose rows differ from their newest history rows.

    These were written while the triggers were missing. One pass over each table and one over its history.
    """
    for tracked, past in TRACKED.items():
        table = tracked._meta.db_table
        for problem, sql in (
            ("rows that differ from their newest history row", _unrecorded_writes_sql(tracked, past)),
            ("rows deleted without a history row", _unrecorded_deletes_sql(tracked, past)),
        ):
            if found := count_and_name(sql):
                yield IntegrityFailure(table, f"{table}: {problem}: {found}.")


def _block_failures(sealed: SealedSpan) -> Iterator[IntegrityFailure]:
    span, table = sealed.span, sealed.span["table"]
    existing = {field.attname for field in sealed.model._meta.concrete_fields}
    if dropped := sorted(set(span["columns"]) - existing):
        keys = f"{span['first']:,} to {span['last']:,}"
        sentence = f"{table}: rows {keys} can’t be verified, columns were dropped: {', '.join(dropped)}."
        yield IntegrityFailure(table, sentence)
        return
    when = f"sealed {timezone.localtime(sealed.seal.sealed_at):%Y-%m-%d %H:%M}"
    bounds = block_bounds(span["first"], span["last"])
    for (first, last), (sealed_rows, digest) in zip(bounds, span["blocks"], strict=True):
        rows, digest_now = hash_block(sealed.model, span["columns"], first, last)
        if digest_now != digest:
            where = f"{table}: among rows {first:,} to {last:,} ({when})"
            yield IntegrityFailure(table, f"{where} {_difference(sealed.seal, sealed_rows, rows)}")


def _difference(seal: Seal, sealed_rows: int, rows: int) -> str:
    """Return how a block differs from what was sealed."""
    if rows > sealed_rows:
        added = rows - sealed_rows
        return f"{added:,} {'was' if added == 1 else 'were'} added later."
    if rows == sealed_rows:
        return f"at least one of {sealed_rows:,} was changed."
    missing = sealed_rows - rows
    sentence = f"{missing:,} of {sealed_rows:,} {'is' if missing == 1 else 'are'} missing."
    if Change.objects.filter(kind=Change.Kind.PRUNE, at__gt=seal.sealed_at).exists():
        sentence += " An interrupted pruning would explain it: run prune_history again."
    return sentence


def _unrecorded_writes_sql(tracked: type[TrackedModel], past: type[Model]) -> str:
    """Return SQL for the ids of rows that differ from their newest history row."""
    same = "IS NOT DISTINCT FROM" if connection.vendor == "postgresql" else "IS"
    equal = " AND ".join(f'd."{column}" {same} h."{copy}"' for column, copy in columns(tracked))
    table, history_table = tracked._meta.db_table, past._meta.db_table
    ever = f"EXISTS (SELECT 1 FROM {history_table} WHERE object_id = d.id)"
    return f"""
        SELECT d.id FROM {table} d
        WHERE {ever if tracked in OF_MIGRATIONS else "1 = 1"} AND NOT EXISTS (
            SELECT 1 FROM {history_table} h
            WHERE h.object_id = d.id
              AND h.history_id = (SELECT max(history_id) FROM {history_table} WHERE object_id = d.id)
              AND h.event <> '-' AND {equal}
        )
    """


def _unrecorded_deletes_sql(tracked: type[TrackedModel], past: type[Model]) -> str:
    """Return SQL for the ids of rows that don't exist although their newest history row is no delete."""
    table, history_table = tracked._meta.db_table, past._meta.db_table
    return f"""
        SELECT h.object_id AS id FROM {history_table} h
        WHERE h.event <> '-'
          AND NOT EXISTS (SELECT 1 FROM {table} d WHERE d.id = h.object_id)
          AND NOT EXISTS (
            SELECT 1 FROM {history_table} later
            WHERE later.object_id = h.object_id AND later.history_id > h.history_id
        )
    """

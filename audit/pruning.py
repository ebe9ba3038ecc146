"""Prune old history: export it to files, then delete it, one chunk a transaction.

History rows of an object from before a timestamp are deleted, except the newest of them if the object still
exists or has later history: its state at any later time stays known. Changes that nothing refers to any more
are deleted as well, except those that record a pruning.

What is deleted is read from the written files, so rows written in the meantime are not affected. An
interrupted run leaves complete files, and the next run finds what is left.
"""

import csv
import gzip
import io
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import CASCADE, Exists, Model, OuterRef, Q, QuerySet

from audit.changes import change
from audit.history import TRACKED, TrackedModel, manager
from audit.models import Change
from didmgmt.streams import stream

CHUNK = 5_000  # rows deleted in one transaction
PAUSE = 0.1  # on SQLite, as a fraction of the time of a chunk, so that other writers get a turn


def prunable(before: datetime) -> dict[str, QuerySet[Any]]:
    """Return {table: queryset of the rows to delete} of all history tables and the changes, as of now.

    ``before``: an aware timestamp; rows from then on are kept.
    """
    rows: dict[type[Model], QuerySet[Any]] = {
        past: past._default_manager.filter(_is_prunable(tracked, past, before))
        for tracked, past in TRACKED.items()
    }
    rows[Change] = _unused_changes(before)
    return {model._meta.db_table: queryset.order_by("pk") for model, queryset in rows.items()}


def export(before: datetime, folder: Path) -> dict[str, int]:
    """Write prunable rows to ``<folder>/<table>.csv.gz`` and return {table: rows}.

    Every file is complete and synced to disk when this returns. The folder is created, or must be empty:
    otherwise FileExistsError; OSError if something can't be written. Streams the rows; timestamps are in
    UTC, None is an empty field.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError
    counts = {table: _write(_file(folder, table), rows) for table, rows in prunable(before).items()}
    _sync(folder)
    _sync(folder.parent)
    return counts


def label(before: datetime, folder: Path) -> str:
    """Return the label of the change that records a pruning."""
    return f"History before {before:%Y-%m-%d} deleted, exported to {folder}"


def known_since() -> datetime | None:
    """Return the timestamp before which history was deleted, None if none was. One query on few rows."""
    prunings = Change.objects.filter(kind=Change.Kind.PRUNE).values_list("data", flat=True)
    horizons = [datetime.fromisoformat(data["horizon"]) for data in prunings if "horizon" in data]
    return max(horizons, default=None)


def delete(before: datetime, folder: Path, *, by: Any, label: str) -> Iterator[Change]:
    """Delete what ``export`` wrote to ``folder``; yield its Change after each committed chunk.

    ``touched`` of the change counts the rows so far. It is one change, of the kind for which the triggers
    allow deletes.
    """
    current: Change | None = None
    data = {"horizon": before.isoformat()}
    for table, rows in prunable(before).items():
        # Exported history is deleted whatever was written since; a change that is used again is kept.
        keys = rows if rows.model is Change else rows.model._default_manager.all()
        for ids in _ids(_file(folder, table)):
            started = time.monotonic()
            with change(Change.Kind.PRUNE, by=by, label=label, data=data, resume=current) as current:
                deleted = keys.filter(pk__in=ids).delete()[1]  # includes the Touched rows of a change
                current.touched += deleted.get(rows.model._meta.label, 0)
            if connection.vendor == "sqlite":
                time.sleep((time.monotonic() - started) * PAUSE)
            yield current


def _is_prunable(tracked: type[TrackedModel], past: type[Model], before: datetime) -> Q:
    same = past._default_manager.filter(object_id=OuterRef("object_id"))
    is_replaced = Exists(same.filter(history_id__gt=OuterRef("history_id"), at__lt=before))
    exists = Exists(manager(tracked).filter(pk=OuterRef("object_id")))
    has_later = Exists(same.filter(at__gte=before))
    return Q(at__lt=before) & (is_replaced | ~(exists | has_later))


def _unused_changes(before: datetime) -> QuerySet[Change]:
    """Return the changes that no history row that is kept, no later undo and no job refers to."""
    changes = Change.objects.filter(at__lt=before).exclude(kind=Change.Kind.PRUNE)
    tracked_of = {past: tracked for tracked, past in TRACKED.items()}
    relations: list[Any] = [*Change._meta.get_fields(include_hidden=True)]
    for relation in relations:
        if not relation.one_to_many or relation.on_delete is CASCADE:
            continue
        model = relation.related_model
        references = model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
        if model in tracked_of:
            references = references.filter(~_is_prunable(tracked_of[model], model, before))
        changes = changes.filter(~Exists(references))
    return changes


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.csv.gz"


def _write(path: Path, rows: QuerySet[Any]) -> int:
    """Write the rows below a header of column names, the primary key first; return how many."""
    meta = rows.model._meta
    fields = [meta.pk, *(field for field in meta.concrete_fields if not field.primary_key)]
    count = 0
    with open(path, "xb") as raw:
        with (
            gzip.open(raw, "wb", compresslevel=6) as packed,
            io.TextIOWrapper(packed, "utf-8", newline="") as text,
        ):
            writer = csv.writer(text)
            writer.writerow(field.column for field in fields)
            for row in stream(rows.values_list(*(field.attname for field in fields))):
                writer.writerow(json.dumps(value) if isinstance(value, dict) else value for value in row)
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return count


def _ids(path: Path) -> Iterator[list[int]]:
    """Yield the keys in a file in lists of ``CHUNK``."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        keys = (int(row[0]) for row in rows)
        while ids := list(islice(keys, CHUNK)):
            yield ids


def _sync(folder: Path) -> None:
    """Sync a folder to disk: syncing a file does not cover its directory entry."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

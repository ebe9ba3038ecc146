"""Old history leaves: first into files, then out of the database, a chunk a transaction.

Of each tracked object what is older than a moment goes, but for the newest of it while the object is there
or has later history: so what it was at any moment since stays known. Changes that nothing refers to any more
go as well, but for those of earlier prunings.

What is deleted is read from the written file, so it is what stands there and nothing else, whoever writes
meanwhile; a run that is killed leaves whole files, and a second one finds what is left.
"""

import csv
import gzip
import io
import json
import os
import time
from datetime import datetime
from itertools import islice

from django.db import connection
from django.db.models import CASCADE, Exists, OuterRef, Q

from audit.changes import change
from audit.history import TRACKED
from audit.models import Change

CHUNK = 5_000  # rows deleted in one transaction
YIELDED = 0.1  # on SQLite, of the time of a chunk: others get in between


def prunable(before):
    """{table: queryset of what may go} of all history tables and the changes, as of now.

    ``before``: an aware moment; what is of that moment or later stays.
    """
    rows = {past: past.objects.filter(_goes(tracked, past, before)) for tracked, past in TRACKED.items()}
    rows[Change] = _unused_changes(before)
    return {model._meta.db_table: queryset.order_by("pk") for model, queryset in rows.items()}


def export(before, folder):
    """Write what may go to ``<folder>/<table>.csv.gz``; returns {table: rows}.

    Each file is complete and on the disk when this returns. The folder is made, or has to be empty:
    FileExistsError otherwise, OSError when something can't be written. Streams; moments are in UTC,
    None is an empty field.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError
    counts = {table: _write(_file(folder, table), rows) for table, rows in prunable(before).items()}
    _sync(folder)
    _sync(folder.parent)
    return counts


def label(before, folder):
    """Return the label of the change that records a pruning."""
    return f"History before {before:%Y-%m-%d} deleted, exported to {folder}"


def known_since():
    """Return the timestamp before which history was deleted, None if none was. One query on few rows."""
    prunings = Change.objects.filter(kind=Change.Kind.PRUNE).values_list("data", flat=True)
    horizons = [datetime.fromisoformat(data["horizon"]) for data in prunings if "horizon" in data]
    return max(horizons, default=None)


def delete(before, folder, *, by, label):
    """Delete what ``export`` wrote to ``folder``; yields the Change of it after each committed chunk.

    Its ``touched`` counts the rows so far. One change in all, of the kind that the triggers let through.
    """
    current, data = None, {"horizon": before.isoformat()}
    for table, rows in prunable(before).items():
        # History in the file goes whatever was written since; a change that is used again stays.
        keys = rows if rows.model is Change else rows.model.objects.all()
        for ids in _ids(_file(folder, table)):
            began = time.monotonic()
            with change(Change.Kind.PRUNE, by=by, label=label, data=data, resume=current) as current:
                deleted = keys.filter(pk__in=ids).delete()[1]  # with what a change has touched
                current.touched += deleted.get(rows.model._meta.label, 0)
            if connection.vendor == "sqlite":
                time.sleep((time.monotonic() - began) * YIELDED)
            yield current
            if not current.touched:  # somebody else deleted all of it, and the empty change is gone
                current = None


def _goes(tracked, past, before):
    same = past.objects.filter(object_id=OuterRef("object_id"))
    replaced = Exists(same.filter(history_id__gt=OuterRef("history_id"), at__lt=before))
    there = Exists(tracked.objects.filter(pk=OuterRef("object_id"))) | Exists(same.filter(at__gte=before))
    return Q(at__lt=before) & (replaced | ~there)


def _unused_changes(before):
    """Changes that no history which stays, no later undo and no job refers to."""
    changes = Change.objects.filter(at__lt=before).exclude(kind=Change.Kind.PRUNE)
    tracked_of = {past: tracked for tracked, past in TRACKED.items()}
    for relation in Change._meta.get_fields(include_hidden=True):
        if not relation.one_to_many or relation.on_delete is CASCADE:
            continue
        model = relation.related_model
        users = model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
        if model in tracked_of:
            users = users.filter(~_goes(tracked_of[model], model, before))
        changes = changes.filter(~Exists(users))
    return changes


def _file(folder, table):
    return folder / f"{table}.csv.gz"


def _write(path, rows):
    """Write the rows under the names of their columns, the key first; returns how many."""
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
            for row in rows.values_list(*(field.attname for field in fields)).iterator(CHUNK):
                writer.writerow(json.dumps(value) if isinstance(value, dict) else value for value in row)
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return count


def _ids(path):
    """Lists of the keys in a file, ``CHUNK`` at a time."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        keys = (int(row[0]) for row in rows)
        while ids := list(islice(keys, CHUNK)):
            yield ids


def _sync(folder):
    """Make sure that the names in a folder are on the disk, as their content is."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

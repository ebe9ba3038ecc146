"""Describe history rows of numbers and of all other tracked models as old and new text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from audit import history
from audit.history import TRACKED, last_known
from didmgmt.text import count_noun
from dids.history.timeline import Difference, differences, format_time, text_differences
from dids.labels import Names
from dids.models import DID, ClientPackage, Reservation
from staff.records import PermissionsField
from staff.rights import in_words

CSV_CHUNK = 2_000  # rows of a file described by one set of queries
EVENTS = {"+": "created", "~": "changed", "-": "deleted"}
_NO_DIFFERENCE = [("", "", "")]
CSV_HEADER = ("Time", "Object type", "ID", "Object", "Event", "Field", "Old", "New", "By")
# {model name: tracked model}, numbers first
_TRACKED: list[Any] = [DID, *(tracked for tracked in TRACKED if tracked is not DID)]
OBJECT_TYPES = {tracked._meta.model_name: tracked for tracked in _TRACKED}


class RowFormatter(Protocol):
    """Turn the history rows of one tracked model into text.

    A formatter is created for the rows that it will be given, so that it looks up the names of everything
    they reference in a fixed number of queries.
    """

    def title(self, row: models.Model) -> str:
        """Return the name of the row's object."""

    def differences(self, old: models.Model | None, new: models.Model) -> list[Difference]:
        """Return what differs between two versions; all fields that are set if ``old`` is None."""


@dataclass
class RowDescription:
    """One history row as text."""

    history_id: int
    object_id: int
    at: datetime
    event: str
    title: str
    differences: list[Difference]

    @property
    def event_word(self):
        return EVENTS[self.event]


def noun(tracked, plural=False):
    """Return the noun for rows of ``tracked``, such as "number" or "client packages"."""
    if tracked is DID:
        return "numbers" if plural else "number"
    return str(tracked._meta.verbose_name_plural if plural else tracked._meta.verbose_name)


def count_label(tracked, count):
    """Return a label such as "1,200 numbers" or "1 client package"."""
    return count_noun(count, noun(tracked), noun(tracked, plural=True))


def with_previous(rows, tracked, viewer):
    """Annotate ``previous``, the id of each row's previous version, None if ``viewer`` may see none."""
    earlier = history.visible_to(tracked, viewer).filter(
        object_id=OuterRef("object_id"), history_id__lt=OuterRef("history_id")
    )
    return rows.annotate(previous=Subquery(earlier.order_by("-history_id").values("history_id")[:1]))


def describe(rows, tracked, viewer):
    """Return the ``RowDescription`` of each of the history rows ``with_previous``, in their order.

    Costs one query for all previous versions, and the formatter's for the names.
    """
    return [
        RowDescription(row.history_id, row.object_id, row.at, row.event, title, found)
        for row, title, found in _described(list(rows), tracked, viewer)
    ]


def _local(at):
    return timezone.localtime(at).isoformat(" ", "milliseconds")


def csv_rows(change, rows_by_model, viewer, show=_local):
    """Yield ``CSV_HEADER``, then a tuple of text for each field that a history row of ``change`` changed.

    ``rows_by_model``: {tracked: queryset of these rows}. Reads ``CSV_CHUNK`` rows at a time by key, without
    making instances, which takes several times as long. ``show``: returns the text of a time, by default in
    the active time zone.
    """
    yield CSV_HEADER
    for tracked, queryset in rows_by_model.items():
        rows = with_previous(queryset.order_by("history_id"), tracked, viewer)
        rows = rows.values_list(*_columns(tracked), "previous", named=True)
        last = 0
        while chunk := list(rows.filter(history_id__gt=last)[:CSV_CHUNK]):
            last = chunk[-1].history_id
            yield from _csv_lines(change, chunk, tracked, viewer, show)


def _csv_lines(change, chunk, tracked, viewer, show):
    kind, actor, times = noun(tracked), change.who, {}
    for row, title, found in _described(chunk, tracked, viewer):
        if row.at not in times:  # of which a chunk has one or a few
            times[row.at] = show(row.at)
        head = (times[row.at], kind, row.object_id, title, EVENTS[row.event])
        for difference in found or _NO_DIFFERENCE:
            yield (*head, *difference, actor)


def _columns(tracked):
    return [field.attname for field in TRACKED[tracked]._meta.concrete_fields]


def _described(rows, tracked, viewer):
    """Yield (row, title, differences) of history rows with ``previous``: instances, or tuples of names."""
    keys = [row.previous for row in rows if row.previous and row.event == "~"]
    columns = [name for name in _columns(tracked) if name not in ("at", "change_id")]
    earlier = TRACKED[tracked].objects.filter(pk__among=keys).values_list(*columns, named=True)
    previous = {row.history_id: row for row in earlier} if keys else {}
    # A deletion changes no field, and of a change without an earlier version nothing is known.
    pairs = [
        (row, previous.get(row.previous)) for row in rows if row.event == "+" or row.previous in previous
    ]
    formatter = (
        _NumberFormatter(pairs, viewer) if tracked is DID else _RecordFormatter(tracked, rows, pairs, viewer)
    )
    for row in rows:
        old = previous.get(row.previous)
        compared = row.event == "+" or (row.event == "~" and old)
        yield row, formatter.title(row), formatter.differences(old, row) if compared else []


class _NumberFormatter:
    """Format numbers like their timeline."""

    def __init__(self, pairs, viewer):
        self._names = Names.of_differing(pairs, viewer)

    def title(self, row):
        return row.number

    def differences(self, old, new):
        return differences(old, new, self._names)


class _RecordFormatter:
    """Format other models: fields by their verbose names, foreign keys by the name of the referenced row."""

    def __init__(self, tracked, rows, pairs, viewer):
        self._tracked = tracked
        versions = [*rows, *(old for _, old in pairs if old)]
        self._fields = [
            field
            for field in tracked._meta.concrete_fields
            if not field.primary_key and (not field.is_relation or field.related_model in TRACKED)
        ]
        self._names = {
            field: last_known(
                field.related_model, {getattr(row, field.attname) for row in versions}, "name", viewer=viewer
            )
            for field in self._fields
            if field.is_relation
        }

    def title(self, row):
        if self._tracked is ClientPackage:
            texts = self._texts(row)
            return f"{texts['Package']} of {texts['Client']}"
        if self._tracked is Reservation:
            texts = self._texts(row)
            return f"{texts['Client'] or row.name}: {row.purpose}"
        return row.name

    def differences(self, old, new):
        return text_differences(self._texts(old, new) if old else {}, self._texts(new, old))

    def _texts(self, row, other=None):
        """Return {field: text}; of a list of permissions, those that the version ``other`` lacks."""
        texts = {}
        for field in self._fields:
            value = getattr(row, field.attname)
            if isinstance(field, PermissionsField):
                known = getattr(other, field.attname, "").split(", ")
                value = "; ".join(in_words(right) for right in value.split(", ") if right not in known)
            texts[_label(field)] = self._text(field, value)
        return texts

    def _text(self, field, value):
        if value is None:
            return ""
        if field.is_relation:
            known = self._names[field].get(value)
            return known["name"] if known else f"{field.verbose_name} {value}"
        if isinstance(field, models.BooleanField):
            return "yes" if value else "no"
        return format_time(value) if isinstance(value, datetime) else str(value)


def _label(field):
    label = str(field.verbose_name)
    return label[0].upper() + label[1:]

"""What history rows say in words, of numbers and of every other kind of thing that is recorded."""

from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils import timezone

from audit import history
from audit.history import TRACKED, last_known
from clients.models import counted
from dids.history.timeline import Difference, compared, differences, in_words
from dids.labels import Names
from dids.models import DID, ClientPackage

CHUNK = 2_000  # rows of a file told at a time
EVENTS = {"+": "created", "~": "changed", "-": "deleted"}
HEADER = ("Moment", "Object type", "ID", "Object", "Event", "Field", "Old", "New", "By")
KINDS = {tracked._meta.model_name: tracked for tracked in (DID, *(one for one in TRACKED if one is not DID))}


def noun(tracked, plural=False):
    """ "number", "numbers", "client package", "operator" …"""
    if tracked is DID:
        return "numbers" if plural else "number"
    return str(tracked._meta.verbose_name_plural if plural else tracked._meta.verbose_name)


def count_of(tracked, rows):
    """ "1,200 numbers", "1 client package"."""
    return counted(rows, noun(tracked), noun(tracked, plural=True))


@dataclass
class Told:
    """One history row in words. ``url``: of the page about the thing, "" when there is none (any more)."""

    history_id: int
    object_id: int
    at: datetime
    event: str
    title: str
    url: str
    changes: list[Difference]


def with_former(rows, tracked, viewer):
    """Annotates ``former``: the id of each row's former version, None where ``viewer`` knows of none."""
    earlier = history.visible_to(tracked, viewer).filter(
        object_id=OuterRef("object_id"), history_id__lt=OuterRef("history_id")
    )
    return rows.annotate(former=Subquery(earlier.order_by("-history_id").values("history_id")[:1]))


def told(rows, tracked, viewer, *, linked=True):
    """The ``Told`` of history rows ``with_former``, in their order; a fixed number of queries.

    One for all former versions, and those for the names of what they point at. ``linked``: with ``url``.
    """
    rows = list(rows)
    formers = TRACKED[tracked].objects.in_bulk([row.former for row in rows if row.former])
    every = [*rows, *formers.values()]
    words = _Numbers(every) if tracked is DID else _Things(tracked, every)
    pages = _pages(tracked, {row.object_id for row in rows}, viewer) if linked else {}
    return [
        Told(
            row.history_id,
            row.object_id,
            row.at,
            row.event,
            words.title(row),
            pages.get(row.object_id, ""),
            _changes(row, formers.get(row.former), words),
        )
        for row in rows
    ]


def file_rows(rows_of, viewer):
    """``HEADER``, then tuples of text, one for each field that a history row changed; a stream.

    ``rows_of``: {tracked: queryset of its history rows}. Reads ``CHUNK`` rows at a time by their key;
    moments are of the active time zone.
    """
    yield HEADER
    for tracked, rows in rows_of.items():
        rows = with_former(rows.order_by("history_id").select_related("change"), tracked, viewer)
        last = 0
        while chunk := list(rows.filter(history_id__gt=last)[:CHUNK]):
            last = chunk[-1].history_id
            yield from _lines(chunk, tracked, viewer)


def _lines(chunk, tracked, viewer):
    lines = []
    for row, one in zip(chunk, told(chunk, tracked, viewer, linked=False), strict=True):
        moment = timezone.localtime(one.at).isoformat(" ", "milliseconds")
        by = row.change.actor_name if row.change else ""
        head = (moment, noun(tracked), str(one.object_id), one.title, EVENTS[one.event])
        lines += [(*head, *change, by) for change in one.changes or [("", "", "")]]
    return lines


def _changes(row, former, words):
    if row.event == "-" or (row.event == "~" and former is None):
        return []  # the state is the one before; or what it was before is not known
    return words.differences(None if row.event == "+" else former, row)


def _pages(tracked, ids, viewer):
    """{id: address of the page about it} of those that are there; a number's history has one always."""
    if tracked is DID:
        return {pk: reverse("dids:history", args=[pk]) for pk in ids}
    names = {"client": "clients:detail", "package": "packages:detail", "operator": "dids:list"}
    name = names.get(tracked._meta.model_name)
    if name is None:
        return {}
    there = tracked.objects.visible_to(viewer).filter(pk__in=ids).values_list("pk", flat=True)
    if name == "dids:list":
        return {pk: f"{reverse(name)}?operator={pk}" for pk in there}
    return {pk: reverse(name, args=[pk]) for pk in there}


class _Numbers:
    """Versions of numbers in the words of their timeline."""

    def __init__(self, versions):
        self._names = Names.of(versions)

    def title(self, row):
        return row.number

    def differences(self, old, new):
        return differences(old, new, self._names)


class _Things:
    """Versions of another kind of thing: its fields by their verbose names, names instead of keys."""

    def __init__(self, tracked, versions):
        self._tracked = tracked
        self._fields = [field for field in tracked._meta.concrete_fields if not field.primary_key]
        self._names = {
            field: last_known(field.related_model, {getattr(row, field.attname) for row in versions}, "name")
            for field in self._fields
            if field.is_relation
        }

    def title(self, row):
        if self._tracked is ClientPackage:
            words = self._words(row)
            return f"{words['Package']} of {words['Client']}"
        return row.name

    def differences(self, old, new):
        return compared(self._words(old) if old else {}, self._words(new))

    def _words(self, row):
        return {_label(field): self._value(field, getattr(row, field.attname)) for field in self._fields}

    def _value(self, field, value):
        if value is None:
            return ""
        if field.is_relation:
            known = self._names[field].get(value)
            return known["name"] if known else f"{field.verbose_name} {value}"
        if isinstance(field, models.BooleanField):
            return "yes" if value else "no"
        return in_words(value) if isinstance(value, datetime) else str(value)


def _label(field):
    label = str(field.verbose_name)
    return label[0].upper() + label[1:]

"""List the history of one number, existing or deleted, as old and new values."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import NamedTuple

from django.db.models import F, Q, Window
from django.db.models.functions import Lag
from django.utils import timezone

from audit import history
from audit.models import Change
from didmgmt.dates import show_minute
from didmgmt.statements import Statement
from dids.history.explain import actor_name
from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import DID

PAGE = 100
LIVES_MOST = 5
_LABELS = {"+": "Created", "~": "Changed", "-": "Deleted"}  # of writes outside the application


class Difference(NamedTuple):
    """The old and new text of one field; "" is empty."""

    field: str
    old: str
    new: str


@dataclass
class Entry:
    """One write to the number.

    ``event``: "+" created, "~" changed, "-" deleted. ``change``: the id of its change, None without one or if
    the viewer may not open it. ``reason``: why it was passed on although it aged, "" for most.
    """

    at: datetime
    actor: str
    label: str
    event: str
    differences: list[Difference] = field(default_factory=list)
    change: int | None = None
    reason: str = ""


def versions(did_id, viewer):
    """Return the number's history rows that ``viewer`` may see, newest first."""
    return history.visible_to(DID, viewer).filter(object_id=did_id).order_by("-history_id")


def other_lives(did_id, number, viewer):
    """Return up to ``LIVES_MOST`` deletions of the same digits under other ids, newest first.

    A number that is deleted and created again gets a new id; ``viewer`` may see these history rows.
    """
    return _other_lives.instances(did_id=did_id, number=number, viewer=viewer)


_other_lives = Statement(
    lambda did_id, number, viewer: (
        history.visible_to(DID, viewer)
        .filter(event="-", number=number)
        .exclude(object_id=did_id)
        .order_by("-history_id")[:LIVES_MOST]
    )
)


@cache
def _newest(count):
    """Return the statement that reads the newest versions of a number with their changes."""
    return Statement(lambda did_id, viewer: versions(did_id, viewer).select_related("change")[:count])


def timeline(did_id, viewer, *, did=None, before=None, size=PAGE, only_status=False):
    """Return (entries, cursor) of a number, newest first, at most ``size`` of them.

    ``cursor`` is the ``before`` of the next page, None on the last one. ``only_status``: only the writes that
    created or deleted the number or changed its status. Costs at most fourteen queries, often four less with
    ``did``, the number as ``for_page`` returns it if it exists.
    """
    if before is None and not only_status:
        rows = _newest(size + 1).instances(did_id=did_id, viewer=viewer)
    else:
        found = versions(did_id, viewer).select_related("change")
        found = _status_changes(found) if only_status else found
        found = found if before is None else found.filter(history_id__lt=before)
        rows = list(found[: size + 1])
    shown, following = rows[:size], rows[1:]
    if only_status:
        known = versions(did_id, viewer).in_bulk([row.before_id for row in shown if row.before_id])
        following = [known.get(row.before_id) for row in shown]
    names = Names.of([*rows, *filter(None, following)], viewer, did)
    Change.hide_labels([row.change for row in shown], viewer)
    entries = [_entry(row, previous, names) for row, previous in zip(shown, [*following, None], strict=False)]
    visible = {row.change_id for row in shown}
    if visible and viewer.reseller_id:
        visible = set(Change.objects.visible_to(viewer).filter(pk__in=visible).values_list("pk", flat=True))
    for row, entry in zip(shown, entries, strict=True):
        entry.change = row.change_id if row.change_id in visible else None
    return entries, shown[-1].history_id if len(rows) > size else None


def _status_changes(rows):
    """Return those of a number's versions that created or deleted it or changed its status.

    Annotated with ``before_id``, the key of the version before. One window over all versions of the number.
    """
    before = {"order_by": "history_id"}
    rows = rows.annotate(
        before_id=Window(Lag("history_id"), **before), before_status=Window(Lag("status"), **before)
    )
    changed = Q(before_status__lt=F("status")) | Q(before_status__gt=F("status"))
    return rows.filter(changed | Q(event__in=("+", "-")))


def differences(old, new, names):
    """Return the differences between two versions; all fields that are set if ``old`` is None.

    Makes the text only of fields whose values differ.
    """
    values, found = _values(new), []
    if old is None:
        compared = zip(_FIELDS, values, values, strict=True)
    else:
        fields = zip(_FIELDS, values, _values(old), strict=True)
        compared = (one for one in fields if one[1] != one[2])
    moved = old is not None and old.status != new.status
    for (name, _, text), value, earlier in compared:
        if moved and (name == "Hold since" or (name == "Returns to" and not value)):
            continue  # the time of the change itself; a Hold that is over returns to nothing
        before, after = "" if old is None else text(names, earlier), text(names, value)
        if after != before:
            reserved = name == "Hold until" and st.RESERVED in (new.status, old and old.status)
            found.append(Difference("Reserved until" if reserved else name, before, after))
    return found


def text_differences(before, after):
    """Return the differences between two {field: text}, in the order of ``after``."""
    return [
        Difference(name, before.get(name, ""), text)
        for name, text in after.items()
        if text != before.get(name, "")
    ]


def field_texts(version, viewer):
    """Return [(field, text)] of all fields that are set in a version of a number."""
    return [(name, text) for name, _, text in differences(None, version, Names.of([version], viewer))]


def _entry(row, previous, names):
    if row.event == "+":
        changed = differences(None, row, names)
    elif row.event == "-" or previous is None:
        changed = []  # a deletion changes no field, and nothing is known of an earlier version
    else:
        changed = differences(previous, row, names)
    label = str(row.change) if row.change else _LABELS[row.event]
    reason = row.change.data.get("override", "") if row.change else ""
    return Entry(row.at, actor_name(row.change), label, row.event, changed, reason=reason)


def _status(_, status):
    return st.LABELS.get(status, status or "")


# (name, column of a version, text of its value by the names of ids)
_FIELDS = (
    ("DID", "number", lambda _, number: number),
    ("Operator", "operator_id", Names.operator),
    ("Status", "status", _status),
    ("Client", "account_id", Names.holder),
    ("Package", "client_package_id", Names.package),
    ("Reservation", "reservation_id", Names.reservation),
    ("Hold since", "hold_from", lambda _, time: format_time(time)),
    ("Hold until", "hold_until", lambda _, time: format_time(time)),
    ("Returns to", "resumes_as", _status),
    ("After Hold", "after_hold", _status),
    ("Hold days", "hold_days", lambda _, days: "" if days is None else str(days)),
    ("Tag", "tag_set_id", Names.tags),
    ("Notes", "notes", lambda _, notes: notes),
)
_values = attrgetter(*(column for _, column, _ in _FIELDS))


def format_time(value):
    """Return a time in the active time zone, to the minute; "" for None."""
    return _format_time(value, timezone.get_current_timezone()) if value else ""


@lru_cache(1_000)  # numbers that were changed together have the same times
def _format_time(value, time_zone):
    return show_minute(value.astimezone(time_zone))

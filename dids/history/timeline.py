"""List the history of one number, existing or deleted, as old and new values."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import NamedTuple

from django.db.models import F, Q, Window
from django.db.models.functions import Lag
from django.utils import timezone
from django.utils.formats import date_format

from audit import history
from audit.models import Change
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
    the viewer may not open it.
    """

    at: datetime
    actor: str
    label: str
    event: str
    differences: list[Difference] = field(default_factory=list)
    change: int | None = None


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


def timeline(did_id, viewer, *, before=None, size=PAGE, only_status=False):
    """Return (entries, cursor) of a number, newest first, at most ``size`` of them.

    ``cursor`` is the ``before`` of the next page, None on the last one. ``only_status``: only the writes that
    created or deleted the number or changed its status. Costs at most fourteen queries.
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
    names = Names.of([*rows, *filter(None, following)], viewer)
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
    """Return the differences between two versions; all fields that are set if ``old`` is None."""
    before = _texts(old, names) if old else {}
    after = _texts(new, names)
    if old and old.status != new.status:
        del after["Hold since"]  # the time of the change itself, which the entry shows
        if not new.resumes_as:
            del after["Returns to"]  # a Hold that is over returns to nothing
    return text_differences(before, after)


def text_differences(before, after):
    """Return the differences between two {field: text}, in the order of ``after``."""
    return [
        Difference(name, before.get(name, ""), text)
        for name, text in after.items()
        if text != before.get(name, "")
    ]


def field_texts(version, viewer):
    """Return [(field, text)] of all fields that are set in a version of a number."""
    return [(name, text) for name, text in _texts(version, Names.of([version], viewer)).items() if text]


def _entry(row, previous, names):
    if row.event == "+":
        changed = differences(None, row, names)
    elif row.event == "-" or previous is None:
        changed = []  # a deletion changes no field, and nothing is known of an earlier version
    else:
        changed = differences(previous, row, names)
    label = str(row.change) if row.change else _LABELS[row.event]
    return Entry(row.at, actor_name(row.change), label, row.event, changed)


def _texts(row, names):
    return {
        "DID": row.number,
        "Operator": names.operator(row.operator_id),
        "Status": st.LABELS.get(row.status, row.status),
        "Client": names.holder(row.account_id),
        "Package": names.package(row.client_package_id),
        "Hold since": format_time(row.hold_from),
        "Hold until": format_time(row.hold_until),
        "Returns to": st.LABELS.get(row.resumes_as, ""),
        "After Hold": st.LABELS.get(row.after_hold, row.after_hold),
        "Hold days": "" if row.hold_days is None else str(row.hold_days),
        "Tag": names.tags(row.tag_set_id),
        "Notes": row.notes,
    }


def format_time(value):
    """Return a time in the active time zone, to the minute; "" for None."""
    return date_format(timezone.localtime(value), "j M Y, H:i") if value else ""

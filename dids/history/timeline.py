"""What happened to one number, told as old → new in words; also of a number that is gone."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format

from audit import history
from audit.models import Change
from dids.history.explain import OUTSIDE, actor_name
from dids.labels import Names
from dids.lifecycle import statuses as st
from dids.models import DID

PAGE = 100
_WITHOUT_CHANGE = {"+": "Created", "~": "Changed", "-": "Deleted"}


class Difference(NamedTuple):
    """One field that an entry changed; ``old`` and ``new`` are words, "" when empty."""

    field: str
    old: str
    new: str


@dataclass
class Entry:
    """One write to the number. ``event``: "+" made, "~" changed, "-" deleted.

    ``change``: the key of its change, None where there is none that the viewer may open.
    """

    at: datetime
    actor: str
    label: str
    event: str
    changes: list[Difference] = field(default_factory=list)
    change: int | None = None


def versions(did_pk, viewer):
    """The number's history rows that ``viewer`` may know of, newest first; see ``history.visible_to``."""
    return history.visible_to(DID, viewer).filter(object_id=did_pk).order_by("-history_id")


def timeline(did_pk, viewer, *, before=None, size=PAGE):
    """(entries, older) of a number, newest first, at most ``size`` of them.

    ``older``: what to pass as ``before`` for the entries that follow, None when there are none. At
    most thirteen queries, however many entries.
    """
    rows = versions(did_pk, viewer).select_related("change")
    if before is not None:
        rows = rows.filter(history_id__lt=before)
    rows = list(rows[: size + 1])
    names = Names.of(rows)
    shown = rows[:size]
    entries = [_entry(row, former, names) for row, former in zip(shown, [*rows[1:], None], strict=False)]
    open_to = {row.change_id for row in shown}
    if open_to and viewer.reseller_id:
        open_to = set(Change.objects.visible_to(viewer).filter(pk__in=open_to).values_list("pk", flat=True))
    for row, entry in zip(shown, entries, strict=True):
        entry.change = row.change_id if row.change_id in open_to else None
    return entries, shown[-1].history_id if len(rows) > size else None


def differences(old, new, names):
    """What differs between two versions, as a list of Difference; all that is set when ``old`` is None."""
    before = _words(old, names) if old else {}
    after = _words(new, names)
    if old and old.status != new.status:
        del after["Hold since"]  # the moment of the move itself, which the entry bears already
    return compared(before, after)


def compared(before, after):
    """What differs between two {field: words}, as a list of Difference, in the order of ``after``."""
    return [
        Difference(name, before.get(name, ""), value)
        for name, value in after.items()
        if value != before.get(name, "")
    ]


def state(version):
    """[(field, words)] of all that is set in a version of a number."""
    return [(name, value) for name, value in _words(version, Names.of([version])).items() if value]


def _entry(row, former, names):
    if row.event == "+":
        changes = differences(None, row, names)
    elif row.event == "-" or former is None:
        changes = []  # the state is the one before; or what it was before is not known
    else:
        changes = differences(former, row, names)
    if row.change is None:
        return Entry(row.at, OUTSIDE, _WITHOUT_CHANGE[row.event], row.event, changes)
    return Entry(row.at, actor_name(row.change), str(row.change), row.event, changes)


def _words(row, names):
    return {
        "DID": row.number,
        "Operator": names.operator(row.operator_id),
        "Status": st.LABELS.get(row.status, row.status),
        "Client": names.holder(row.account_id),
        "Package": names.package(row.client_package_id),
        "Hold since": in_words(row.hold_from),
        "Hold until": in_words(row.hold_until),
        "After Hold": st.LABELS.get(row.after_hold, row.after_hold),
        "Hold days": "" if row.hold_days is None else str(row.hold_days),
        "Tag": names.tags(row.tag_set_id),
        "Notes": row.notes,
    }


def in_words(value):
    """A moment in the active time zone, "" for None."""
    return date_format(timezone.localtime(value), "j M Y, H:i") if value else ""

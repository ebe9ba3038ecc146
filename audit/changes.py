"""The change that every write belongs to, and how the database's triggers learn of it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.apps import apps
from django.db import connection, transaction

from audit import history


@dataclass(frozen=True)
class System:
    """The actor of what no person did: deadlines, the worker, a command.

    It stands where a user stands in every ``by=`` and holds every right.
    """

    name: str = "system"

    def has_perm(self, perm, obj=None):
        return True

    def __str__(self):
        return self.name


SYSTEM = System()

_origin: ContextVar[tuple[str, str]] = ContextVar("audit_origin", default=("", ""))


@contextmanager
def origin(source, address=""):
    """Within it, changes say that they come from ``source`` (a path, a job) and ``address`` (an IP)."""
    token = _origin.set((source[:200], address[:45]))
    try:
        yield
    finally:
        _origin.reset(token)


@contextmanager
def change(kind, *, by, label="", data=None, at=None, undo_of=None, resume=None, apart=False):
    """Open a transaction whose writes all belong to one Change, and yield the change.

    ``kind``: a key of ``Change.Kind``. ``by``: a user or a ``System``. ``label``: a sentence for
    people. ``data``: facts that code reads back, see ``Change``. ``at``: the timestamp of the history
    rows if it is not the database's clock, for imported and simulated pasts. ``resume``: a Change
    begun in an earlier transaction, for the chunks of a job.

    Inside another change it joins that one, so that the end of a package and the holds it causes are
    one change; ``apart`` always starts a separate change, for a hold that was overdue before somebody
    edited the number. A change that wrote nothing is deleted.
    """
    outer = getattr(connection, "audit_change", None)
    if outer is not None and not apart:
        yield outer
        return
    with transaction.atomic():
        current = resume or _begin(kind, by, label, data, at, undo_of)
        current.written_at = at
        current.counted = history.newest(connection, current.pk) if resume else {}
        _tell_triggers(current)
        connection.audit_change = current
        try:
            yield current
        finally:
            connection.audit_change = outer
        _tell_triggers(outer)
        current.close()


def _begin(kind, by, label, data, at, undo_of):
    Change = apps.get_model("audit", "Change")
    source, address = _origin.get()
    fields = {
        "kind": kind,
        "label": label[:200],
        "data": data or {},
        "source": source,
        "address": address,
        "undo_of": undo_of,
    }
    if at is not None:
        fields["at"] = at
    if isinstance(by, System):
        return Change.objects.create(actor_kind=Change.Actor.SYSTEM, actor_name=by.name, **fields)
    return Change.objects.create(
        actor_kind=Change.Actor.PERSON, actor=by, actor_name=by.get_username(), **fields
    )


def _tell_triggers(current):
    """Name the change under way to the triggers, for this transaction alone."""
    pk = current.pk if current else None
    at = current.written_at if current else None
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT set_config('audit.change', %s, true), set_config('audit.at', %s, true)",
                [str(pk or ""), at.isoformat() if at else ""],
            )
        else:
            # Written and cleared in one transaction: no other connection ever sees it.
            stamp = connection.ops.adapt_datetimefield_value(at) if at else None
            cursor.execute("UPDATE audit_current SET change_id = %s, at = %s", [pk, stamp])

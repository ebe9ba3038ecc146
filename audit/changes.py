"""The change that every write belongs to, and how the database's triggers learn of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection

from audit import history
from didmgmt import form_tokens
from didmgmt.clock import database_now

if TYPE_CHECKING:
    from audit.models import Change


@dataclass(frozen=True)
class System:
    """The actor of what no person did: deadlines, the worker, a command.

    It can be passed as ``by=`` in place of a user, and has every permission.
    """

    name: str = "system"

    def has_perm(self, _perm: str, _obj: object = None) -> bool:
        return True

    def __str__(self) -> str:
        return self.name


SYSTEM = System()

# Up to this much, the time that a change states may differ from the clock without being recorded as such:
# clocks of several hosts differ a little, and a statement may run for this long.
LENIENCY = timedelta(hours=1)

_origin: ContextVar[tuple[str, str]] = ContextVar("audit_origin", default=("", ""))
_recorded: ContextVar[list[int] | None] = ContextVar("audit_recorded", default=None)


@contextmanager
def origin(source: str, address: str = "") -> Iterator[None]:
    """Record ``source`` (a path, a job) and ``address`` (an IP) with the changes made in this context."""
    token, recorded = _origin.set((source[:200], address[:45])), _recorded.set([])
    try:
        yield
    finally:
        _origin.reset(token)
        _recorded.reset(recorded)


def latest() -> int | None:
    """Return the id of the last change recorded in this ``origin``, None without one.

    Changes ``apart``, which belong to nobody's action, don't count.
    """
    recorded = _recorded.get()
    return recorded[-1] if recorded else None


@contextmanager
def change(
    kind: str,
    *,
    by: Any,
    label: str = "",
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
    undo_of: Change | None = None,
    resume: Change | None = None,
    apart: bool = False,
) -> Iterator[Change]:
    """Open a transaction whose writes all belong to one Change, and yield the change.

    ``kind``: a key of ``Change.Kind``. ``by``: a user, also one who acts by an API token, or a ``System``.
    ``label``: a sentence for people. ``data``: facts that code reads back, see ``Change``. ``at``: the
    timestamp of the history rows if it is not the database's clock, for imported and simulated pasts.
    ``resume``: a Change begun in an earlier transaction, for the chunks of a job.

    Inside another change it joins that one, so that the end of a package and the holds it causes are
    one change; ``apart`` always starts a separate change, for a hold that was overdue before a user
    edited the number. A change that wrote nothing is deleted. A form that is sent twice is carried out once,
    see ``didmgmt.form_tokens``.
    """
    outer = getattr(connection, "audit_change", None)
    if outer is not None and not apart:
        yield outer
        return
    with form_tokens.atomic():
        current = resume or _begin(kind, by, label, data, at, undo_of)
        current.written_at = at
        current.counted = history.newest_rows(connection, current.pk) if resume else {}
        _set_current(current)
        _connection().audit_change = current
        try:
            yield current
        finally:
            _connection().audit_change = outer
        _set_current(outer)
        current.close()
    recorded = _recorded.get()
    if recorded is not None and current.pk and not apart:
        recorded.append(current.pk)


def _begin(
    kind: str, by: Any, label: str, data: dict[str, Any] | None, at: datetime | None, undo_of: Change | None
) -> Change:
    model: type[Change] = apps.get_model("audit", "Change")
    source, address = _origin.get()
    fields: dict[str, Any] = {
        "kind": kind,
        "label": label[:200],
        "data": data or {},
        "source": source,
        "address": address,
        "undo_of": undo_of,
    }
    if at is not None:
        fields["at"] = at
        now = database_now()
        if abs(at - now) > LENIENCY:
            fields["data"] = fields["data"] | {"recorded_at": now.isoformat()}
    if isinstance(by, System):
        return model.objects.create(actor_kind=model.Actor.SYSTEM, actor_name=by.name, **fields)
    if by.token:
        fields["data"] = fields["data"] | {"token": by.token.pk, "owner": by.get_username()}
        return model.objects.create(
            actor_kind=model.Actor.TOKEN, actor=by, actor_name=by.token.name, **fields
        )
    return model.objects.create(
        actor_kind=model.Actor.PERSON, actor=by, actor_name=by.get_username(), **fields
    )


def _set_current(current: Change | None) -> None:
    """Pass the current change to the triggers, for this transaction only."""
    pk = current.pk if current else None
    at = current.written_at if current else None
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT set_config('audit.change', %s, true), set_config('audit.at', %s, true)",
                [str(pk or ""), at.isoformat() if at else ""],
            )
        else:
            # Set and cleared in one transaction: other connections never see it.
            stamp = connection.ops.adapt_datetimefield_value(at) if at else None
            cursor.execute("UPDATE audit_current SET change_id = %s, at = %s", [pk, stamp])


def _connection() -> Any:
    """Return the connection, to which this module adds an attribute."""
    return connection

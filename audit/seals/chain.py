"""Verify the chain of seals: its links, the keys they cover, and the times that the sealed rows state."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Window
from django.db.models.functions import Lag
from django.utils import timezone

from audit.changes import LENIENCY
from audit.models import Change, Seal
from audit.seals.failures import IntegrityFailure, name_keys
from audit.seals.hashing import sealed_models, sign
from audit.seals.spans import all_seals
from didmgmt.clock import database_now

# The worker seals after the first midnight, so a first seal has no older rows.
FIRST_SEAL_REACHES = timedelta(days=2)
COMPARE = "Compare them with a backup."
ASK_THE_LOG = "A log that was kept elsewhere tells which: verify_history --log FILE."


@dataclass
class Walk:
    """The state of a walk along the chain: the newest seal so far, and what the chain covers up to it.

    ``until``: {table: last sealed key}. ``since``: when the newest seal that left nothing out was made, None
    before the first one.
    """

    seal: Seal | None = None
    until: dict[str, int] = field(default_factory=dict)
    since: datetime | None = None

    def add(self, seal: Seal) -> None:
        resealed = bool(seal.spans) and seal.until == self.until
        if not resealed and not seal.more:
            self.since = seal.sealed_at
        self.seal, self.until = seal, seal.until


def verify_chain(known: Collection[str] = ()) -> Iterator[IntegrityFailure]:
    """Yield the failures of the chain, and of the rows that follow its newest seal.

    ``known``: digests from a log that was kept elsewhere. They show that no seal was removed where none was
    made for some days. Costs one query for each sealed range, and one pass over each table.
    """
    walk = Walk()
    for seal in all_seals():
        yield from _link_failures(seal, walk, known)
        yield from _time_failures(seal, walk, known)
        walk.add(seal)
    yield from _tail_failures(walk)
    for model in sealed_models():
        yield from _invalid_keys(model)
        yield from _clock_failures(model)


def changes_of_another_time() -> QuerySet[Change]:
    """Return the changes that state another time than that of their recording, see ``Change.data``."""
    return Change.objects.filter(data__has_key="recorded_at")


def _link_failures(seal: Seal, walk: Walk, known: Collection[str]) -> Iterator[IntegrityFailure]:
    digest, signature = sign(seal)
    name = f"Seal {seal.number} of {seal.day}"
    previous = walk.seal
    if seal.number != (number := previous.number + 1 if previous else 1):
        yield IntegrityFailure("", f"Seal {number} is missing; the next one is seal {seal.number}.")
    elif seal.previous != (previous.digest if previous else ""):
        yield IntegrityFailure("", f"{name} does not follow the previous seal.")
    if seal.digest != digest:
        yield IntegrityFailure("", f"{name} was changed: its digest does not match its content.")
    elif not hmac.compare_digest(seal.signature, signature):
        yield IntegrityFailure("", f"{name} is not signed with this SEAL_KEY.")
    reached = {span["table"]: span["last"] for span in seal.spans if _continues(span, walk)}
    if seal.until != walk.until | reached:
        yield IntegrityFailure("", f"{name} leaves out rows: its ranges do not continue the earlier ones.")
    if previous is None:
        return
    if seal.sealed_at < previous.sealed_at - LENIENCY:
        sentence = (
            f"{name} was made at {_local(seal.sealed_at)}, before seal {previous.number},"
            f" which was made at {_local(previous.sealed_at)}: the clock was set back between them."
        )
        yield IntegrityFailure("", sentence)
    unsealed_days = (seal.day - previous.day).days - 1
    if unsealed_days > 0 and not {seal.digest, previous.digest} <= set(known):
        sentence = (
            f"Between seal {previous.number} of {previous.day} and {name.lower()}, history was not sealed for"
            f" {unsealed_days:,} {'day' if unsealed_days == 1 else 'days'}: no worker ran, or seals were"
            f" removed. {ASK_THE_LOG}"
        )
        yield IntegrityFailure("", sentence)


def _continues(span: dict[str, Any], walk: Walk) -> bool:
    return bool(span["first"] == walk.until.get(span["table"], 0) + 1)


def _time_failures(seal: Seal, walk: Walk, known: Collection[str]) -> Iterator[IntegrityFailure]:
    """Yield a failure for each new range with rows that can't have been written at the time they state."""
    models = {model._meta.db_table: model for model in sealed_models()}
    first_seal = walk.since is None
    if first_seal and seal.digest in known:
        return
    earliest = walk.since or seal.sealed_at - FIRST_SEAL_REACHES
    for span in seal.spans:
        if span["table"] not in models or not _continues(span, walk):
            continue
        rows = models[span["table"]]._default_manager.filter(pk__range=(span["first"], span["last"]))
        failure = _written_at_another_time(rows, earliest, seal.sealed_at, f"sealed {_local(seal.sealed_at)}")
        if failure and first_seal:
            failure += (
                " This is the first seal: no worker ran before, or the earlier seals were removed."
                f" {ASK_THE_LOG}"
            )
        if failure:
            yield IntegrityFailure(span["table"], failure)


def _tail_failures(walk: Walk) -> Iterator[IntegrityFailure]:
    """Yield the failures of a newest seal in the future, and of the rows that are not sealed yet."""
    now = database_now()
    if walk.seal and walk.seal.sealed_at > now + LENIENCY:
        sentence = (
            f"Seal {walk.seal.number} was made at {_local(walk.seal.sealed_at)}, which is in the future:"
            f" the clock says {_local(now)}. Set it right; until then nothing is sealed."
        )
        yield IntegrityFailure("", sentence)
    for model in sealed_models():
        table = model._meta.db_table
        rows = model._default_manager.filter(pk__gt=walk.until.get(table, 0))
        if walk.since and (
            failure := _written_at_another_time(rows, walk.since, max(now, walk.since), "not sealed yet")
        ):
            yield IntegrityFailure(table, failure)
        # A restored backup is verified long after its last write, so a database with seals is measured by it.
        newest = (
            model._default_manager.order_by("pk").values_list("at", flat=True).last() if walk.since else now
        )
        late = _of_their_own_time(rows).filter(at__lt=(newest or now) - FIRST_SEAL_REACHES)
        if count := late.count():
            sentence = (
                f"{table}: {count:,} {_rows(count)}{name_keys(late)} not sealed after more than"
                f" {FIRST_SEAL_REACHES.days} days: no worker has sealed history since, or seals were removed."
                f" Start a worker. {COMPARE}"
            )
            yield IntegrityFailure(table, sentence)


def _written_at_another_time(rows: QuerySet[Any], earliest: datetime, latest: datetime, which: str) -> str:
    """Return a sentence on rows written from ``earliest`` to ``latest`` that state another time, or ""."""
    outside = _of_their_own_time(rows).filter(Q(at__lt=earliest - LENIENCY) | Q(at__gt=latest + LENIENCY))
    count = outside.count()
    if not count:
        return ""
    return (
        f"{rows.model._meta.db_table}: {count:,} {_rows(count)}{name_keys(outside)}, {which}, stating a time"
        f" other than that of their writing, between {_local(earliest)} and {_local(latest)}. {COMPARE}"
    )


def _of_their_own_time(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out rows of changes that openly state another time than that of their recording."""
    change = "pk" if rows.model is Change else "change_id"
    return rows.filter(~Exists(changes_of_another_time().filter(pk=OuterRef(change))))


def _invalid_keys(model: type[Model]) -> Iterator[IntegrityFailure]:
    table = model._meta.db_table
    rows = model._default_manager.filter(pk__lt=1)
    if count := rows.count():
        sentence = (
            f"{table}: {count:,} {_rows(count)}{name_keys(rows)} with a key below 1, which the database never"
            " gives: inserted by hand, and covered by no seal."
        )
        yield IntegrityFailure(table, sentence)


def _clock_failures(model: type[Model]) -> Iterator[IntegrityFailure]:
    """Yield a failure if rows state an earlier time than the row before them."""
    table = model._meta.db_table
    rows = _of_their_own_time(model._default_manager.all())
    rows = rows.annotate(before=Window(Lag("at"), order_by="pk"))
    # The first condition spares SQLite the arithmetic, which is a Python function there.
    back = rows.filter(at__lt=F("before")).filter(at__lt=F("before") - LENIENCY)
    if count := back.count():
        sentence = (
            f"{table}: {count:,} {_rows(count)}{name_keys(back)} an hour or more earlier than the row before:"
            f" the clock was set back, or rows state a false time. {COMPARE}"
        )
        yield IntegrityFailure(table, sentence)


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def _local(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"

"""Find out who had a number when, and what began and ended each period, from its history.

A client **has** a number while it uses it: from its assignment until it goes on Hold, is taken away or is
deleted. Blocking does not interrupt the period. While a number is on Hold no client has it. Writes that
change neither account nor client package continue the current period.

A version is valid from its timestamp until that of the next one. When timestamps are equal, or a clock was
set back, the version written later wins. A Hold ends at ``hold_until``, whenever the worker wrote that.
Anything that history doesn't cover is reported as unknown.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from typing import NamedTuple

from django.utils import timezone

from audit.models import Change
from audit.pruning import known_since
from didmgmt import clock
from didmgmt.statements import Statement
from didmgmt.streams import stream
from dids.history.explain import actor_name
from dids.labels import Names, NamesThen
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models import DID, DIDHistory
from operators.models import OperatorHistory

NUMBERS_AT_ONCE = 1_000  # looked up by one set of queries
PERIODS_MOST = 200  # listed for one number
VERSIONS_MOST = 1_000  # read for the lifespan of one number, newest first

# Kinds of period.
USED = "used"
BLOCKED = "blocked"  # a part of use, only in a Lifespan
ON_HOLD = "on hold"
FREE = "free"
DELETED = "deleted"
ABSENT = "absent"  # not created yet, or under another reseller
NEVER = "never"
UNKNOWN = "unknown"

# Causes of a boundary.
WRITTEN = "written"
HOLD_ENDED = "hold ended"
LEFT = "left"
ARRIVED = "arrived"
FIRST_KNOWN = "first known"

_MOVES = {LEFT: "Moved to another reseller", ARRIVED: "Moved from another reseller"}
_ALWAYS, _STILL = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)  # ends of a time span


@dataclass(slots=True)
class Boundary:
    """Describe what began a period and so ended the previous one.

    ``cause``: ``WRITTEN``; ``HOLD_ENDED``, by the clock; ``LEFT`` or ``ARRIVED``, the number moved to or from
    another reseller, whose history stays hidden; ``FIRST_KNOWN``, recorded history begins here, so the period
    may have begun earlier. ``change``: the Change (its id until ``_resolve``), None for a write outside the
    application.
    """

    at: datetime
    cause: str
    change: Change | int | None = None

    @property
    def time(self):
        return exact_time(self.at) + (" or earlier" if self.cause == FIRST_KNOWN else "")

    @property
    def actor(self):
        if self.cause in _MOVES:
            return ""
        if self.cause == HOLD_ENDED:
            return "the system"
        return actor_name(self.change)

    @property
    def action(self):
        if self.cause in _MOVES:
            return _MOVES[self.cause]
        if self.cause == HOLD_ENDED:
            return "Hold ended"
        return str(self.change) if self.change else "Changed"


@dataclass(slots=True)
class Period:
    """A time during which a number stayed in one state.

    ``began`` is None for the time before recorded history, ``ended`` is None while the period lasts.
    ``status_key`` and ``hold_until`` are those at the requested time. ``…_then`` is the name at the requested
    time where it differs from the current one, else "".
    """

    kind: str
    status_key: str = ""
    account: int | None = None
    client_package: int | None = None
    hold_until: datetime | None = None
    began: Boundary | None = None
    ended: Boundary | None = None
    client: str = ""
    client_id: int | None = None
    account_name: str = ""
    package: str = ""
    client_then: str = ""
    account_then: str = ""
    package_then: str = ""

    @property
    def holder(self):
        """Return "Rose Orig | rose_orig", as the list shows it."""
        return f"{self.client} | {self.account_name}"

    def continues(self, earlier):
        """Return whether this is the same period as ``earlier``, which ends where this one begins."""
        same_status = self.kind != FREE or self.status_key == earlier.status_key
        return same_status and (
            (self.kind, self.account, self.client_package)
            == (earlier.kind, earlier.account, earlier.client_package)
        )  # fmt: skip


@dataclass(slots=True)
class Ownership:
    """The state of one number at the requested time.

    ``use``: the period of use at that time, or the one before the Hold at that time. ``note``: further
    sentences, in the active time zone.
    """

    number: str
    period: Period
    use: Period | None = None
    note: str = ""

    @property
    def kind(self):
        return self.period.kind

    @property
    def status_label(self):
        return st.LABELS.get(self.period.status_key, self.period.status_key)

    @property
    def dated(self):
        """The period whose beginning and end are shown, or None."""
        if self.kind == ON_HOLD:
            return self.use
        return self.period if self.kind in (USED, FREE, DELETED) else None


@dataclass(slots=True)
class Lifespan:
    """The recorded life of one number and its periods of use and Hold, oldest first.

    ``deleted``: when the number was deleted, None while it exists. ``is_cut``: there may be older periods.
    ``blocked``: the periods within those of use in which it was Blocked, oldest first.
    """

    begin: datetime
    deleted: datetime | None
    is_cut: bool
    periods: list[Period]
    blocked: list[Period]


class _Version(NamedTuple):
    object_id: int
    number: str
    at: datetime
    event: str
    status: str
    operator: int
    account: int | None
    client_package: int | None
    hold_until: datetime | None
    after_hold: str
    change: int | None


_COLUMNS = (
    *("object_id", "number", "at", "event", "status", "operator_id", "account_id", "client_package_id"),
    *("hold_until", "after_hold", "change_id"),
)


def who_had(numbers: Iterable[str], at: datetime, viewer, now: datetime | None = None) -> Iterator[Ownership]:
    """Yield the ownership at the time ``at`` of each of these distinct, normalised numbers, in their order.

    See ``who_had_each``.
    """
    return who_had_each(((number, at) for number in numbers), viewer, now)


def who_had_each(
    asked: Iterable[tuple[str, datetime]], viewer, now: datetime | None = None
) -> Iterator[Ownership]:
    """Yield the ownership of each of these distinct pairs of a normalised number and a time, in their order.

    No time is after ``now``. Each period belongs to the reseller of its time, and a number that never
    belonged to the viewer's reseller looks like one that never existed. Costs at most 20 queries per
    ``NUMBERS_AT_ONCE`` pairs, however long their history is, and holds the versions of one number in memory
    at a time.
    """
    now, own, since = now or clock.now(), _own_times(viewer), known_since()
    asked = iter(asked)
    while chunk := list(islice(asked, NUMBERS_AT_ONCE)):
        times = defaultdict(list)
        for number, at in chunk:
            times[number].append(at)
        found = {}
        existing = _existing([*times])
        for number, versions in _versions_by_number([*times], existing, own):
            for at in times[number]:
                found[number, at] = _ownership(number, _periods(versions, at, now, own, since), at)
        for number, at in set(chunk) - found.keys():
            is_visible = number in existing and (own is None or _is_own(own, existing[number][1], now))
            found[number, at] = _without_history(number, is_visible, at, since)
        periods = [
            (period, at) for (_, at), one in found.items() for period in (one.period, one.use) if period
        ]
        _resolve(periods, viewer)
        for number, at in chunk:
            ownership = found[number, at]
            ownership.note = ownership.note or _note(ownership, at, since)
            yield ownership


def periods_of(number: str, viewer, now: datetime | None = None, most=PERIODS_MOST):
    """Return (periods, whether there are more): use and Hold of the number, newest first.

    Visibility is that of ``who_had``; names are the current ones.
    """
    now, own, since = now or clock.now(), _own_times(viewer), known_since()
    found = []
    for _, versions in _versions_by_number([number], _existing([number]), own):
        periods = _periods(versions, now, now, own, since)
        found = list(islice((one for one in periods if one.kind in (USED, ON_HOLD)), most + 1))
    _resolve([(period, now) for period in found[:most]], viewer)
    return found[:most], len(found) > most


def lifespan(did_id: int, viewer, now: datetime | None = None, *, did=None) -> Lifespan | None:
    """Return the lifespan of the number with this id, None if the viewer may see none of it.

    It includes the lives of the same digits under other ids. Reads the newest ``VERSIONS_MOST`` versions.
    Costs at most seven queries, up to four less with ``did``, the number as ``for_page`` returns it if it
    exists; boundaries keep the id of their change.
    """
    now, own = now or clock.now(), _own_times(viewer)
    if did is not None:
        number, existing = did.number, {did.number: (did.pk, did.operator_id)}
    else:
        known = DIDHistory.objects.filter(object_id=did_id).order_by("-history_id")
        number = known.values_list("number", flat=True).first()
        if number is None:
            return None
        existing = _existing([number])
    ids = _ids([number], existing)
    versions = list(map(_Version._make, _newest_versions.rows(ids=ids)))
    is_cut = len(versions) > VERSIONS_MOST
    versions = _known(versions, own)
    if not versions:
        return None
    blocked = _blocked(_parts(versions[:VERSIONS_MOST], now, own, None))[::-1]
    periods = list(_periods(versions[:VERSIONS_MOST], now, now, own, None))
    while periods and periods[-1].kind in (ABSENT, UNKNOWN):
        periods.pop()
    if not periods:
        return None
    begin = periods[-1].began
    deleted = periods[0].began.at if periods[0].kind == DELETED else None
    held = [one for one in reversed(periods) if one.kind in (USED, ON_HOLD)]
    names = Names(viewer, accounts={one.account for one in held}, did=did)
    for one in (*held, *blocked):
        one.client, one.account_name = names.client(one.account), names.account(one.account)
    return Lifespan(begin.at, deleted, is_cut or begin.cause == FIRST_KNOWN, held, blocked)


def _own_times(viewer):
    """Return {operator: the time spans (begin, end) in which it was the viewer's reseller's, newest first}.

    None for a viewer who sees all. An operator had its first known reseller also before.
    """
    if not viewer.is_authenticated:
        return {}
    if viewer.reseller_id is None:
        return None
    ever = OperatorHistory.objects.filter(reseller_id=viewer.reseller_id)
    rows = OperatorHistory.objects.filter(object_id__in=ever.values("object_id")).order_by("history_id")
    spans, begun = {}, set()
    for pk, at, reseller in rows.values_list("object_id", "at", "reseller_id"):
        known = spans.setdefault(pk, [])
        is_own = bool(known) and known[0][1] == _STILL
        if reseller == viewer.reseller_id and not is_own:
            known.insert(0, (at if pk in begun else _ALWAYS, _STILL))
        elif reseller != viewer.reseller_id and is_own:
            known[0] = (known[0][0], at)
        begun.add(pk)
    return spans


def _is_own(own, operator, begin, end=None):
    """Return whether an operator was the viewer's reseller's at ``begin``, or at any time before ``end``."""
    spans = own.get(operator, ())
    if end is None:
        return any(start <= begin < stop for start, stop in spans)
    return any(start < end and begin < stop for start, stop in spans)


def _existing(numbers):
    """Return {number: (id, operator id)} of the numbers that are in the inventory."""
    rows = DID.objects.filter(number__in=numbers).values_list("number", "pk", "operator_id")
    return {number: (pk, operator) for number, pk, operator in rows}


def _versions_by_number(numbers, existing, own):
    """Yield pairs (number, its versions, newest first) of the numbers that the viewer may know of.

    A number that was deleted and created again has several ids; those that were never the viewer's are left
    out.
    """
    rows = _versions(_ids(numbers, existing)).order_by("number", "-history_id")
    rows = map(_Version._make, stream(rows.values_list(*_COLUMNS)))
    for number, group in groupby(rows, lambda version: version.number):
        if versions := _known(list(group), own):
            yield number, versions


def _ids(numbers, existing):
    """Return all ids that these numbers had.

    ``existing`` is read before the deletions, so that a number deleted meanwhile is not missed.
    """
    return {pk for pk, _ in existing.values()}.union(pk for (pk,) in _deleted.rows(numbers=numbers))


def _versions(ids):
    """Return the history rows of the numbers with these ids."""
    return DIDHistory.objects.filter(object_id__in=ids)


_deleted = Statement(
    lambda numbers: DIDHistory.objects.filter(event="-", number__in=numbers).values_list("object_id"),
    lists=["numbers"],
)
_newest_versions = Statement(
    lambda ids: _versions(ids).order_by("-history_id").values_list(*_COLUMNS)[: VERSIONS_MOST + 1],
    lists=["ids"],
)


def _known(versions, own):
    """Return the versions of one number, newest first, without ids that were never the viewer's."""
    if own is None:
        return versions
    known = {
        version.object_id
        for version, end in _with_ends(versions)
        if _is_own(own, version.operator, version.at, end)
    }
    return [version for version in versions if version.object_id in known]


def _with_ends(versions):
    """Yield (version, when the next one of the same id replaced it), None for a deletion."""
    ends = {}
    for version in versions:
        yield version, None if version.event == "-" else ends.get(version.object_id, _STILL)
        ends[version.object_id] = version.at


# --- from versions to periods -------------------------------------------------------------------------


def _periods(versions, at, now, own, since):
    """Yield the periods of one number, newest first, without gaps.

    ``versions``: newest first. ``at``: the requested time, ``own``: see ``_own_times``, ``since``: see
    ``known_since``.
    """
    period = None
    for part in _parts(versions, now, own, since):
        if period and period.continues(part):
            if period.began.at > at:
                period.status_key, period.hold_until = part.status_key, part.hold_until
            period.began = part.began
            continue
        if period and (period.kind, part.kind) == (ABSENT, DELETED):
            # Another reseller created the number again. Without that it would be deleted until it came back.
            period.kind, period.began = DELETED, part.began
            continue
        if period:
            part.ended = period.began
            yield period
        period = part
    yield period


def _blocked(parts):
    """Return the periods in which the number was Blocked, newest first as ``parts``, see ``_parts``."""
    found, later = [], None
    for part in parts:
        if part.kind == USED and part.status_key == st.BLOCKED:
            continues = found and found[-1].began is later.began and found[-1].account == part.account
            if continues:
                found[-1].began = part.began
            else:
                found.append(replace(part, kind=BLOCKED, ended=later and later.began))
        later = part
    return found


def _parts(versions, now, own, since):
    """Yield a period for each version, one for each Hold that ended by the clock, and one for before."""
    valid, until = [], None
    for version in versions:
        if until is None or version.at < until:
            valid.append(version)
            until = version.at
    later = None
    is_complete = versions[-1].event == "+"
    for version in valid:
        is_first_known = version is valid[-1] and not is_complete
        parts = _parts_of_version(version, later, is_first_known, now)
        if own is not None:
            parts = _own_parts(parts, own.get(version.operator, ()), later.at if later else _STILL)
        yield from parts
        later = version
    if is_complete and (since is None or since < until):
        yield Period(ABSENT, began=since and Boundary(since, FIRST_KNOWN))
    if since or not is_complete:
        # Deleted history may have covered an earlier life of the same number.
        yield Period(UNKNOWN)


def _parts_of_version(version, later, is_first_known, now):
    if version.event == "-":
        yield Period(DELETED, began=Boundary(version.at, WRITTEN, version.change))
        return
    began = Boundary(version.at, FIRST_KNOWN if is_first_known else WRITTEN, version.change)
    hold_end = version.hold_until
    if holds.is_over(hold_end, now) and (later is None or hold_end < later.at):
        after = holds.after(version.status, version.after_hold)
        if hold_end <= version.at:
            yield Period(FREE, after, began=began)
            return
        is_written = later and later.status == after and later.event == "~"
        ended = Boundary(hold_end, HOLD_ENDED, later.change if is_written else None)
        yield Period(FREE, after, began=ended)
    kind = USED if version.status in st.IN_USE else ON_HOLD if version.status == st.HOLD else FREE
    yield Period(kind, version.status, version.account, version.client_package, hold_end, began)


def _own_parts(parts, spans, end):
    """Yield the parts of a version, newest first, within the ``spans`` of its operator, and ABSENT elsewhere.

    ``end``: when the version was replaced. A deletion in a span lasts, whatever becomes of the operator.
    """
    for part in parts:
        begin = part.began.at
        if part.kind == DELETED:
            is_own = any(start <= begin < stop for start, stop in spans)
            yield part if is_own else Period(ABSENT, began=Boundary(begin, LEFT))
            return
        for start, stop in spans:
            if start >= end or stop <= begin:
                continue
            if stop < end:
                yield Period(ABSENT, began=Boundary(stop, LEFT))
            yield part if start <= begin else replace(part, began=Boundary(start, ARRIVED))
            end = max(start, begin)
        if end > begin:
            yield Period(ABSENT, began=Boundary(begin, LEFT))
        end = begin


def _ownership(number, periods, at):
    period = next(one for one in periods if one.began is None or one.began.at <= at)
    use = period if period.kind == USED else None
    if period.kind == ON_HOLD:
        before = next(periods)
        holder = (period.account, period.client_package)
        if before.kind == USED and (before.account, before.client_package) == holder:
            use = before
    return Ownership(number, period, use)


def _without_history(number, exists, at, since):
    """Return the ownership of a number that the viewer may see no version of."""
    if exists:
        return Ownership(number, Period(UNKNOWN), note="Unknown: it is in the inventory but has no history.")
    if since is None:
        return Ownership(number, Period(NEVER), note="Never in the inventory.")
    deleted = f"history before {exact_time(since)} was deleted"
    if at < since:
        note = f"Unknown: {deleted}. Not in the inventory since then."
        return Ownership(number, Period(UNKNOWN), note=note)
    note = f"Not in the inventory at that time or at any other recorded time; {deleted}."
    return Ownership(number, Period(NEVER), note=note)


# --- names and sentences ------------------------------------------------------------------------------


def _resolve(periods, viewer):
    """Replace the ids of changes with the changes, and fill in the names, as now and as of a time.

    ``periods``: pairs of a period and the time.
    """
    boundaries = {id(one): one for period, _ in periods for one in (period.began, period.ended) if one}
    boundaries = [one for one in boundaries.values() if one.change]
    changes = Change.objects.in_bulk({one.change for one in boundaries})
    Change.hide_labels(changes.values(), viewer)
    for one in boundaries:
        one.change = changes.get(one.change)
        if one.cause == HOLD_ENDED and one.change and one.change.kind != Change.Kind.END_HOLD:
            one.change = None
    if not periods:
        return
    names = NamesThen(
        max(at for _, at in periods),
        viewer,
        accounts={period.account for period, _ in periods},
        client_packages={period.client_package for period, _ in periods},
    )
    for period, at in periods:
        account, client_package = period.account, period.client_package
        if account is None:
            continue
        period.client_id = names.client_id(account)
        period.client, period.client_then = names.client(account), names.client_then(account, at)
        period.account_name, period.account_then = names.account(account), names.account_then(account, at)
        period.package = names.package(client_package)
        period.package_then = names.package_then(client_package, at)


def exact_time(at):
    """Return a time such as "3 May 2026, 14:03:27 EEST", in the active time zone."""
    # date_format is slow, and names no zone in an hour that a clock change repeats.
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y, %H:%M:%S} {local.tzname()}"


def _note(ownership, at, since):
    notes, ended = [_state_sentence(ownership, since)], ownership.period.ended
    if ended and ended.at - at < timedelta(minutes=1) and not at.second and not at.microsecond:
        notes.append(f"It changed within the same minute, on {exact_time(ended.at)}.")
    return " ".join(filter(None, notes))


def _state_sentence(ownership, since):
    period = ownership.period
    if period.kind == ON_HOLD:
        return _hold_sentence(period) + ("" if ownership.use else " When the client used it is unknown.")
    if period.kind == ABSENT:
        added = f"; added on {exact_time(period.ended.at)}" if period.ended else ""
        return f"Not in the inventory at that time{added}."
    if period.kind == UNKNOWN:
        reason = f", because history before {exact_time(since)} was deleted" if since else ""
        return f"Unknown: its recorded history begins on {exact_time(period.ended.at)}{reason}."
    sentences = {FREE: "Unassigned.", DELETED: "Not in the inventory at that time: it had been deleted."}
    return sentences.get(period.kind, "")


def _hold_sentence(period):
    client, began = period.client, exact_time(period.began.at)
    if period.ended:
        return f"On Hold after use by {client} from {began} to {exact_time(period.ended.at)}."
    return f"On Hold after use by {client} since {began}, until {exact_time(period.hold_until)}."

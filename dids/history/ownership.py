"""Who had numbers at a moment, and what began and ended that; told from their history.

A client **has** a number while it uses it: from being assigned to it until it goes on Hold, is taken away
or deleted. Blocked in between it still has it. On Hold nobody has it: it *rests after* the client. Writes
that leave account and client package as they are do not interrupt a period.

A version is valid from its moment on until that of the next one; of several at one moment, or where a clock
was put back, the later written counts. A Hold ends at ``hold_until``, whenever the worker wrote it. What
history does not hold is said to be unknown.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import NamedTuple

from django.utils import timezone

from audit import history
from audit.models import Change
from audit.pruning import known_since
from dids.history.explain import OUTSIDE, actor_name
from dids.labels import NamesThen
from dids.lifecycle import statuses as st
from dids.models import DID, DIDHistory
from operators.models import Operator

CHUNK = 1_000  # numbers looked up together
PERIODS = 200  # of one number, told as a list

USED = "used"
RESTS = "rests"
FREE = "free"
DELETED = "deleted"
ABSENT = "absent"  # not made yet, or in another branch
NEVER = "never"
UNKNOWN = "unknown"

WRITTEN, CLOCK, LEFT, FIRST_KNOWN = "written", "clock", "left", "first known"


@dataclass(slots=True)
class Turn:
    """What began a period, and so ended the one before.

    ``cause``: ``WRITTEN``; ``CLOCK``, a hold was over; ``LEFT``, it came to another branch, of which nothing
    is told; ``FIRST_KNOWN``, history begins here, and what it tells may have begun earlier. ``change``: the
    Change (its id until ``_tell``), None for a write outside the application and where there is none.
    """

    at: datetime
    cause: str
    change: Change | int | None = None

    @property
    def when(self):
        return exactly(self.at) + (" or earlier" if self.cause == FIRST_KNOWN else "")

    @property
    def actor(self):
        if self.cause == LEFT:
            return ""
        if self.cause == CLOCK:
            return "the system"
        return actor_name(self.change) if self.change else OUTSIDE

    @property
    def what(self):
        """The change in words."""
        if self.cause == LEFT:
            return "Left your reseller"
        if self.cause == CLOCK:
            return "Its hold was over"
        return str(self.change) if self.change else "Changed"


@dataclass(slots=True)
class Period:
    """A time in which a number was one thing. ``began`` is None of what was before all that is known;
    ``ended`` None: it lasts. ``status_key`` and ``hold_until`` are those at the moment that was asked for.
    """

    kind: str
    status_key: str = ""
    account: int | None = None
    client_package: int | None = None
    hold_until: datetime | None = None
    began: Turn | None = None
    ended: Turn | None = None
    client: str = ""
    account_name: str = ""
    package: str = ""
    client_then: str = ""
    account_then: str = ""
    package_then: str = ""

    def is_same(self, other):
        """Whether ``other`` beside it is a part of the same period."""
        free_alike = self.kind != FREE or self.status_key == other.status_key
        return (self.kind, self.account, self.client_package) == (
            other.kind, other.account, other.client_package
        ) and free_alike  # fmt: skip


@dataclass(slots=True)
class Answer:
    """Of one number: what it was (``period``), the time of use that it was in or rested after (``holder``),
    and what else there is to say (``note``), in sentences of the active time zone.
    """

    number: str
    period: Period
    holder: Period | None = None
    note: str = ""

    @property
    def kind(self):
        return self.period.kind

    @property
    def status(self):
        """The status in words, "" where there is none."""
        return st.LABELS.get(self.period.status_key, self.period.status_key)

    @property
    def told(self):
        """The period whose beginning and end are told; None where there is none."""
        if self.kind == RESTS:
            return self.holder
        return self.period if self.kind in (USED, FREE, DELETED) else None


class _Version(NamedTuple):
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
    *("number", "at", "event", "status", "operator_id", "account_id", "client_package_id"),
    *("hold_until", "after_hold", "change_id"),
)


def who_had(numbers, moment, viewer, now=None):
    """An ``Answer`` for each of ``numbers`` (normalised, each once), in their order, in a stream.

    ``moment``: not later than ``now``. Numbers that were never under an operator of the viewer's reseller
    are like those that never were. At most 20 queries for each ``CHUNK`` numbers, however long their
    history is; holds the versions of one number at a time.
    """
    now, own, since = now or timezone.now(), _own(viewer), known_since()
    numbers = iter(numbers)
    while chunk := list(islice(numbers, CHUNK)):
        found = {}
        there = _there(chunk)
        for number, versions in _lives(chunk, there, own):
            found[number] = _answer(number, _periods(versions, moment, now, own, since), moment)
        for number in set(chunk) - found.keys():
            known = number in there and (own is None or there[number][1] in own)
            found[number] = _without_history(number, known, moment, since)
        _tell([one for answer in found.values() for one in (answer.period, answer.holder) if one], moment)
        for number in chunk:
            answer = found[number]
            answer.note = answer.note or _note(answer, moment, since)
            yield answer


def periods_of(number, viewer, now=None, most=PERIODS):
    """(list of ``Period``, whether there are more): who used a number and after whom it rested, newest first.

    As ``who_had``; names are told as they are now.
    """
    now, own, since = now or timezone.now(), _own(viewer), known_since()
    held = []
    for _, versions in _lives([number], _there([number]), own):
        periods = _periods(versions, now, now, own, since)
        held = list(islice((one for one in periods if one.kind in (USED, RESTS)), most + 1))
    _tell(held[:most], now)
    return held[:most], len(held) > most


def _own(viewer):
    """The ids of all operators that the viewer may know of; None for all there are and were."""
    if not viewer.is_authenticated:
        return set()
    if viewer.reseller_id is None:
        return None
    existing, deleted = history.of_reseller(Operator, viewer.reseller_id)
    return {*existing, *deleted}


def _there(numbers):
    """{number: (id, operator)} of those in the inventory."""
    found = DID.objects.filter(number__in=numbers).values_list("number", "pk", "operator_id")
    return {number: tuple(rest) for number, *rest in found}


def _lives(numbers, there, own):
    """Pairs (number, its versions, newest first) of these numbers that the viewer may know of.

    ``there``: looked up before the deleted ones are, so that one that goes meanwhile is not missed. A number
    that was made again has had several ids.
    """
    gone = DIDHistory.objects.filter(event="-", number__in=numbers).values_list("object_id", flat=True)
    ids = {pk for pk, _ in there.values()}.union(gone)
    lives = DIDHistory.objects.filter(object_id__in=ids).order_by("number", "-history_id")
    rows = map(_Version._make, lives.values_list(*_COLUMNS).iterator(chunk_size=CHUNK))
    for number, versions in groupby(rows, lambda version: version.number):
        versions = list(versions)
        if own is None or any(version.operator in own for version in versions):
            yield number, versions


# --- from versions to periods -------------------------------------------------------------------------


def _periods(versions, moment, now, own, since):
    """The periods of one number, newest first, without gaps. ``since``: what ``known_since`` says."""
    period = None
    for part in _parts(versions, now, own, since):
        if period and period.is_same(part):
            if period.began.at > moment:
                period.status_key, period.hold_until = part.status_key, part.hold_until
            period.began = part.began
            continue
        if period:
            part.ended = period.began
            yield period
        period = part
    yield period


def _parts(versions, now, own, since):
    """What the number was, newest first, a ``Period`` a version and one for a hold that was over."""
    valid, until = [], None
    for version in versions:
        if until is None or version.at < until:
            valid.append(version)
            until = version.at
    later = None
    from_its_beginning = versions[-1].event == "+"
    for version in valid:
        first_known = version is valid[-1] and not from_its_beginning
        yield from _parts_of(version, later, first_known, now, own)
        later = version
    if from_its_beginning and (since is None or since < until):
        yield Period(ABSENT, began=since and Turn(since, FIRST_KNOWN))
    if since or not from_its_beginning:
        yield Period(UNKNOWN)  # even of another one, made and deleted before, history may have told


def _parts_of(version, later, first_known, now, own):
    if own is not None and version.operator not in own:
        yield Period(ABSENT, began=Turn(version.at, LEFT))
        return
    if version.event == "-":
        yield Period(DELETED, began=Turn(version.at, WRITTEN, version.change))
        return
    began = Turn(version.at, FIRST_KNOWN if first_known else WRITTEN, version.change)
    over = version.hold_until
    if version.status == st.HOLD and over <= now and (later is None or over < later.at):
        if over <= version.at:
            yield Period(FREE, version.after_hold, began=began)
            return
        written = later and later.status == version.after_hold and later.event == "~"
        yield Period(FREE, version.after_hold, began=Turn(over, CLOCK, later.change if written else None))
    kind = USED if version.status in st.IN_PLACE else RESTS if version.status == st.HOLD else FREE
    yield Period(kind, version.status, version.account, version.client_package, over, began)


def _answer(number, periods, moment):
    period = next(one for one in periods if one.began is None or one.began.at <= moment)
    holder = period if period.kind == USED else None
    if period.kind == RESTS:
        before = next(periods)
        used_by = (before.account, before.client_package)
        if before.kind == USED and used_by == (period.account, period.client_package):
            holder = before
    return Answer(number, period, holder)


def _without_history(number, there, moment, since):
    """Of a number that is ``there`` it is not known what it was; of another, before ``since``, neither."""
    if there:
        return Answer(number, Period(UNKNOWN), note="Not known: it is in the inventory, but has no history.")
    if since is None:
        return Answer(number, Period(NEVER), note="Never in the inventory.")
    deleted = f"history before {exactly(since)} was deleted"
    if moment < since:
        return Answer(number, Period(UNKNOWN), note=f"Not known: {deleted}. Not in the inventory since.")
    note = f"Not in the inventory then, nor at any time that is known: {deleted}."
    return Answer(number, Period(NEVER), note=note)


# --- in words ---------------------------------------------------------------------------------------


def _tell(periods, moment):
    """Give these periods the changes and names that they know by id."""
    turns = {id(turn): turn for one in periods for turn in (one.began, one.ended) if turn and turn.change}
    changes = Change.objects.in_bulk({turn.change for turn in turns.values()})
    for turn in turns.values():
        turn.change = changes.get(turn.change)
        if turn.cause == CLOCK and turn.change and turn.change.kind != Change.Kind.END_HOLD:
            turn.change = None
    names = NamesThen(
        moment,
        accounts={one.account for one in periods},
        client_packages={one.client_package for one in periods},
    )
    for one in periods:
        if one.account is None:
            continue
        one.client, one.client_then = names.client(one.account), names.client_then(one.account)
        one.account_name, one.account_then = names.account(one.account), names.account_then(one.account)
        one.package = names.package(one.client_package)
        one.package_then = names.package_then(one.client_package)


def exactly(moment):
    """ "3 May 2026, 14:03:27 EEST", in the active time zone."""
    # Not date_format: it is slow, and gives no zone in the hour that comes twice.
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M:%S} {local.tzname()}"


def _note(answer, moment, since):
    notes, ended = [_said(answer, since)], answer.period.ended
    within = ended and ended.at - moment < timedelta(minutes=1)
    if within and not moment.second and not moment.microsecond:
        notes.append(f"This changed within the same minute, on {exactly(ended.at)}.")
    return " ".join(filter(None, notes))


def _said(answer, since):
    period = answer.period
    if period.kind == RESTS:
        return _rests(period) + ("" if answer.holder else " When the client used it is not known.")
    if period.kind == ABSENT:
        came = f"; it came on {exactly(period.ended.at)}" if period.ended else ""
        return f"Not in the inventory then{came}."
    if period.kind == UNKNOWN:
        because = f": history before {exactly(since)} was deleted" if since else ""
        return f"Not known: what is known of it begins on {exactly(period.ended.at)}{because}."
    return {FREE: "Nobody had it.", DELETED: "Not in the inventory then: it had been deleted."}.get(
        period.kind, ""
    )


def _rests(period):
    client, began = period.client, exactly(period.began.at)
    if period.ended:
        return f"Nobody had it: it rested after use by {client} from {began} to {exactly(period.ended.at)}."
    return f"Nobody had it: it rests after use by {client} since {began}, until {exactly(period.hold_until)}."

"""Plans of writes to numbers: which are refused and why, which are unchanged, and what is set.

A plan consists of expressions, so that a preview and the write itself evaluate the same conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.lookups import Exact

from clients.models import Account
from clients.names import fold
from clients.tags import split_tags, tag_keys, tag_label
from dids.lifecycle import statuses as st
from dids.models.ageing import NO_OVERRIDE, OVERRIDE, WAIT, in_force, minimum_days, resold_early, why_ageing
from dids.models.client_packages import ClientPackage
from dids.models.hold_days import UNSET, distinct_hold_days, hold_days, hold_end
from dids.models.package_classes import code, refused_classes
from dids.models.tags import Tag, TagSet
from operators.models import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = Q(pk__gt=0)
TAKEN = "taken"  # the code of numbers that are in a reservation already
NO_HOLD = {"hold_from": None, "hold_until": None, "resumes_as": None}
NO_HOLDER = NO_HOLD | {"account": None, "client_package": None}
TO_AFTER_HOLD = NO_HOLDER | {"status": F("after_hold")}
# Every move away from Reserved that a plan makes sets these, and constraints refuse a write that does not.
NO_RESERVATION = {"reservation": None, "hold_until": None}
TO_STOCK = NO_RESERVATION | {"status": st.INSTOCK}


class Cause(NamedTuple):
    """One cause of refusal; ``condition`` selects the numbers that it applies to.

    ``why``: a clause, or a function that makes it of the refused numbers. ``source``: the status of these
    numbers, if it alone decides.
    """

    code: str
    condition: Q
    why: str | Callable[[models.QuerySet], str]
    source: str = ""


@dataclass
class Plan:
    """One write to a set of numbers.

    Each number gets the verdict of the first match: ``UNCHANGED``, the code of a cause in ``causes``,
    or ``WRITE``. ``updates`` returns the values to set; it may create tag sets, so previews don't
    call it. ``target``: the status to which the numbers go, if their own decides on everything.
    """

    causes: list[Cause] = field(default_factory=list)
    unchanged: Q | None = None
    updates: Callable[[], dict] = dict
    target: str = ""

    WRITE, UNCHANGED = "write", "unchanged"

    def verdict(self):
        """Return the verdict as an expression; needs ``status_now``."""
        whens = [When(cause.condition, then=Value(cause.code)) for cause in self.causes]
        if self.unchanged is not None:
            whens.insert(0, When(self.unchanged, then=Value(self.UNCHANGED)))
        return Case(*whens, default=Value(self.WRITE), output_field=models.CharField())

    def verdict_of(self, status):
        """Return the verdict of numbers with this status now; only with a ``target``."""
        codes = (cause.code for cause in self.causes if cause.source == status)
        return self.UNCHANGED if status == self.target else next(codes, self.WRITE)


def _illegal_moves(target, by, *, sources=None):
    """Yield a Cause for each status that can't go to ``target`` or that ``by`` may not move there.

    ``sources``: the statuses from which the calling method moves; None: those from which an edit does.
    """
    for source in st.LABELS:
        move = st.MOVES.get((source, target))
        offered = move and (source in sources if sources else move.edit)
        if source == target and not offered:
            continue
        if not offered:
            yield Cause(f"{source}>{target}", Q(status_now=source), st.why_not(source, target), source)
        elif not by.has_perm(f"dids.{move.right}"):
            why = st.lacks_right(move.right)
            yield Cause(f"{source}>{target}:right", Q(status_now=source), why, source)


def _not_in(status, words, field="status_now"):
    """Return a Cause for each other status; ``words``: "not on Hold"."""
    return [
        Cause(source, Q(**{field: source}), f"{label}, {words}")
        for source, label in st.LABELS.items()
        if source != status
    ]


# --- editing


def edit_plan(
    scope,
    by,
    now,
    *,
    status=UNSET,
    after_hold=UNSET,
    hold_days=UNSET,
    notes=UNSET,
    tags=UNSET,
    add_tags=(),
    remove_tags=(),
    version=None,
    from_archive=False,
    by_stop=False,
):
    """Return the plan of ``DIDQuerySet.edit`` for the numbers in ``scope``.

    ``from_archive``: refuse numbers that are not in the archive. ``by_stop``: the numbers go on Hold because
    their package stops, and remember the status it found.
    """
    values = {"after_hold": after_hold, "hold_days": hold_days, "notes": notes}
    values = {name: value for name, value in values.items() if value is not UNSET}
    same = [
        Q(**{name: value}) if value is not None else Q(**{f"{name}__isnull": True})
        for name, value in values.items()
    ]
    new_labels = {}
    if tags is not UNSET or add_tags or remove_tags:
        new_labels = _new_labels(scope, tags, add_tags, remove_tags)
        same.append(~_with_tag_sets(new_labels))
    causes = []
    if version is not None:
        why = "changed by someone else meanwhile; reload and try again"
        causes.append(Cause("changed", scope.written_since(version), why))
    if (values or new_labels) and not by.has_perm("dids.change_did"):
        causes.append(Cause("right", ALL, st.lacks_right("change_did")))
    if from_archive:
        same.append(Q(status_now=st.ARCHIVE))
        causes += _not_in(st.ARCHIVE, "not in the archive")
    if status is not UNSET:
        same.append(Q(status_now=status))
        causes += _illegal_moves(status, by)
    if status == st.ACTIVE:
        stopped = Q(status_now=st.BLOCKED) & ~Q(client_package__in=ClientPackage.objects.running(now))
        causes.append(Cause("package off", stopped, "the client package is not active; activate it first"))

    def updates():
        written = values | _status_updates(scope, now, status, after_hold, hold_days, by_stop)
        return written | {"tag_set": _tag_set_update(new_labels)} if new_labels else written

    is_by_status = len(same) == 1 and status not in (UNSET, st.ACTIVE) and version is None
    return Plan(
        causes,
        unchanged=reduce(Q.__and__, same, ALL),
        updates=updates,
        target=status if is_by_status else "",
    )


def _status_updates(scope, now, status, after_hold, own_days, by_stop):
    """Return the values that follow from a new status, new hold days, or both."""
    if status == st.RESERVED:
        kept = {name: Case(When(status=status, then=F(name)), default=None) for name in NO_RESERVATION}
        return NO_HOLDER | kept | {"status": status}
    if status in st.FREE:
        return NO_HOLDER | NO_RESERVATION | {"status": status}
    if status in st.IN_USE:
        return NO_HOLD | {"status": status}
    if status is UNSET and own_days is UNSET:
        return {}
    rules = in_force()
    own = F("hold_days") if own_days is UNSET else Value(own_days, output_field=models.IntegerField())
    days = hold_days(own, least=minimum_days(rules))
    distinct = distinct_hold_days(scope, own_days, rules=rules)
    continued = When(status=st.HOLD, then=hold_end(F("hold_from"), days, distinct))
    if status is UNSET:
        return {"hold_until": Case(continued, default=F("hold_until"))}  # a reservation keeps its end
    held = {
        "status": Value(st.HOLD),
        "hold_from": Case(
            When(status=st.HOLD, then=F("hold_from")), default=now, output_field=models.DateTimeField()
        ),
        "hold_until": Case(continued, default=hold_end(now, days, distinct)),
        "resumes_as": Case(
            When(status=st.HOLD, then=F("resumes_as")),
            default=F("status") if by_stop else None,
            output_field=models.CharField(),
        ),
    }
    if 0 not in distinct:
        return held
    # With 0 hold days the same statement writes the After Hold status.
    skips_hold = ~Q(status=st.HOLD) & Q(Exact(days, 0))
    freed = NO_HOLDER | {"status": F("after_hold") if after_hold is UNSET else Value(after_hold)}
    kept = {"account": F("account"), "client_package": F("client_package")} | held
    return {name: Case(When(skips_hold, then=freed[name]), default=kept[name]) for name in freed}


def _new_labels(scope, tags, add_tags, remove_tags):
    """Return {tag set id or None: new label} of the tag sets in ``scope`` that change."""
    labels = scope.order_by().values_list("tag_set_id", "tag_set__label").distinct()
    new, removed = {}, set(map(fold, remove_tags))
    added = Tag.spelled(add_tags if tags is UNSET else tags)
    for pk, label in labels:
        kept = split_tags(label) if tags is UNSET else []
        after = tag_label(tag for tag in [*kept, *added] if fold(tag) not in removed)
        if after != (label or ""):
            new[pk] = after
    return new


def _with_tag_sets(keys):
    """Return the condition for numbers with one of these tag sets; None stands for no tags."""
    found = Q(tag_set__in=[pk for pk in keys if pk is not None])
    return found | Q(tag_set__isnull=True) if None in keys else found


def _tag_set_update(new_labels):
    keys = {label: getattr(TagSet.of([label]), "pk", None) for label in sorted(set(new_labels.values()))}
    whens = [
        When(Q(tag_set__isnull=True) if pk is None else Q(tag_set=pk), then=Value(keys[label]))
        for pk, label in new_labels.items()
    ]
    return Case(*whens, default=F("tag_set"), output_field=models.BigIntegerField())


# --- clients


def _ageing(client, by, now, reason=""):
    """Return the causes of numbers that another client than ``client``, an id, has left too recently.

    ``reason``: why ``by`` overrides that.
    """
    if reason and by.has_perm(OVERRIDE):
        return []
    early = resold_early(client, now)
    return [Cause("ageing", early, NO_OVERRIDE if reason else why_ageing(now, WAIT))] if early else []


def _classes(package):
    """Return the causes of numbers that ``package`` may not hold by its rule on classes."""
    return [Cause(code(one), condition, why) for one, condition, why in refused_classes(package)]


def assign_plan(client_package, account, by, now, override=""):
    """Return the plan that assigns numbers to ``account`` under ``client_package``.

    ``override``: the reason for which numbers that age after use by another client are assigned as well.
    """
    client, package = client_package.client, client_package.package
    causes = []
    if account.client_id != client.pk:
        why = f"account {account} does not belong to {client}; choose an account of {client}"
        causes.append(Cause("account", ALL, why))
    if client.closed_at:
        causes.append(Cause("closed", ALL, f"client {client} is closed; reopen the client first"))
    if not client_package.is_running(now):
        causes.append(Cause("package off", ALL, _not_running(client_package)))
    causes += _illegal_moves(st.ACTIVE, by, sources=(st.INSTOCK, st.HOLD))
    causes += [
        Cause("active", Q(status_now=st.ACTIVE), "Active, so already in use; put on Hold first"),
        Cause(
            "reseller",
            ~Q(operator__in=Operator.objects.filter(reseller=package.reseller_id)),
            f"of another reseller; package {package} takes only numbers of {package.reseller}",
        ),
        Cause(
            "client",
            Q(status_now=st.HOLD) & ~Q(account__in=Account.objects.filter(client=client)),
            f"on Hold after use by a client other than {client}; end the hold first",
        ),
    ]
    allowed = tag_keys(package.allowed_tags)
    if allowed:
        untagged = Q(tag_set__isnull=True) | ~Q(tag_set__in=TagSet.objects.filter(tags__key__in=allowed))
        why = f"without a tag that package {package} allows ({package.allowed_tags}); tag them first"
        causes.append(Cause("tags", untagged, why))
    causes += _classes(package)
    causes += _ageing(client.pk, by, now, override)
    updates = NO_HOLD | {"status": st.ACTIVE, "account": account, "client_package": client_package}
    return Plan(
        causes,
        unchanged=Q(status_now=st.ACTIVE, account=account, client_package=client_package),
        updates=lambda: updates,
    )


def resume_plan(client_package, by, now, *, status=st.ACTIVE):
    """Return the plan that takes numbers of ``client_package`` back from Hold.

    ``status``: what they become, a status or an expression.
    """
    causes = []
    if not client_package.is_running(now):
        causes.append(Cause("package off", Q(status_now=st.HOLD), _not_running(client_package)))
    causes += _illegal_moves(st.ACTIVE, by, sources=(st.HOLD,))
    causes += [
        Cause("active", Q(status_now=st.ACTIVE), "already Active"),
        Cause(
            "other",
            ~Q(client_package=client_package),
            "on Hold under another package by now; reload the list and try again",
        ),
        *_classes(client_package.package),
        *_ageing(client_package.client_id, by, now),
    ]
    return Plan(causes, updates=lambda: NO_HOLD | {"status": status})


def _not_running(client_package):
    return f"package {client_package} is not active; activate it first"


# --- holds and deletion


def hold_ends_plan(scope, rules=None):
    """Return the plan that recomputes the end of the holds in ``scope``.

    ``rules``: the minimums that hold, by default those in force.
    """
    rules = in_force() if rules is None else rules
    days = hold_days(F("hold_days"), least=minimum_days(rules))
    distinct = distinct_hold_days(scope, rules=rules)
    end = hold_end(F("hold_from"), days, distinct)
    released = Cause("over", ~Q(status_now=st.HOLD), "no longer on Hold")
    return Plan([released], unchanged=Q(Exact(F("hold_until"), end)), updates=lambda: {"hold_until": end})


def end_hold_plan(by):
    """Return the plan that ends holds, whether their time is over or not."""
    # Overdue holds are ended as well, so the stored status counts.
    causes = _not_in(st.HOLD, "not on Hold", "status")
    right = st.MOVES[st.HOLD, st.INSTOCK].right
    if not by.has_perm(f"dids.{right}"):
        causes.append(Cause("right", Q(status=st.HOLD), st.lacks_right(right)))
    return Plan(causes, updates=lambda: TO_AFTER_HOLD)


def reserve_plan(reservation, by, now):
    """Return the plan that puts In Stock numbers into ``reservation``, which is saved when there are any.

    Numbers that are Reserved already are refused, also without a reservation: someone keeps them.
    """
    move = st.MOVES[st.INSTOCK, st.RESERVED]
    causes = [] if by.has_perm(f"dids.{move.right}") else [Cause("right", ALL, st.lacks_right(move.right))]
    causes += [
        Cause(TAKEN, Q(reservation__isnull=False, status_now=st.RESERVED), "already in a reservation"),
        *(Cause(status, Q(status_now=status), why) for status, why in st.NOT_TO_BE_RESERVED.items()),
        Cause(
            "reseller",
            ~Q(operator__in=Operator.objects.filter(reseller=reservation.reseller_id)),
            f"of another reseller; this reservation takes only numbers of {reservation.reseller}",
        ),
    ]
    if reservation.client_id:
        causes += _ageing(reservation.client_id, by, now)

    def updates():
        if reservation.pk is None:
            reservation.save(force_insert=True)
        return {"status": st.RESERVED, "reservation": reservation, "hold_until": reservation.ends_at}

    return Plan(causes, updates=updates)


def reserve_until_plan(reservations, ends_at, by):
    """Return the plan that gives the numbers of ``reservations`` another end."""
    kept = Q(reservation__in=reservations)
    same = Q(hold_until=ends_at) if ends_at else Q(hold_until__isnull=True)
    return Plan(
        [*_not_reserved(by, ~kept | Q(reservation__isnull=True), "no longer in this reservation")],
        unchanged=kept & same,
        updates=lambda: {"hold_until": ends_at},
    )


def end_reservation_plan(by):
    """Return the plan that ends reservations of numbers, whether their time is over or not."""
    return Plan(_not_reserved(by, Q(reservation__isnull=True), "in no reservation"), updates=lambda: TO_STOCK)


def _not_reserved(by, left, why):
    """Return the causes of numbers that are in no reservation any more (``left``), and of a missing right."""
    right = st.MOVES[st.RESERVED, st.INSTOCK].right
    causes = [Cause("over", left, why)]
    return causes if by.has_perm(f"dids.{right}") else [*causes, Cause("right", ALL, st.lacks_right(right))]


def delete_plan(by):
    """Return the plan that deletes numbers."""
    return Plan(list(_illegal_moves(st.DELETED, by)), target=st.DELETED)

"""Queries over the inventory."""

from __future__ import annotations

from datetime import timedelta

from django.apps import apps
from django.core.exceptions import EmptyResultSet
from django.db import connection, connections
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from audit.history import TRACKED, visible_to
from audit.models import Change
from clients.models import Account, BranchQuerySet
from clients.tags import tag_keys
from didmgmt import clock
from didmgmt.statements import Statement
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.ageing import resold_early
from dids.models.hold_days import hold_days
from dids.models.package_classes import outside
from dids.models.tags import TagSet
from operators.models import Operator

# Raw SQL, because compiling twelve subqueries took longer than running them.
_NEAREST = """
    (SELECT number FROM dids_did WHERE operator_id = operator.pk AND status = possible.status
     AND number {} %s ORDER BY number {} LIMIT 1)
"""
_NEIGHBOURS = f"""
    SELECT max(previous), min(following) FROM (
        SELECT {_NEAREST.format("<", "DESC")} AS previous, {_NEAREST.format(">", "")} AS following
        FROM ({{operators}}) AS operator
        CROSS JOIN ({" UNION ALL ".join(f"SELECT '{status}' AS status" for status in st.LABELS)}) AS possible
    ) AS nearest
"""


class NumberReads(BranchQuerySet):
    """Reads of the inventory; ``DIDQuerySet`` adds the writes.

    **Overdue holds.** A Hold whose end has passed counts as its After Hold status, and a reserved number
    whose reservation has ended as In Stock, whether or not the worker has written it (see
    ``dids.lifecycle.holds``): reads use ``status_now``. "Overdue hold" means both. A filter by status
    stays a plain ``status = x`` on the index while no hold is overdue, which one lookup in the partial
    index on ``hold_until`` tells. Otherwise a second indexed condition is added with OR.
    """

    branch = "operator__reseller"

    def with_status_now(self, now=None):
        """Annotate ``status_now``, the status at ``now`` with overdue holds treated as over."""
        return self.annotate(status_now=holds.status_expression(now or clock.now()))

    def hold_over(self, now):
        """Return the numbers whose hold or reservation is over; uses the partial index on ``hold_until``."""
        return self.filter(holds.over(now))

    def in_status(self, statuses, now=None, *, overdue=None):
        """Return the numbers whose status at ``now`` is one of ``statuses``.

        ``overdue``: whether any hold is over at ``now``; costs one index lookup when not given.
        """
        now = now or clock.now()
        stored = Q(status__in=statuses) if len(statuses) > 1 else Q(status=statuses[0])
        if not (any_hold_over(now) if overdue is None else overdue):
            return self.filter(stored)
        over = holds.over(now)
        released = over & holds.followed_by(statuses)
        is_timed = not set(st.TIMED).isdisjoint(statuses)
        return self.filter((stored & ~over) | released if is_timed else stored | released)

    def held_by(self, clients, now=None):
        """Return the numbers of these clients (a queryset or list), without overdue holds."""
        over = holds.over(now or clock.now())
        return self.filter(~over, account__in=Account.objects.filter(client__in=clients))

    def tagged(self, keys):
        """Return the numbers with at least one of the tags with these keys, see ``tag_keys``."""
        return self.filter(tag_set__in=TagSet.objects.filter(tags__key__in=keys))

    def by_status(self, now=None, *, overdue=None):
        """Return {status: count} at ``now``; one grouped count, and another one of overdue holds.

        ``overdue=False`` skips the second: no hold is over.
        """
        counts = dict.fromkeys(st.LABELS, 0)
        counts.update(self.order_by().values_list("status").annotate(Count("pk")))
        return counts if overdue is False else move_overdue(counts, self.hold_over(now or clock.now()))

    def some_by_status(self, limit, now=None):
        """Return ``by_status`` of the first ``limit`` rows that the database finds; one query."""
        some = self.order_by().with_status_now(now).values_list("status_now")[:limit]
        try:
            sql, params = some.query.sql_with_params()
        except EmptyResultSet:  # an empty IN, such as a client without accounts
            return dict.fromkeys(st.LABELS, 0)
        with connections[some.db].cursor() as cursor:
            cursor.execute(f"SELECT status_now, count(*) FROM ({sql}) AS found GROUP BY status_now", params)
            return dict.fromkeys(st.LABELS, 0) | dict(cursor.fetchall())

    def for_table(self, now=None):
        """Annotate everything that a table row shows: ``status_now`` and the names of related rows.

        Annotating names instead of select_related: creating seven more objects per number doubled the
        time of a page. ``last_client``, ``last_account`` and ``package_name`` include those of a Hold,
        over or not; they are None for free numbers.
        """
        return self.with_status_now(now).annotate(
            operator_name=F("operator__name"),
            reseller_name=F("operator__reseller__name"),
            tag_label=Coalesce("tag_set__label", Value("")),
            last_client=F("account__client__name"),
            last_account=F("account__name"),
            package_name=F("client_package__package__name"),
            package_ends_at=F("client_package__ends_at"),
        )

    def for_page(self, now=None):
        """Return ``for_table`` with the related rows as objects, in one query."""
        return self.for_table(now).select_related(
            "operator__reseller",
            "tag_set",
            "account__client",
            "client_package__package",
            "reservation__client",
        )

    def with_hold_days(self, rest=None):
        """Annotate ``hold_days_now``, the hold days with inherited values; ``rest``: see ``hold_days``.

        Without the minimum of an accepted rule, which ``minimum_of`` tells.
        """
        return self.annotate(hold_days_now=hold_days(F("hold_days"), rest))

    def with_version(self):
        """Annotate ``version``, the id of the newest history row; ``edit`` compares it."""
        newest = self._history().filter(object_id=OuterRef("pk")).order_by("-history_id")
        return self.annotate(version=Subquery(newest.values("history_id")[:1]))

    def written_since(self, version, number="pk"):
        """Return a condition (Q) for numbers with a history row newer than ``version``.

        The end of a hold or of a reservation by the system doesn't count. ``number`` is the field with the
        number's key, for conditions on other tables.
        """
        newer = self._history().filter(object_id=OuterRef(number), history_id__gt=version)
        ends = (Change.Kind.END_HOLD, Change.Kind.END_RESERVATION)
        automatic = Q(change__kind__in=ends, change__actor_kind=Change.Actor.SYSTEM)
        return Q(Exists(newer.exclude(automatic)))

    def available_for(self, client_package, now=None):
        """Return the In Stock numbers of the package's reseller with a tag that the package allows.

        Without those that age after use by another client, or of a class that it does not take.
        """
        package = client_package.package
        found = self.in_status([st.INSTOCK], now).filter(operator__reseller=package.reseller_id)
        if early := resold_early(client_package.client_id, now or clock.now()):
            found = found.exclude(early)
        if refused := outside(package):
            found = found.exclude(refused)
        allowed = tag_keys(package.allowed_tags)
        return found.tagged(allowed) if allowed else found

    def with_last_holder(self, viewer):
        """Annotate ``left_at``, when the last client released the number, and that ``last_account``.

        Both are None for numbers that no client had, as far as ``viewer`` may see their history. A number
        that was deleted and created again has its past under several ids, which its deletions name. Costs
        index lookups in history for each row, so it is meant for a page of numbers.
        """
        past, every = visible_to(self.model, viewer), self._history()
        held = past.filter(account_id__isnull=False).exclude(event="-").order_by("-history_id")
        lives = every.filter(event="-", number=OuterRef("number")).annotate(
            held=Subquery(held.filter(object_id=OuterRef("object_id")).values("history_id")[:1])
        )
        last_held = Coalesce(
            Subquery(held.filter(object_id=OuterRef("pk")).values("history_id")[:1]),
            Subquery(lives.filter(held__isnull=False).order_by("-held").values("held")[:1]),
        )
        found = self.alias(_last_held=last_held)
        last = every.filter(history_id=OuterRef("_last_held"))
        found = found.annotate(last_account=Subquery(last.values("account_id")[:1]))
        found = found.alias(_last_life=Subquery(last.values("object_id")[:1]))
        free = past.filter(object_id=OuterRef("_last_life"), history_id__gt=OuterRef("_last_held"))
        return found.annotate(left_at=Subquery(free.order_by("history_id").values("at")[:1]))

    def recently_released(self, days, client, viewer, now=None):
        """Return those that a client other than ``client`` released less than ``days`` days ago.

        Only releases that ``viewer`` may know of count.
        """
        since = (now or clock.now()) - timedelta(days=days)
        own = Account.objects.filter(client=client).values("pk")
        return self.with_last_holder(viewer).filter(~Q(last_account__in=own), left_at__gt=since)

    def _history(self):
        return TRACKED[self.model].objects.all()


# The number before and after another one
_nearest = (
    Statement(lambda number: _numbers().filter(number__lt=number).order_by("-number")[:1]),
    Statement(lambda number: _numbers().filter(number__gt=number).order_by("number")[:1]),
)
_first_hold_over = Statement(
    lambda now: (
        apps.get_model("dids", "DID").objects.hold_over(now).order_by("hold_until").values_list("pk")[:1]
    )
)


def any_hold_over(now):
    """Tell whether any hold or reservation of the inventory is over, with one index lookup.

    ORDER BY forces the index: with statistics older than millions of new rows, a planner would
    choose a sequential scan.
    """
    return bool(_first_hold_over.rows(now=now))


def neighbours(number, viewer):
    """Return the previous and the next number by digits as (pk, number) or None, in the viewer's branch.

    Two queries of index lookups. For a bound viewer there are two for each operator of the reseller in
    each status, because a scan in the order of numbers might read all those of other resellers.
    """
    if viewer.reseller_id is None:
        return tuple(next(map(tuple, one.rows(number=number)), None) for one in _nearest)
    operators, params = Operator.objects.visible_to(viewer).order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_NEIGHBOURS.format(operators=operators), [number, number, *params])
        found = cursor.fetchone()
    pks = {one: pk for pk, one in _numbers().filter(number__in=[one for one in found if one])}
    return tuple((pks[one], one) if one in pks else None for one in found)


def _numbers():
    return apps.get_model("dids", "DID").objects.values_list("pk", "number")


def move_overdue(counts, overdue):
    """Move the ``overdue`` holds in ``counts`` (by stored status) to the status that follows."""
    rows = overdue.order_by().values_list("status", "after_hold").annotate(Count("pk"))
    for status, after_hold, count in rows:
        counts[status] -= count
        counts[holds.after(status, after_hold)] += count
    return counts

"""DIDs and what changes with them. Every write to a number is a method of ``DIDQuerySet``."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, reduce
from itertools import islice

from django.conf import settings
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connection, connections, models
from django.db.models import (
    Case,
    Count,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, Coalesce, Greatest, Left, Length, Right, RowNumber
from django.db.models.lookups import Exact
from django.utils import timezone

import audit
from audit import history
from audit.models import Change
from clients.models import (
    Account,
    BranchQuerySet,
    Client,
    HoldDaysField,
    Package,
    counted,
    hold_days_in_range,
)
from clients.tags import MAX_LABEL, MAX_TAG, split_tags, tag_label
from dids.lifecycle import statuses as st
from dids.lifecycle.result import SAMPLE, Result
from dids.models import lookups  # noqa: F401 (registers pk__among and pk__named)
from dids.models.prefixes import NumberHead  # noqa: F401 (a model of this app)
from dids.models.staging import SPAN, ImportBatch, ImportRow
from operators.models import Operator

CHUNK = 5_000  # rows locked and written at a time; ids of a chunk are all that Python holds
UNSET = object()  # a field left alone, where None and "" mean that it is emptied
NUMBER_MAX = 20
EXIST = "exist already and were left as they are"


class DigitsOnly(models.Func):
    """Whether a text is one or more ASCII digits; a condition for a CHECK on both engines."""

    arity = 1
    output_field = models.BooleanField()

    def as_postgresql(self, compiler, connection, **context):
        return self.as_sql(compiler, connection, template="(%(expressions)s ~ '^[0-9]+$')", **context)

    def as_sqlite(self, compiler, connection, **context):
        template = "(%(expressions)s <> '' AND %(expressions)s NOT GLOB '*[^0-9]*')"
        return self.as_sql(compiler, connection, template=template, **context)


class TagQuerySet(models.QuerySet):
    def visible_to(self, user):
        """All tags, or those on numbers of the reseller that ``user`` is bound to, as the counters know."""
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        stock = Stock.objects.of(Operator.objects.visible_to(user), None).order_by().values("tag_set")
        theirs = stock.annotate(all=Sum("numbers")).filter(all__gt=0, tag_set__isnull=False)
        return self.filter(sets__in=theirs.values("tag_set")).distinct()


class Tag(models.Model):
    """A short label; a number carries any number of them."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=MAX_TAG, unique=True)

    objects = TagQuerySet.as_manager()

    def __str__(self):
        return self.name


class TagSet(models.Model):
    """A set of tags that some number carries. Never changed once made: history points at it."""

    id = models.BigAutoField(primary_key=True)
    label = models.CharField(max_length=MAX_LABEL, unique=True)
    tags = models.ManyToManyField(Tag, related_name="sets")

    def __str__(self):
        return self.label

    @classmethod
    def of(cls, tags):
        """The row for these tags (an iterable of names), made when new; None for no tags."""
        label = tag_label(tags)
        if not label:
            return None
        tag_set, made = cls.objects.get_or_create(label=label)
        if made:
            names = split_tags(label)
            Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
            tag_set.tags.add(*Tag.objects.filter(name__in=names))
        return tag_set


PACKAGE_STATES = {"running": "Running", "waiting": "Not begun", "ended": "Ended", "off": "Off"}


class ClientPackageQuerySet(BranchQuerySet):
    branch = "package__reseller"

    def running(self, now):
        """Active, begun and not over at ``now``, whether or not the worker has come by."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), active=True, starts_at__lte=now)

    def with_state(self, now):
        """Annotates ``state``, a key of ``PACKAGE_STATES``: what each is at ``now``."""
        whens = (
            When(ends_at__lte=now, then=Value("ended")),
            When(active=False, then=Value("off")),
            When(starts_at__gt=now, then=Value("waiting")),
        )
        return self.annotate(state=Case(*whens, default=Value("running"), output_field=models.CharField()))

    def with_places(self):
        """Annotates ``taken``: how many places numbers take, see ``ClientPackage.places_taken``."""
        taken = DID.objects.filter(client_package=OuterRef("pk"), status__in=st.IN_PLACE).order_by()
        counted = taken.values("client_package").annotate(numbers=Count("pk")).values("numbers")
        return self.annotate(taken=Coalesce(Subquery(counted), 0))

    def stop(self, *, by, label, cause="switched_off", now=None):
        """Switch these off and put their numbers on Hold, in one change. Returns the Result of the holds.

        The system moves the numbers, because of the package and in its change. What is off already stays
        as it is.
        """
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, data={"cause": cause}, at=now) as change:
            locked = self.filter(active=True).order_by("pk").select_for_update(no_key=True, of=("self",))
            ids = list(locked.values_list("pk", flat=True))
            if not ids:
                return Result()
            change.touched += ClientPackage.objects.filter(pk__in=ids).update(active=False)
            dids = DID.objects.filter(client_package__in=ids, status__in=st.IN_PLACE)
            return dids.hold(by=audit.SYSTEM, now=now)


class ClientPackage(models.Model):
    """A package given to a client. ``active`` is its switch; the dates bound it as well.

    A start in the future needs nobody to come by: until then it does not run, and has no numbers. At its
    end the worker switches it off; reads treat it as over from that moment on.
    """

    id = models.BigAutoField(primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="client_packages")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="client_packages")
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True)

    objects = ClientPackageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="client_package_ends_later",
            )
        ]
        indexes = [models.Index(fields=["ends_at"], name="client_package_due", condition=Q(active=True))]

    def __str__(self):
        return f"{self.package} of {self.client}"

    def clean(self):
        if self.client_id and self.package_id and self.client.reseller_id != self.package.reseller_id:
            raise ValidationError(
                f"{self.client} belongs to {self.client.reseller}, the package {self.package} to "
                f"{self.package.reseller}; give it a package of its own reseller."
            )
        if self.ends_at and self.starts_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "It ends before it begins. Choose a later end."})

    def is_running(self, now):
        return self.active and self.starts_at <= now and (self.ends_at is None or self.ends_at > now)

    def places_taken(self):
        """How many numbers take a place (Active or Blocked); one indexed count."""
        return DID.objects.filter(client_package=self, status__in=st.IN_PLACE).count()

    def free_places(self):
        """How many more numbers it may give; one indexed count."""
        return max(0, self.package.did_limit - self.places_taken())

    @property
    def is_over(self):
        """Whether its end is past, be it switched off already or not."""
        return self.ends_at is not None and self.ends_at <= timezone.now()

    @property
    def state_label(self):
        """Of one with ``with_state``."""
        return PACKAGE_STATES[self.state]

    def rehearse_activate(self, now=None):
        """(numbers that ``activate`` would take back, those that would stay on Hold); two counts."""
        now = now or timezone.now()
        if self.starts_at > now:
            return 0, 0
        resting = DID.objects.filter(client_package=self, status=st.HOLD, hold_until__gt=now).count()
        back = min(resting, self.free_places())
        return back, resting - back

    def give(self, *, by, now=None):
        """Save a new one. Raises ValidationError when the client or the package is not to be had any more."""
        self.full_clean()
        self._refuse_what_is_closed()
        with audit.change(
            Change.Kind.PACKAGE, by=by, label=f"Package {self.package} given to {self.client}", at=now
        ) as change:
            self.save()
            change.touched += 1

    def deactivate(self, *, by, now=None, ended=False):
        """Switch it off and put its numbers on Hold, in one change. Returns the Result of the holds.

        ``ended``: because its end has come. Switching off what is off already does nothing.
        """
        word, cause = ("ended", "ended") if ended else ("switched off", "switched_off")
        me = ClientPackage.objects.filter(pk=self.pk)
        result = me.stop(by=by, label=f"Package {self} {word}", cause=cause, now=now)
        self.active = False
        return result

    def activate(self, *, by, now=None):
        """Switch it on, without an end that is past, and take its numbers back from Hold.

        Those that rest still, the longest resting first, while there are places. Returns the Result of
        these moves, None when it was on already. Raises ValidationError for a closed client or an archived
        package.
        """
        self._refuse_what_is_closed()
        moment = now or timezone.now()
        with audit.change(Change.Kind.PACKAGE, by=by, label=f"Package {self} switched on", at=now) as change:
            locked = ClientPackage.objects.select_for_update(no_key=True).get(pk=self.pk)
            over = locked.ends_at is not None and locked.ends_at <= moment
            if locked.active and not over:
                return None
            locked.active = True
            if over:
                locked.ends_at = None
            locked.save(update_fields=["active", "ends_at"])
            change.touched += 1
            self.active, self.ends_at = locked.active, locked.ends_at
            if not locked.is_running(moment):
                return Result()
            return DID.objects.resume(self, by=audit.SYSTEM, now=now)

    def end_on(self, ends_at, *, by, now=None):
        """Set or take away (None) its end. An end that is past ends it now; returns the Result of holds."""
        moment = now or timezone.now()
        if ends_at is not None and ends_at <= moment:
            return self.deactivate(by=by, now=now)
        label = f"End of package {self} changed"
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            self.ends_at = ends_at
            self.full_clean()
            self.save(update_fields=["ends_at"])
            change.touched += 1
        return Result()

    def why_closed(self):
        """Why it can't be used: a sentence and what to do, "" when it can."""
        if self.client.closed_at:
            return f"Client {self.client} is closed. Reopen the client first."
        if self.package.archived_at:
            return f"Package {self.package} is archived. Restore the package first."
        return ""

    def _refuse_what_is_closed(self):
        if why := self.why_closed():
            raise ValidationError(why)

    @classmethod
    def close_client(cls, client, *, by, now=None):
        """Close a client: its packages stop and its numbers go on Hold, in one change."""
        given = cls.objects.filter(client=client)
        return cls._end_of(client, "closed_at", given, f"Client {client} closed", by=by, now=now)

    @classmethod
    def archive_package(cls, package, *, by, now=None):
        """Archive a package: with all clients it stops, and its numbers go on Hold, in one change."""
        given = cls.objects.filter(package=package)
        return cls._end_of(package, "archived_at", given, f"Package {package} archived", by=by, now=now)

    @staticmethod
    def _end_of(thing, field, given, label, *, by, now):
        """Returns the Result of the holds; None when it was closed already."""
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            open_ones = type(thing).objects.filter(**{"pk": thing.pk, f"{field}__isnull": True})
            if not open_ones.update(**{field: now or timezone.now()}):
                return None
            change.touched += 1
            thing.refresh_from_db()
            return given.stop(by=by, label=label, now=now)

    @staticmethod
    def reopen(thing, *, by, now=None):
        """A closed client or an archived package can be used again; what stopped with it stays off."""
        field, label = {
            Client: ("closed_at", f"Client {thing} reopened"),
            Package: ("archived_at", f"Package {thing} restored"),
        }[type(thing)]
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            ended = type(thing).objects.filter(**{"pk": thing.pk, f"{field}__isnull": False})
            done = ended.update(**{field: None})
            change.touched += done
        thing.refresh_from_db()
        return bool(done)


class _Plan:
    """What one write does to a number: who is refused and why, who is so already, what is set."""

    GO, SAME = "go", "same"

    def __init__(self, *, refusals=(), unchanged=None, updates=dict):
        self.refusals = list(refusals)  # (code, Q, why), the first that holds counts
        self.unchanged = unchanged
        self.updates = updates  # called when it comes to writing, not for a rehearsal

    def verdict(self):
        """An expression: "go", "same" or the code of a refusal; wants ``status_now`` annotated."""
        whens = [When(condition, then=Value(code)) for code, condition, _ in self.refusals]
        if self.unchanged is not None:
            whens.insert(0, When(self.unchanged, then=Value(self.SAME)))
        return Case(*whens, default=Value(self.GO), output_field=models.CharField())


class DIDQuerySet(BranchQuerySet):
    """The inventory and every write to it.

    **Writes** take ``by=`` (a user, whose rights are asked for, or ``audit.SYSTEM``) and return a
    ``Result``: how many were done, were so already, were refused for which cause. They lock and
    write ``CHUNK`` rows at a time in the order of ids, so that two writers of the same numbers wait
    for one another and never deadlock; the second finds the numbers as the first left them. One
    call is one transaction and one change. Cost: about four queries a chunk.

    **Overdue holds.** A Hold whose ``hold_until`` has passed *is* its After Hold status, whether or
    not the worker has written it: reads use ``status_now``. A filter by status stays a plain
    ``status = x`` on the index as long as nothing is overdue at that moment, which one probe of the
    partial index on ``hold_until`` tells; only while something waits for the worker is the overdue
    part added (an OR of two indexed conditions). Counters correct ``Stock`` by one grouped count
    over that partial index. Writes release the overdue ones among their rows first, as a change of
    the system's own.
    """

    branch = "operator__reseller"

    # --- reads

    def with_status_now(self, now=None):
        """Annotates ``status_now``: the status at ``now``, overdue holds being over."""
        return self.annotate(status_now=_status_now(now or timezone.now()))

    def hold_over(self, now):
        """Holds whose time has passed; served by the partial index on ``hold_until``.

        Only a Hold has an end, the database sees to that. To ask for the status as well would have
        SQLite go through all holds by the index on status.
        """
        return self.filter(hold_until__lte=now)

    def any_hold_over(self, now):
        """Whether there is such a hold, by one look at that index.

        In the index's order: a table that has grown by millions since its last ANALYZE would otherwise be
        read to its end in the belief that one of the first rows will do.
        """
        return self.hold_over(now).order_by("hold_until").values("pk").first() is not None

    def in_status(self, statuses, now=None, *, overdue=None):
        """Numbers whose status at ``now`` is one of ``statuses``.

        ``overdue``: whether holds are over at ``now``; costs one probe when not given.
        """
        now = now or timezone.now()
        stored = Q(status__in=statuses) if len(statuses) > 1 else Q(status=statuses[0])
        if not (DID.objects.any_hold_over(now) if overdue is None else overdue):
            return self.filter(stored)
        over = Q(status=st.HOLD, hold_until__lte=now)
        back = over & Q(after_hold__in=statuses)
        return self.filter((stored & ~over) | back if st.HOLD in statuses else stored | back)

    def held_by(self, clients, now=None):
        """Numbers shown with one of these clients (a queryset or list), overdue holds left out."""
        over = Q(status=st.HOLD, hold_until__lte=now or timezone.now())
        return self.filter(~over, account__in=Account.objects.filter(client__in=clients))

    def tagged(self, tags):
        """Numbers that carry any of these tags (names)."""
        return self.filter(tag_set__in=TagSet.objects.filter(tags__name__in=tags))

    def by_status(self, now=None, *, overdue=None):
        """{status: count} of these numbers at ``now``; one grouped count, and one of overdue holds.

        ``overdue``: False when it is known that there are none.
        """
        counts = dict.fromkeys(st.LABELS, 0)
        counts.update(self.order_by().values_list("status").annotate(Count("pk")))
        return counts if overdue is False else _holds_over(counts, self.hold_over(now or timezone.now()))

    def some_by_status(self, most, now=None):
        """As ``by_status``, of the first ``most`` of these numbers that are found; one query."""
        some = self.order_by().with_status_now(now).values_list("status_now")[:most]
        try:
            sql, params = some.query.sql_with_params()
        except EmptyResultSet:  # of a client without accounts, say: the database need not be asked
            return dict.fromkeys(st.LABELS, 0)
        with connections[some.db].cursor() as cursor:
            cursor.execute(f"SELECT status_now, count(*) FROM ({sql}) AS found GROUP BY status_now", params)
            return dict.fromkeys(st.LABELS, 0) | dict(cursor.fetchall())

    def for_table(self, now=None):
        """With all that a row of a list shows, in one query: ``status_now`` and the names around the number.

        Names instead of rows: to make seven more objects for each number took as long as the database
        did for the whole page. ``last_client``, ``last_account`` and the package are those of a Hold as
        well, be it over or not; None of free numbers.
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

    def for_page(self):
        """``for_table`` with the rows around the number as well, in one query."""
        return self.for_table().select_related(
            "operator__reseller", "tag_set", "account__client", "client_package__package"
        )

    def with_hold_days(self):
        """Annotates ``hold_days_now``: how long it would rest, its package's and operator's days counted."""
        return self.annotate(hold_days_now=_hold_days(F("hold_days")))

    def with_version(self):
        """Annotates ``version``, which ``edit`` takes: the id of the number's newest history row."""
        newest = DIDHistory.objects.filter(object_id=OuterRef("pk")).order_by("-history_id")
        return self.annotate(version=Subquery(newest.values("history_id")[:1]))

    def available_for(self, client_package, now=None):
        """In Stock numbers that ``client_package`` can give: of its reseller, with a tag that it allows."""
        package = client_package.package
        found = self.in_status([st.INSTOCK], now).filter(operator__reseller=package.reseller_id)
        allowed = split_tags(package.allowed_tags)
        return found.tagged(allowed) if allowed else found

    def first_consecutive(self, count):
        """(low, high): the first ``count`` numbers here that follow one another, or None.

        Numbers of the same length that differ in their last nine digits alone; a run over the turn of a
        thousand million is taken for two. One query over all of these numbers.
        """
        tail = Cast(Right("number", 9), models.BigIntegerField())
        place = Window(
            RowNumber(), partition_by=[Length("number"), _head_of_number()], order_by=F("number").asc()
        )
        runs = (
            self.order_by()
            .annotate(_tail=tail, _head=_head_of_number(), _length=Length("number"))
            .annotate(_run=F("_tail") - place)
            .values("number", "_length", "_head", "_run")
        )
        sql, params = runs.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT low FROM (SELECT min(number) AS low, count(*) AS numbers FROM ({sql}) AS runs"
                " GROUP BY _length, _head, _run) AS found WHERE numbers >= %s ORDER BY low LIMIT 1",
                [*params, count],
            )
            found = cursor.fetchone()
        if not found:
            return None
        low = found[0]
        return low, str(int(low) + count - 1).zfill(len(low))

    def with_last_holder(self):
        """Annotates ``left_at``: when the last client left the number, None where none did; ``last_account``.

        For the rows of a page or a pick; reads their history by its index.
        """
        past = DIDHistory.objects.filter(object_id=OuterRef("pk"))
        held = past.filter(account_id__isnull=False).order_by("-history_id")
        found = self.annotate(
            _last_held=Subquery(held.values("history_id")[:1]),
            last_account=Subquery(held.values("account_id")[:1]),
        )
        free = DIDHistory.objects.filter(object_id=OuterRef("pk"), history_id__gt=OuterRef("_last_held"))
        return found.annotate(left_at=Subquery(free.order_by("history_id").values("at")[:1]))

    def lately_left(self, days, client, now=None):
        """Those that another client than ``client`` left less than ``days`` days ago. As with_last_holder."""
        since = (now or timezone.now()) - timedelta(days=days)
        own = Account.objects.filter(client=client).values("pk")
        return self.with_last_holder().filter(~Q(last_account__in=own), left_at__gt=since)

    # --- writes

    def create_numbers(
        self,
        numbers,
        *,
        operator,
        by,
        status=st.INSTOCK,
        after_hold=st.INSTOCK,
        hold_days=None,
        tags=(),
        notes="",
        now=None,
    ):
        """Make ``numbers`` (an iterable of digit strings, normalised, any length); exactly once each.

        Those that exist already are left alone and counted as refused, so that repeating is
        harmless. Sorted input keeps two writers of the same range from deadlocking: pass it sorted.
        """
        if status not in st.FREE:
            raise ValueError(f"a new number can't be {status}")
        result = Result()
        with audit.change(Change.Kind.CREATE, by=by, label="New DIDs", at=now) as change:
            row = {
                "operator_id": operator.pk,
                "status": status,
                "after_hold": after_hold,
                "hold_days": hold_days,
                "tag_set_id": getattr(TagSet.of(tags), "pk", None),
                "notes": notes,
            }
            for chunk in _chunks(numbers):
                newest = DID.objects.aggregate(newest=Coalesce(models.Max("pk"), 0))["newest"]
                made = _insert_numbers(chunk, row)
                result.done += made
                if made < len(chunk):
                    there = DID.objects.filter(number__in=chunk, pk__lte=newest).order_by("number")
                    result.refuse(
                        "exists",
                        EXIST,
                        len(chunk) - made,
                        there.values_list("number", flat=True)[:SAMPLE],
                    )
            change.touched += result.done
        return result

    def rehearse_create(self, numbers, sample=SAMPLE):
        """The Result that ``create_numbers`` would have now, naming up to ``sample`` of those that exist.

        One query for each ``CHUNK``.
        """
        result = Result()
        for chunk in _chunks(numbers):
            there = list(
                DID.objects.filter(number__in=chunk).order_by("number").values_list("number", flat=True)
            )
            result.done += len(chunk) - len(there)
            if there:
                result.refuse("exists", EXIST, len(there), there, sample)
        return result

    def edit(self, *, by, now=None, kind=Change.Kind.EDIT, label="", **fields):
        """Change fields of every number here: ``status``, ``after_hold``, ``hold_days`` (None: by the
        package, operator or reseller), ``tags`` (replaces), ``add_tags``, ``remove_tags``, ``notes``.

        A field not given is left alone. A number whose move is refused is left alone as a whole.
        ``version`` (see ``with_version``) refuses a number that was written to since, as "changed".
        Changed hold days move the end of a running Hold, counted from its start.
        """
        return self._write(
            kind, lambda scope, now: _edit_plan(scope, by, now, **fields), by=by, label=label, now=now
        )

    def rehearse_edit(self, *, by, now=None, **fields):
        """The Result that ``edit`` would have now; writes nothing. Two or three queries."""
        now = now or timezone.now()
        return self._rehearse(_edit_plan(self, by, now, **fields), now)

    def assign(self, client_package, account, *, by, now=None):
        """Give In Stock numbers to ``account`` by ``client_package``; Hold ones return to their client.

        As many as the package has places, in the order of ids. The client package is locked first:
        two people who take its last place wait for one another.
        """
        label = f"Assigned to {account} by {client_package}"
        with audit.change(Change.Kind.ASSIGN, by=by, label=label, at=now):
            locked, room = _lock_places(client_package)
            return self._write(
                Change.Kind.ASSIGN,
                lambda scope, now: _assign_plan(locked, account, by, now),
                by=by,
                now=now,
                room=room,
            )

    def rehearse_assign(self, client_package, account, *, by, now=None):
        """The Result that ``assign`` would have now, places counted; writes nothing. Some five queries."""
        now = now or timezone.now()
        plan = _assign_plan(client_package, account, by, now)
        result = self._rehearse(plan, now)
        free, why = _room(client_package)
        if result.done > free:
            judged = self.order_by("pk").with_status_now(now).annotate(verdict=plan.verdict())
            rest = judged.filter(verdict=_Plan.GO).values_list("number", flat=True)[free : free + SAMPLE]
            result.refuse("full", why, result.done - free, list(rest))
            result.done = free
        return result

    def activate(self, *, by, now=None):
        """Blocked to Active, and Hold back to the client it rests after, each with its own account.

        As many of those on Hold as their running packages have places, in the order of ids. Costs the
        queries of a write for each client package among those on Hold.
        """
        resting = {}
        for pk, client_package in self.filter(status=st.HOLD).values_list("pk", "client_package"):
            resting.setdefault(client_package, []).append(pk)
        kind = Change.Kind.ASSIGN if resting else Change.Kind.UNBLOCK
        with audit.change(kind, by=by, label="Activated", at=now):
            every = [pk for pks in resting.values() for pk in pks]
            result = self.exclude(pk__among=every).unblock(by=by, now=now)
            for client_package in ClientPackage.objects.filter(pk__in=resting).order_by("pk"):
                locked, room = _lock_places(client_package)
                dids = DID.objects.filter(pk__among=resting[client_package.pk])
                result.add(
                    dids._write(
                        Change.Kind.ASSIGN,
                        lambda scope, now, locked=locked: _resume_plan(by, locked, now),
                        by=by,
                        now=now,
                        room=room,
                    )
                )
        return result

    def resume(self, client_package, *, by, now=None):
        """Take numbers of ``client_package`` back from Hold to Active, each with its own account.

        The longest resting first, as many as the package has places; the others are refused as "full".
        """
        moment = now or timezone.now()
        with audit.change(Change.Kind.ASSIGN, by=by, label=f"Given back by {client_package}", at=now):
            locked, (free, why) = _lock_places(client_package)
            resting = self.filter(client_package=locked, status=st.HOLD, hold_until__gt=moment)
            ids = list(resting.order_by("hold_from", "pk").values_list("pk", flat=True)[:free])
            fitting = DID.objects.filter(pk__among=ids)
            result = fitting._write(
                Change.Kind.ASSIGN, lambda _, now: _resume_plan(by, locked, now), by=by, now=now
            )
            if left := resting.count():  # those that fitted rest no more
                first = resting.order_by("hold_from", "pk").values_list("number", flat=True)[:SAMPLE]
                result.refuse("full", why, left, list(first))
            return result

    def block(self, *, by, now=None):
        """Active to Blocked."""
        return self.edit(by=by, now=now, kind=Change.Kind.BLOCK, label="Blocked", status=st.BLOCKED)

    def unblock(self, *, by, now=None):
        """Blocked to Active, while the client package is active; a number on Hold stays there."""
        return self.edit(by=by, now=now, kind=Change.Kind.UNBLOCK, label="Unblocked", status=st.ACTIVE)

    def hold(self, *, by, now=None):
        """Active and Blocked to Hold until ``now`` + hold days; with 0 days straight to After Hold."""
        return self.edit(by=by, now=now, kind=Change.Kind.HOLD, label="Put on hold", status=st.HOLD)

    def rehearse_hold(self, now=None):
        """The ``Rest`` that ``hold`` would give the Active and Blocked ones here; two queries.

        Also of those that the system puts on Hold because their package stops.
        """
        now = now or timezone.now()
        held = self.filter(status__in=st.IN_PLACE).order_by().with_hold_days()
        counts = held.values_list("hold_days_now", "after_hold").annotate(Count("pk"))
        groups = [RestGroup(days, _rest_until(now, days), *found) for days, *found in sorted(counts)]
        first = list(held.order_by("number").select_related("account")[:RESTS_NAMED])
        for did in first:
            did.rest_until = _rest_until(now, did.hold_days_now)
        return Rest(groups, first)

    def record_hold_days(self, thing, *, by, fields):
        """Write ``fields`` of ``thing``, which has hold days; changed ones move the ends of Holds here.

        In one change. Returns (whether ``thing`` is there still, how many ends moved).
        """
        label = f"{thing._meta.verbose_name.capitalize()} {thing} edited"
        with audit.change(thing.kinds[1], by=by, label=label):
            found = thing.record(by=by, fields=fields)
            moved = self.rest_anew(by=audit.SYSTEM).done if "hold_days" in fields else 0
        return found, moved

    def rest_anew(self, *, by, now=None):
        """Move the ends of the Holds here that go by the days of their package, operator or reseller.

        After these days were changed; counted from the start of each Hold.
        """
        resting = self.filter(status=st.HOLD, hold_days__isnull=True)
        label = "Hold days changed"
        return resting._write(
            Change.Kind.EDIT, lambda scope, _: _rest_plan(scope), by=by, label=label, now=now
        )

    def end_hold(self, *, by, now=None):
        """Hold to each number's After Hold status, whether its time has come or not."""
        return self._write(
            Change.Kind.END_HOLD,
            lambda *_: _end_hold_plan(by),
            by=by,
            label="Hold ended",
            now=now,
            release=False,
        )

    def delete_unused(self, *, by, now=None):
        """Delete Reserved, In Stock and Archive numbers; their history stays readable."""
        return self._write(
            Change.Kind.DELETE, lambda *_: _delete_plan(by), by=by, label="Deleted", now=now, delete=True
        )

    def rehearse_delete(self, *, by, now=None):
        """The Result that ``delete_unused`` would have now; writes nothing."""
        return self._rehearse(_delete_plan(by), now or timezone.now())

    def merge_staged(self, first, last, *, by, defaults, clear_notes, label="", now, resume=None):
        """Write the staged rows of an import from ``first`` to ``last`` that have the verdicts + and ~.

        They were judged just now, in this transaction, and their numbers are locked; the legal moves
        are asked for once more by the UPDATE. ``defaults``: status, after_hold, tags (a label) and
        notes of new numbers where the file says nothing. ``clear_notes``: blank notes empty those of a
        number that exists. ``resume``: the change that earlier chunks belong to. Returns (made,
        updated, change); made are fewer than staged where somebody else made a number meanwhile.
        """
        with audit.change(Change.Kind.IMPORT, by=by, label=label, resume=resume) as change:
            batch = ImportBatch(pk=first // SPAN)
            changes = ImportRow.objects.filter(pk__range=(first, last), verdict="~")
            _stage_holds(batch.groups, now)
            made, updated = _merge_new(first, last, defaults), 0
            if changes.exists():
                _stage_holds(changes, now)
                updated = _merge_changes(first, last, clear_notes)
            change.touched += made + updated
        return made, updated, change

    def _write(self, kind, plan_for, *, by, now, label="", delete=False, release=True, room=None):
        """Judge and write every number here, chunk by chunk, in one change.

        ``plan_for(scope, moment)`` makes the plan for the locked rows of a chunk. ``release``: end
        the overdue holds among them first. ``room``: (how many may be done, why the rest is refused).
        ``now``: the moment it happens at, also in history; None: the clock, read when the rows of a
        chunk are locked.
        """
        result = Result()
        with audit.change(kind, by=by, label=label, at=now) as change:
            for ids in self._locked_chunks(for_delete=delete):
                scope, moment = DID.objects.filter(pk__among=ids), now or timezone.now()
                if release:
                    scope.release_overdue(moment, at=now)
                plan = plan_for(scope, moment)
                # Those that were over are released: the stored status is the one that counts.
                judged = scope.annotate(status_now=F("status"), verdict=plan.verdict())
                go = _count(judged, plan, result)
                todo = judged.filter(verdict=_Plan.GO)
                if room and go > room[0] - result.done:
                    todo, go = _only_as_many_as_fit(todo, go, room, result)
                if go == len(ids):
                    todo = scope  # they are locked and judged: no need to ask again
                if go and delete:
                    todo.delete()
                elif go:
                    todo.update(**plan.updates())
                result.done += go
                change.touched += go
        result.change = change.pk
        return result

    def _rehearse(self, plan, now):
        result = Result()
        judged = self.order_by().with_status_now(now).annotate(verdict=plan.verdict())
        result.done = _count(judged, plan, result)
        return result

    def _locked_chunks(self, *, for_delete):
        """Arrays of ids, each locked to the end of the transaction, ascending.

        They are found first and locked then, so that a number which somebody else moved in between
        is judged by what it is now and refused with its cause, instead of dropping out unseen.
        """
        every = self.order_by("pk").values_list("pk", flat=True).distinct()
        found = array("q", every[:CHUNK])
        if len(found) == CHUNK:
            # All at once, in 8 bytes each: to ask for each chunk would sort what is left every time.
            found.extend(every.filter(pk__gt=found[-1]).iterator(chunk_size=CHUNK))
        for start in range(0, len(found), CHUNK):
            ids = found[start : start + CHUNK]
            if connection.features.has_select_for_update:
                locked = (
                    DID.objects.filter(pk__among=ids).order_by("pk").select_for_update(no_key=not for_delete)
                )
                ids = array("q", locked.values_list("pk", flat=True))
            yield ids

    def release_overdue(self, now, at=None):
        """Write the holds among these that are over, as a change of the system's own.

        ``at``: the moment its history bears; None: the clock.
        """
        overdue = self.hold_over(now)
        # Asked of the whole inventory first: one probe of the small index instead of one an id.
        if DID.objects.any_hold_over(now) and overdue.exists():
            with audit.change(
                Change.Kind.END_HOLD, by=audit.SYSTEM, label="Hold over", at=at, apart=True
            ) as change:
                change.touched += overdue.update(**_END_OF_HOLD)


RESTS_NAMED = 100  # numbers that a rehearsal of holds names


@dataclass(frozen=True)
class RestGroup:
    """``count`` numbers that rest ``days`` until a moment and become ``after_hold`` then; 0 days: at once."""

    days: int
    until: datetime | None
    after_hold: str
    count: int

    @property
    def label(self):
        return st.LABELS[self.after_hold]


@dataclass(frozen=True)
class Rest:
    """What numbers would do on Hold: ``groups`` of all, and the ``first`` of them with ``rest_until``."""

    groups: list[RestGroup]
    first: list[DID]

    @property
    def count(self):
        return sum(group.count for group in self.groups)


def _rest_until(now, days):
    return now + timedelta(days=days) if days else None


UNREACHABLE = {
    st.RESERVED: "it is Reserved, not in use",
    st.INSTOCK: "it is In Stock, no client has it",
    st.BLOCKED: "it is Blocked",
    st.HOLD: "it rests on Hold",
    st.ARCHIVE: "it is archived",
}


@dataclass(frozen=True)
class Routing:
    """``account`` is where calls go; None with the ``reason``, a clause, where they go nowhere."""

    account: Account | None
    reason: str = ""

    @property
    def is_reachable(self):
        return self.account is not None


class DID(models.Model):
    """One telephone number. Its reseller is its operator's; see ``dids.lifecycle.statuses`` for its life.

    ``hold_from`` and ``hold_until`` are set on Hold alone; account and client package are set on
    Active, Blocked and Hold alone. The database checks both.
    """

    id = models.BigAutoField(primary_key=True)
    # Unique by a constraint rather than by the field: PostgreSQL would add a second, pattern index.
    number = models.CharField("DID", max_length=NUMBER_MAX)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="dids", db_index=False)
    status = models.CharField(max_length=10, choices=st.CHOICES, default=st.INSTOCK)
    after_hold = models.CharField(max_length=10, choices=st.FREE_CHOICES, default=st.INSTOCK)
    hold_days = HoldDaysField()
    hold_from = models.DateTimeField(null=True, blank=True)
    hold_until = models.DateTimeField(null=True, blank=True)
    tag_set = models.ForeignKey(
        TagSet, null=True, blank=True, on_delete=models.PROTECT, related_name="dids", db_index=False
    )
    notes = models.CharField(max_length=500, blank=True, default="")
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="dids", db_index=False
    )
    client_package = models.ForeignKey(
        ClientPackage, null=True, blank=True, on_delete=models.PROTECT, related_name="dids", db_index=False
    )

    objects = DIDQuerySet.as_manager()

    class Meta:
        verbose_name = "DID"
        verbose_name_plural = "DIDs"
        permissions = [
            ("import_did", "Can import DIDs"),
            ("export_did", "Can export DIDs"),
            ("assign_did", "Can assign DIDs to clients"),
            ("block_did", "Can block and unblock DIDs"),
            ("hold_did", "Can put DIDs on hold"),
            ("end_hold_did", "Can end a hold"),
            ("restore_did", "Can restore DIDs from the archive"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="did_number"),
            models.CheckConstraint(condition=DigitsOnly("number"), name="did_number_digits"),
            models.CheckConstraint(condition=Q(status__in=list(st.LABELS)), name="did_status_known"),
            models.CheckConstraint(condition=Q(after_hold__in=st.FREE), name="did_after_hold_free"),
            models.CheckConstraint(
                condition=Q(status=st.HOLD, hold_from__isnull=False, hold_until__isnull=False)
                | (~Q(status=st.HOLD) & Q(hold_from__isnull=True, hold_until__isnull=True)),
                name="did_hold_until_on_hold",
            ),
            models.CheckConstraint(
                condition=Q(status__in=st.HELD, account__isnull=False, client_package__isnull=False)
                | Q(status__in=st.FREE, account__isnull=True, client_package__isnull=True),
                name="did_holder_when_held",
            ),
            hold_days_in_range("did_hold_days"),
        ]
        indexes = [
            # filter by operator or reseller, with or without status, sorted by number
            models.Index(fields=["operator", "status", "number"], name="did_operator_status"),
            # filter by status, sorted by number; sorted by status
            models.Index(fields=["status", "number"], name="did_status_number"),
            # filter by tag, sorted by number; sorted by tag
            models.Index(
                fields=["tag_set", "number"], name="did_tag_set", condition=Q(tag_set__isnull=False)
            ),
            # the same with a status
            models.Index(
                fields=["tag_set", "status", "number"],
                name="did_tag_status",
                condition=Q(tag_set__isnull=False),
            ),
            # filter by client, with or without status, sorted by number; sorted by client;
            # is an account used?
            models.Index(
                fields=["account", "status", "number"],
                name="did_account_status",
                condition=Q(account__isnull=False),
            ),
            # sorted by notes
            models.Index(fields=["notes", "number"], name="did_notes", condition=Q(notes__gt="")),
            # the numbers without tags and without notes, which come last when sorted by these
            # (SQLite reads these indexes alone when they hold the condition's column too)
            models.Index(
                fields=["number", "tag_set"], name="did_untagged", condition=Q(tag_set__isnull=True)
            ),
            models.Index(fields=["number", "notes"], name="did_unnoted", condition=Q(notes="")),
            # places taken, and the numbers of a package that ends
            models.Index(
                fields=["client_package", "status"],
                name="did_client_package",
                condition=Q(client_package__isnull=False),
            ),
            # what is due, and the probe for overdue holds
            models.Index(fields=["hold_until"], name="did_hold_due", condition=Q(hold_until__isnull=False)),
        ]

    def __str__(self):
        return self.number

    @cached_property
    def status_now(self):
        """The status at this moment, an overdue Hold being over; annotated by ``with_status_now``."""
        over = self.status == st.HOLD and self.hold_until <= timezone.now()
        return self.after_hold if over else self.status

    @property
    def status_label(self):
        return st.LABELS[self.status_now]

    def routing(self, now=None):
        """Where a call to it goes at ``now``: a ``Routing``. Costs no query for DIDs of ``for_page``.

        Only an Active one whose client package runs is reachable: a switch that asks before the worker has
        come by must not be sent to a client whose package has ended.
        """
        now = now or timezone.now()
        status = self.after_hold if self.status == st.HOLD and self.hold_until <= now else self.status
        if status != st.ACTIVE:
            return Routing(None, UNREACHABLE[status])
        if not self.client_package.is_running(now):
            return Routing(None, f"package {self.client_package} is not active any more")
        return Routing(self.account)

    @property
    def after_hold_label(self):
        return st.LABELS[self.after_hold]

    @property
    def holder(self):
        """The account that the number is shown with, or None; of a Hold the last one."""
        return self.account if self.status_now in st.HELD else None

    @property
    def client_name(self):
        """Of whom it is shown with, "" for nobody; for DIDs of ``for_table``, as is ``account_name``."""
        return self.last_client if self.status_now in st.HELD else ""

    @property
    def account_name(self):
        return self.last_account if self.status_now in st.HELD else ""

    @property
    def days_left(self):
        """Days of Hold left, begun ones counted; None when it is not resting."""
        if self.status_now != st.HOLD:
            return None
        return -((timezone.now() - self.hold_until) // timedelta(days=1))


class StockQuerySet(models.QuerySet):
    def of(self, operators, tag_sets):
        """Of these ``operators`` (a queryset or list) and ``tag_sets`` (keys); None for any, tags or none."""
        stock = self if operators is None else self.filter(operator__in=operators)
        return stock if tag_sets is None else stock.filter(tag_set__in=tag_sets)

    def by_status(self, operators=None, now=None, *, tag_sets=None, overdue=None):
        """{status: count} of the inventory at ``now``, see ``of``.

        Exact, overdue holds counted as over; two queries whose cost does not grow with the inventory.
        ``overdue``: False when it is known that there are none, which spares one.
        """
        over = DID.objects.hold_over(now or timezone.now())
        if operators is not None:
            over = over.filter(operator__in=operators)
        if tag_sets is not None:
            over = over.filter(tag_set__in=tag_sets)
        counts = dict.fromkeys(st.LABELS, 0)
        stock = self.of(operators, tag_sets).order_by()
        counts.update(stock.values_list("status").annotate(Sum("numbers")))
        return counts if overdue is False else _holds_over(counts, over)


class Stock(models.Model):
    """How many numbers of an operator have a status and a tag set (None: no tags), as the sum over rows.

    Written by triggers alone. On PostgreSQL each statement adds rows of differences, which never wait for
    one another; ``dids.models.counters.compact`` sums them up from time to time.
    """

    id = models.BigAutoField(primary_key=True)
    operator = models.ForeignKey(
        Operator, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="stock"
    )
    status = models.CharField(max_length=10, choices=st.CHOICES)
    tag_set = models.ForeignKey(
        TagSet,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="stock",
    )
    numbers = models.BigIntegerField()

    objects = StockQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["operator", "status", "tag_set"], name="stock_key")]

    def __str__(self):
        return f"{self.operator_id} {self.status}: {self.numbers}"


ClientPackageHistory = history.track(ClientPackage)
# Beside what every history has: what the inventory as of a moment is read by, see dids.lists.as_of.
DIDHistory = history.track(
    DID,
    [
        # A deleted number is found by its digits in these few rows.
        models.Index(fields=["number"], name="did_past_deleted", condition=Q(event="-")),
        # what an operator had, sorted by number
        models.Index(fields=["operator_id", "number"], name="did_past_operator"),
        # what an account had
        models.Index(
            fields=["account_id", "number"], name="did_past_account", condition=Q(account_id__isnull=False)
        ),
        # what was in a status that few numbers are in; those of others are met soon anyway
        # (IN would have SQLite make a table of the statuses for each row that a trigger writes)
        models.Index(
            fields=["status", "number"],
            name="did_past_status",
            condition=reduce(Q.__or__, (Q(status=status) for status in st.RARE)),
        ),
        # what bore a tag
        models.Index(
            fields=["tag_set_id", "number"], name="did_past_tag_set", condition=Q(tag_set_id__isnull=False)
        ),
    ],
)


# --- expressions and plans -------------------------------------------------------------------------

_END_OF_HOLD = {
    "status": F("after_hold"),
    "account": None,
    "client_package": None,
    "hold_from": None,
    "hold_until": None,
}


def _status_now(now):
    over = Q(status=st.HOLD, hold_until__lte=now)
    return Case(When(over, then=F("after_hold")), default=F("status"), output_field=models.CharField())


def _holds_over(counts, overdue):
    """``counts`` by stored status, with the ``overdue`` holds counted as what they have become."""
    for after_hold, count in overdue.order_by().values_list("after_hold").annotate(Count("pk")):
        counts[st.HOLD] -= count
        counts[after_hold] += count
    return counts


def _move_refusals(target, by, *, through=None):
    """(code, Q, why) of every status that can't go to ``target``, or may not for want of a right.

    ``through``: the sources that the calling method serves; None: those that an edit serves.
    """
    for source in st.LABELS:
        move = st.MOVES.get((source, target))
        served = move and (source in through if through else move.edit)
        if source == target and not served:
            continue
        if not served:
            yield f"{source}>{target}", Q(status_now=source), st.why_not(source, target)
        elif not by.has_perm(f"dids.{move.right}"):
            yield f"{source}>{target}:right", Q(status_now=source), st.lacks_right(move.right)


def _hold_days(own):
    """The number's hold days, else its package's, operator's, reseller's, else the setting's."""

    def of(model, ref, field):
        return Subquery(model.objects.filter(pk=OuterRef(ref)).values(field)[:1])

    return Coalesce(
        own,
        of(ClientPackage, "client_package", "package__hold_days"),
        of(Operator, "operator", "hold_days"),
        of(Operator, "operator", "reseller__hold_days"),
        Value(settings.HOLD_DAYS),
        output_field=models.IntegerField(),
    )


def _days_among(rows, own=UNSET):
    """The different hold days of ``rows``, as ``_hold_days`` gives them; ``own``: as if all had these.

    Numbers that rest by the same rule are many, rules few: the database finds the different rules, and
    the days of each are looked up once instead of row by row.
    """
    rules = rows.order_by().values_list("hold_days", "client_package", "operator").distinct()
    rules = [(days if own is UNSET else own, *by) for days, *by in rules]
    packages = _looked_up(ClientPackage, {package for _, package, _ in rules}, "package__hold_days")
    operators = _looked_up(Operator, {operator for *_, operator in rules}, "hold_days")
    resellers = _looked_up(Operator, {operator for *_, operator in rules}, "reseller__hold_days")
    found = set()
    for days, package, operator in rules:
        steps = (days, packages.get(package), operators.get(operator), resellers.get(operator))
        found.add(next((one for one in steps if one is not None), settings.HOLD_DAYS))
    return sorted(found)


def _looked_up(model, keys, field):
    """{key: ``field``} of the rows with ``keys``."""
    return dict(model.objects.filter(pk__in=keys - {None}).values_list("pk", field))


def _end_of(start, days, found):
    """``start`` (a moment or an expression) + ``days`` (an expression) as a moment.

    ``found``: the numbers of days that occur. Where all rest alike, as mostly in a package that ends, the
    days are not asked for again row by row; from a moment on, the end is not counted row by row either.
    """

    def after(d):
        if isinstance(start, datetime):
            return Value(start + timedelta(days=d), output_field=models.DateTimeField())
        return ExpressionWrapper(start + Value(timedelta(days=d)), models.DateTimeField())

    if len(found) == 1:
        return after(found[0])
    whens = [When(Exact(days, d), then=after(d)) for d in found]
    return Case(*whens, default=start, output_field=models.DateTimeField())


def _edit_plan(
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
):
    plain = {"after_hold": after_hold, "hold_days": hold_days, "notes": notes}
    plain = {name: value for name, value in plain.items() if value is not UNSET}
    same = [
        Q(**{name: value}) if value is not None else Q(**{f"{name}__isnull": True})
        for name, value in plain.items()
    ]
    new_labels = {}
    if tags is not UNSET or add_tags or remove_tags:
        new_labels = _new_labels(scope, tags, add_tags, remove_tags)
        same.append(~_bears(new_labels))
    refusals = []
    if version is not None:
        refusals.append(("changed", written_since(version), "changed by somebody else in the meantime"))
    if (plain or new_labels) and not by.has_perm("dids.change_did"):
        refusals.append(("right", Q(pk__gt=0), st.lacks_right("change_did")))
    if status is not UNSET:
        same.append(Q(status_now=status))
        refusals += _move_refusals(status, by)
    if status == st.ACTIVE:
        off = Q(status_now=st.BLOCKED) & ~Q(client_package__in=ClientPackage.objects.running(now))
        refusals.append(("package off", off, "the client package is not active; activate it first"))

    def updates():
        written = plain | _status_updates(scope, now, status, after_hold, hold_days)
        return written | {"tag_set": _tag_set_update(new_labels)} if new_labels else written

    return _Plan(refusals=refusals, unchanged=reduce(Q.__and__, same, Q(pk__gt=0)), updates=updates)


def written_since(version, number="pk"):
    """Numbers with a later history row; a hold that was over by itself does not count.

    ``number``: the field with the number's key, where rows of another table are asked.
    """
    later = DIDHistory.objects.filter(object_id=OuterRef(number), history_id__gt=version)
    by_itself = Q(change__kind=Change.Kind.END_HOLD, change__actor_kind=Change.Actor.SYSTEM)
    return Q(models.Exists(later.exclude(by_itself)))


def _status_updates(scope, now, status, after_hold, hold_days):
    """What a change of status, of hold days or of both sets beside the plain fields."""
    if status in st.FREE:
        return _END_OF_HOLD | {"status": status}
    if status in st.IN_PLACE:
        return {"status": status, "hold_from": None, "hold_until": None}
    if status is UNSET and hold_days is UNSET:
        return {}
    days = _hold_days(
        F("hold_days") if hold_days is UNSET else Value(hold_days, output_field=models.IntegerField())
    )
    found = _days_among(scope, hold_days)
    goes_on = When(status=st.HOLD, then=_end_of(F("hold_from"), days, found))
    if status is UNSET:
        return {"hold_until": Case(goes_on, default=None)}
    held = {
        "status": Value(st.HOLD),
        "hold_from": Case(
            When(status=st.HOLD, then=F("hold_from")), default=now, output_field=models.DateTimeField()
        ),
        "hold_until": Case(goes_on, default=_end_of(now, days, found)),
    }
    if 0 not in found:
        return held
    # No days of rest: straight to After Hold, in the same write.
    straight = ~Q(status=st.HOLD) & Q(Exact(days, 0))
    freed = _END_OF_HOLD | {"status": F("after_hold") if after_hold is UNSET else Value(after_hold)}
    kept = {"account": F("account"), "client_package": F("client_package")} | held
    return {name: Case(When(straight, then=freed[name]), default=kept[name]) for name in freed}


def _assign_plan(client_package, account, by, now):
    client, package = client_package.client, client_package.package
    everyone = Q(pk__gt=0)
    refusals = []
    if account.client_id != client.pk:
        refusals.append(
            ("account", everyone, f"account {account} is not one of {client}; choose an account of {client}")
        )
    if client.closed_at:
        refusals.append(("closed", everyone, f"client {client} is closed"))
    if not client_package.is_running(now):
        refusals.append(
            ("package off", everyone, f"package {client_package} is not active; activate it first")
        )
    refusals.append(("blocked", Q(status_now=st.BLOCKED), "Blocked and in use already; unblock instead"))
    refusals += _move_refusals(st.ACTIVE, by, through=(st.INSTOCK, st.HOLD))
    refusals += [
        ("active", Q(status_now=st.ACTIVE), "Active and in use already; put on Hold first"),
        (
            "reseller",
            ~Q(operator__in=Operator.objects.filter(reseller=package.reseller_id)),
            f"of another reseller's operator than package {package}; pick numbers of {package.reseller}",
        ),
        (
            "client",
            Q(status_now=st.HOLD) & ~Q(account__in=Account.objects.filter(client=client)),
            f"on Hold after another client than {client}; end the hold first",
        ),
    ]
    allowed = split_tags(package.allowed_tags)
    if allowed:
        unfit = Q(tag_set__isnull=True) | ~Q(tag_set__in=TagSet.objects.filter(tags__name__in=allowed))
        why = f"without a tag that package {package} allows ({package.allowed_tags}); tag them first"
        refusals.append(("tags", unfit, why))
    updates = {
        "status": st.ACTIVE,
        "account": account,
        "client_package": client_package,
        "hold_from": None,
        "hold_until": None,
    }
    return _Plan(
        refusals=refusals,
        unchanged=Q(status_now=st.ACTIVE, account=account, client_package=client_package),
        updates=lambda: updates,
    )


def _head_of_number():
    """All of the number but its last nine digits."""
    return Left("number", Greatest(Length("number") - 9, 0))


def _lock_places(client_package):
    """(the locked client package, (free places, why no more fit))."""
    locked = (
        ClientPackage.objects.select_for_update(no_key=True, of=("self",))
        .select_related("package", "client")
        .get(pk=client_package.pk)
    )
    return locked, _room(locked)


def _room(client_package):
    """(free places, why no more fit)."""
    places = counted(client_package.package.did_limit, "place")
    why = (
        f"package {client_package} has {places} and no free one is left;"
        " raise its DID limit or put numbers on Hold"
    )
    return client_package.free_places(), why


def _resume_plan(by, client_package, now):
    refusals = []
    if not client_package.is_running(now):
        off = f"package {client_package} is not active; activate it first"
        refusals.append(("package off", Q(status_now=st.HOLD), off))
    refusals += _move_refusals(st.ACTIVE, by, through=(st.HOLD,))
    refusals += [
        ("active", Q(status_now=st.ACTIVE), "Active already"),
        ("other", ~Q(client_package=client_package), "resting after another package meanwhile; look again"),
    ]
    return _Plan(
        refusals=refusals,
        updates=lambda: {"status": st.ACTIVE, "hold_from": None, "hold_until": None},
    )


def _rest_plan(scope):
    days = _hold_days(F("hold_days"))
    until = _end_of(F("hold_from"), days, _days_among(scope))
    over = ("over", ~Q(status_now=st.HOLD), "not on Hold any more")
    return _Plan(
        refusals=[over], unchanged=Q(Exact(F("hold_until"), until)), updates=lambda: {"hold_until": until}
    )


def _end_hold_plan(by):
    refusals = [
        (source, Q(status=source), f"{st.LABELS[source]}, not on Hold")
        for source in st.LABELS
        if source != st.HOLD
    ]
    right = st.MOVES[st.HOLD, st.INSTOCK].right
    if not by.has_perm(f"dids.{right}"):
        refusals.append(("right", Q(status=st.HOLD), st.lacks_right(right)))
    return _Plan(refusals=refusals, updates=lambda: _END_OF_HOLD)


def _delete_plan(by):
    return _Plan(refusals=_move_refusals(st.DELETED, by))


def _count(judged, plan, result):
    """Count the verdicts into ``result``, with the first numbers of each refusal; returns how many may go."""
    counts = dict(judged.order_by().values_list("verdict").annotate(Count("pk")))
    result.unchanged += counts.pop(_Plan.SAME, 0)
    go = counts.pop(_Plan.GO, 0)
    why = {code: text for code, _, text in plan.refusals}
    for code, count in counts.items():
        known = result.refusals.get(code)
        wanted = SAMPLE - len(known.numbers) if known else SAMPLE
        sample = (
            judged.filter(verdict=code).order_by("number").values_list("number", flat=True)[:wanted]
            if wanted
            else ()
        )
        result.refuse(code, why[code], count, sample)
    return go


def _only_as_many_as_fit(todo, go, room, result):
    """The first of ``todo`` for which there is room, and how many; the rest is refused as "full"."""
    free, why = room
    left = max(0, free - result.done)
    ids = list(todo.order_by("pk").values_list("pk", flat=True)[:left])
    rest = todo.exclude(pk__among=ids).order_by("pk").values_list("number", flat=True)[:SAMPLE]
    result.refuse("full", why, go - len(ids), list(rest))
    return DID.objects.filter(pk__among=ids), len(ids)


def _new_labels(scope, tags, add_tags, remove_tags):
    """{tag set id or None: its new label} of the sets in ``scope`` that change; distinct sets are few."""
    labels = scope.order_by().values_list("tag_set_id", "tag_set__label").distinct()
    new = {}
    for pk, label in labels:
        if tags is UNSET:
            after = tag_label((set(split_tags(label)) | set(add_tags)) - set(remove_tags))
        else:
            after = tag_label(tags)
        if after != (label or ""):
            new[pk] = after
    return new


def _bears(tag_sets):
    """Numbers whose tag set is one of these ids; None among them means those without tags."""
    some = Q(tag_set__in=[pk for pk in tag_sets if pk is not None])
    return some | Q(tag_set__isnull=True) if None in tag_sets else some


def _tag_set_update(new_labels):
    made = {label: getattr(TagSet.of([label]), "pk", None) for label in set(new_labels.values())}
    whens = [
        When(Q(tag_set__isnull=True) if pk is None else Q(tag_set=pk), then=Value(made[label]))
        for pk, label in new_labels.items()
    ]
    return Case(*whens, default=F("tag_set"), output_field=models.BigIntegerField())


def _chunks(numbers):
    numbers = iter(numbers)
    while chunk := sorted(islice(numbers, CHUNK)):
        yield chunk


def _stage_holds(staged, now):
    """Say of the ``staged`` rows (or groups) that go on Hold from when until when it lasts.

    A Hold under way goes on from its start. None in ``hold_until`` stays for a Hold of no days.
    """
    resting = staged.filter(status=st.HOLD, hold_until=None)
    days = _hold_days(F("hold_days"))
    found = _days_among(resting)
    if not found:
        return
    none = Q(Exact(days, 0), hold_from=None)
    goes_on = When(hold_from__isnull=False, then=_end_of(F("hold_from"), days, found))
    resting.update(
        hold_until=Case(When(none, then=None), goes_on, default=_end_of(now, days, found)),
        hold_from=Coalesce(F("hold_from"), now, output_field=models.DateTimeField()),
    )


_HOLDER = ("account_id", "client_package_id", "hold_from", "hold_until")


def _rests_not(staged):
    """Whether a staged Hold is one of no days, which is After Hold at once; as SQL."""
    return f"({staged}.status = '{st.HOLD}' AND {staged}.hold_until IS NULL)"


def _merge_new(first, last, defaults):
    """INSERT … SELECT of the staged rows with new numbers; returns how many were made."""
    over = _rests_not("g")
    holder = ", ".join(f"CASE WHEN NOT {over} THEN g.{name} END" for name in _HOLDER)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dids_did"
            f" (number, operator_id, status, after_hold, hold_days, tag_set_id, notes, {', '.join(_HOLDER)})"
            f" SELECT r.number, g.operator_id, CASE WHEN {over}"
            " THEN coalesce(g.after_hold, %(after_hold)s) ELSE coalesce(g.status, %(status)s) END,"
            " coalesce(g.after_hold, %(after_hold)s), g.hold_days, coalesce(g.tag_set_id, %(tag_set)s),"
            f" CASE WHEN r.notes = '' THEN %(notes)s ELSE r.notes END, {holder}"
            " FROM dids_importrow r JOIN dids_importgroup g ON g.id = r.group_id"
            " WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+'"
            " ORDER BY r.number ON CONFLICT (number) DO NOTHING",
            {
                **defaults,
                "tag_set": getattr(TagSet.of([defaults["tags"]]), "pk", None),
                "first": first,
                "last": last,
            },
        )
        return cursor.rowcount


def _merge_changes(first, last, clear_notes):
    """UPDATE … FROM the staged rows that change a number; returns how many numbers it changed."""
    over = _rests_not("r")
    holder = ", ".join(f"{name} = CASE WHEN NOT {over} THEN r.{name} END" for name in _HOLDER)
    legal = ", ".join(f"'{source}>{target}'" for source, target in st.MOVES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE dids_did AS d SET status = CASE WHEN {over} THEN r.after_hold ELSE r.status END,"
            " operator_id = r.operator_id, after_hold = r.after_hold, hold_days = r.hold_days,"
            " tag_set_id = r.tag_set_id,"
            f" notes = CASE WHEN r.notes = '' AND NOT %(clear)s THEN d.notes ELSE r.notes END, {holder}"
            " FROM dids_importrow r WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '~'"
            f" AND d.id = r.did_id AND (d.status = r.status OR d.status || '>' || r.status IN ({legal}))",
            {"first": first, "last": last, "clear": clear_notes},
        )
        return cursor.rowcount


def _insert_numbers(numbers, row):
    """INSERT … SELECT of one chunk; existing numbers are skipped. Returns how many were made.

    Raw, because bulk_create(ignore_conflicts=True) does not tell how many it made, and builds an
    object for each.
    """
    columns = ", ".join(row)
    if connection.vendor == "postgresql":
        source, values = "unnest(%s::text[]) AS n(value)", numbers
    else:
        source, values = "json_each(%s) AS n", json.dumps(numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO dids_did (number, {columns})"
            f" SELECT n.value, {', '.join(['%s'] * len(row))} FROM {source}"
            " WHERE true ORDER BY n.value ON CONFLICT (number) DO NOTHING",
            [*row.values(), values],
        )
        return cursor.rowcount

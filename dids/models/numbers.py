"""The DID: its fields, constraints and indexes, and what is known about a single number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

from django.db import models
from django.db.models import Q

from audit import history
from clients.models import Account, HoldDaysField, hold_days_in_range
from didmgmt import clock
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.client_packages import ClientPackage
from dids.models.number_writes import DIDQuerySet
from dids.models.reservations import Reservation
from dids.models.tags import TagSet
from operators.models import Operator

NUMBER_MAX = 20  # digits
UNREACHABLE = {
    st.RESERVED: "it is Reserved",
    st.INSTOCK: "it is In Stock, not assigned to a client",
    st.BLOCKED: "it is Blocked",
    st.HOLD: "it is on Hold",
    st.ARCHIVE: "it is archived",
}


@dataclass(frozen=True)
class Routing:
    """Where calls go: to ``account``, or with None nowhere, because of ``reason`` (a clause)."""

    account: Account | None
    reason: str = ""

    @property
    def is_reachable(self):
        return self.account is not None


class DigitsOnly(models.Func):
    """Tell whether a text consists of one or more ASCII digits, as a CHECK condition on both engines."""

    arity = 1
    output_field = models.BooleanField()

    def as_postgresql(self, compiler, connection, **context):
        return self.as_sql(compiler, connection, template="(%(expressions)s ~ '^[0-9]+$')", **context)

    def as_sqlite(self, compiler, connection, **context):
        template = "(%(expressions)s <> '' AND %(expressions)s NOT GLOB '*[^0-9]*')"
        return self.as_sql(compiler, connection, template=template, **context)


class AsListed:
    """What lists show of a number that has the annotations of ``for_table``."""

    @property
    def status_label(self):
        return st.LABELS[self.status_now]

    @property
    def after_hold_label(self):
        return st.LABELS[self.after_hold]

    @property
    def client_name(self):
        """The client that the number is listed with, or ""."""
        return self.last_client if self.status_now in st.HELD else ""

    @property
    def account_name(self):
        return self.last_account if self.status_now in st.HELD else ""

    @property
    def days_left(self):
        """The remaining days of a hold, rounded up; None when the number is not on Hold."""
        if self.status_now != st.HOLD:
            return None
        return holds.days_left(self.hold_until, clock.now())


class DID(AsListed, models.Model):
    """One telephone number. Its reseller is that of its operator.

    ``hold_from`` is set only on Hold, account and client package only on Active, Blocked and Hold, and
    ``reservation`` only on Reserved numbers, which may also be reserved without one. ``hold_until`` is when
    the status ends by the clock: on Hold always, and in a reservation that has an end. ``resumes_as``, also
    only on Hold, is the status in which the stop of its package found the number, and to which it returns
    when the package is activated again; None if a person put it on Hold. Database constraints ensure this.
    See ``dids.lifecycle.statuses`` for the moves.
    """

    id = models.BigAutoField(primary_key=True)
    # A constraint instead of unique=True, for which PostgreSQL would add a second index (text_pattern_ops).
    number = models.CharField("DID", max_length=NUMBER_MAX)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="dids", db_index=False)
    status = models.CharField(max_length=10, choices=st.CHOICES, default=st.INSTOCK)
    after_hold = models.CharField(max_length=10, choices=st.FREE_CHOICES, default=st.INSTOCK)
    hold_days = HoldDaysField()
    hold_from = models.DateTimeField(null=True, blank=True)
    hold_until = models.DateTimeField(null=True, blank=True)
    resumes_as = models.CharField(max_length=10, null=True, blank=True, choices=st.RESUMED_CHOICES)
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

    reservation = models.ForeignKey(
        Reservation, null=True, blank=True, on_delete=models.PROTECT, related_name="dids", db_index=False
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
            ("override_ageing", "Can pass on numbers that age"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="did_number"),
            models.CheckConstraint(condition=DigitsOnly("number"), name="did_number_digits"),
            models.CheckConstraint(condition=Q(status__in=list(st.LABELS)), name="did_status_known"),
            models.CheckConstraint(condition=Q(after_hold__in=st.FREE), name="did_after_hold_free"),
            models.CheckConstraint(
                condition=Q(status=st.HOLD, hold_from__isnull=False, hold_until__isnull=False)
                | (
                    ~Q(status=st.HOLD)
                    & Q(hold_from__isnull=True)
                    & (Q(hold_until__isnull=True) | Q(reservation__isnull=False))
                ),
                name="did_hold_until_on_hold",
            ),
            models.CheckConstraint(
                condition=Q(reservation__isnull=True) | Q(status=st.RESERVED),
                name="did_reservation_when_reserved",
            ),
            models.CheckConstraint(
                condition=Q(status__in=st.HELD, account__isnull=False, client_package__isnull=False)
                | Q(status__in=st.FREE, account__isnull=True, client_package__isnull=True),
                name="did_holder_when_held",
            ),
            models.CheckConstraint(
                condition=Q(resumes_as__isnull=True) | Q(resumes_as__in=st.RESUMED, status=st.HOLD),
                name="did_resumes_from_hold",
            ),
            hold_days_in_range("did_hold_days"),
        ]
        indexes = [
            # filter by operator or reseller, with or without status, sorted by number
            models.Index(fields=["operator", "status", "number"], name="did_operator_status"),
            # filter by status, sorted by number; sorted by status
            models.Index(fields=["status", "number"], name="did_status_number"),
            # filter by tag, sorted by number; sorted by tag
            models.Index(fields=["tag_set", "number"], name="did_tag_set"),
            # the same with a status
            models.Index(
                fields=["tag_set", "status", "number"],
                name="did_tag_status",
                condition=Q(tag_set__isnull=False),
            ),
            # filter by client, with or without status, sorted by number; sorted by client;
            # whether an account is in use
            models.Index(
                fields=["account", "status", "number"],
                name="did_account_status",
                condition=Q(account__isnull=False),
            ),
            # sorted by notes
            models.Index(fields=["notes", "number"], name="did_notes"),
            # count towards the DID limit; the numbers of a package that stops
            models.Index(
                fields=["client_package", "status"],
                name="did_client_package",
                condition=Q(client_package__isnull=False),
            ),
            # the numbers of a reservation
            models.Index(
                fields=["reservation", "number"],
                name="did_reservation",
                condition=Q(reservation__isnull=False),
            ),
            # overdue holds and reservations; how many end on a day, and what they become
            models.Index(
                fields=["hold_until", "status", "after_hold", "operator"],
                name="did_hold_end",
                condition=Q(hold_until__isnull=False),
            ),
        ]

    def __str__(self):
        return self.number

    @cached_property
    def status_now(self):
        """The current status, with an overdue hold treated as over; ``with_status_now`` annotates it."""
        return holds.status_at(self.status, self.after_hold, self.hold_until, clock.now())

    def routing(self, now=None):
        """Return the Routing of calls at ``now``; no query for numbers from ``for_page``.

        Only an Active number with a running package is reachable. A switch that asks between the end
        of a package and the worker's next round must not route to that client.
        """
        now = now or clock.now()
        status = holds.status_at(self.status, self.after_hold, self.hold_until, now)
        if status != st.ACTIVE:
            return Routing(None, UNREACHABLE[status])
        if not self.client_package.is_running(now):
            return Routing(None, f"package {self.client_package} is no longer active")
        return Routing(self.account)

    @property
    def holder(self):
        """The account that the number is listed with, or None; on Hold the last one."""
        return self.account if self.status_now in st.HELD else None


# The indexes serve the inventory as of a point in time, see dids.lists.as_of.
DIDHistory = history.track(
    DID,
    [
        # deleted numbers by their digits
        models.Index(fields=["number"], name="did_past_deleted", condition=Q(event="-")),
        # filter by operator, sorted by number
        models.Index(fields=["operator_id", "number"], name="did_past_operator"),
        # filter by account, sorted by number
        models.Index(
            fields=["account_id", "number"], name="did_past_account", condition=Q(account_id__isnull=False)
        ),
        # filter by a rare status, sorted by number; a scan in order soon finds rows of the other statuses
        # (OR, because with IN SQLite would build a table of the statuses for each row a trigger writes)
        models.Index(
            fields=["status", "number"],
            name="did_past_status",
            condition=reduce(Q.__or__, (Q(status=status) for status in st.RARE)),
        ),
        # filter by tag, sorted by number
        models.Index(
            fields=["tag_set_id", "number"], name="did_past_tag_set", condition=Q(tag_set_id__isnull=False)
        ),
    ],
)

"""Reservations: for whom and what numbers are kept, and until when.

Numbers have a foreign key to their reservation, so this module cannot import them. It reaches them through
the reverse relation ``dids``.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Subquery
from django.utils import timezone

import audit
from audit import history
from audit.models import Change
from clients.models import BranchQuerySet, Client, Reseller
from clients.names import NameField
from didmgmt import clock
from didmgmt.dates import show_minute
from dids.models.locks import lock_in_order

PURPOSE_MAX = 200


class ReservationQuerySet(BranchQuerySet):
    def running(self, now):
        """Return those that have numbers and are not over at ``now``.

        A reservation ends with its time, or when its last number has left it; both are read, so nothing is
        to be kept up to date.
        """
        numbers = self._all_numbers().filter(reservation=OuterRef("pk"))
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now)).filter(Exists(numbers))

    def with_numbers(self):
        """Annotate ``numbers``, their count, and ``first`` and ``last`` of them; index scans for each row."""
        own = self._all_numbers().filter(reservation=OuterRef("pk")).order_by().values("reservation")
        return self.annotate(
            numbers=Subquery(own.annotate(numbers=Count("pk")).values("numbers")),
            first=Subquery(own.annotate(first=Min("number")).values("first")),
            last=Subquery(own.annotate(last=Max("number")).values("last")),
        )

    def end_on(self, ends_at, *, by, label, now=None):
        """Set another end for these and their numbers, or none, in one change; return the Result.

        Raise ValidationError for an end in the past. One without a number is over, and stays as it is.
        """
        check_end(ends_at, now or clock.database_now())
        with audit.change(Change.Kind.RESERVE, by=by, label=label, at=now) as change:
            lock_in_order(self)
            ids = list(self.order_by("pk").values_list("pk", flat=True))
            numbers = self._all_numbers().filter(reservation__in=ids)
            result = numbers.reserve_until(ids, ends_at, by=by, now=now)
            if result.done:
                kept = self._all_numbers().filter(reservation=OuterRef("pk"))
                running = self.model.objects.filter(Exists(kept), pk__in=ids)
                change.touched += running.update(ends_at=ends_at)
            return result

    def _all_numbers(self):
        return self.model.dids.rel.related_model.objects


class Reservation(models.Model):
    """Numbers kept for a client, or for a name such as that of a prospect, until ``ends_at`` or without end.

    Its numbers are those that point to it: they are Reserved, of its reseller, and have ``ends_at`` as their
    ``hold_until``. Any move to another status takes a number out. ``maker``: the name of ``made_by`` or of
    the API token that they used.
    """

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(
        Reseller, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    client = models.ForeignKey(
        Client, null=True, blank=True, on_delete=models.PROTECT, related_name="reservations"
    )
    name = NameField(blank=True, default="")
    purpose = models.CharField(max_length=PURPOSE_MAX)
    ends_at = models.DateTimeField("ends", null=True, blank=True)
    made_at = models.DateTimeField("since", default=clock.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    maker = models.CharField("reserved by", max_length=300)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(client__isnull=False, name="") | (Q(client__isnull=True) & ~Q(name="")),
                name="reservation_for_client_or_name",
            ),
            models.CheckConstraint(condition=~Q(purpose=""), name="reservation_has_purpose"),
        ]
        indexes = [
            # by end
            models.Index(fields=["ends_at", "id"], name="reservation_end"),
            # the same of one reseller
            models.Index(fields=["reseller", "ends_at", "id"], name="reservation_branch_end"),
        ]

    def __str__(self):
        return f"{self.whom}: {self.purpose}"

    @classmethod
    def draft(cls, *, by, **fields):
        """Return an unsaved reservation made by ``by``, a user or the system; see ``DIDQuerySet.reserve``."""
        if isinstance(by, audit.System):
            return cls(maker=by.name, **fields)
        maker = by.get_username()
        return cls(made_by=by, maker=f"{by.token.name}, token of {maker}" if by.token else maker, **fields)

    @property
    def whom(self):
        """The client or the name that the numbers are reserved for."""
        return self.client.name if self.client_id else self.name

    def is_over(self, now):
        return self.ends_at is not None and self.ends_at <= now

    def end_on(self, ends_at, *, by, now=None):
        """Set another end for it and its numbers, or none; return the Result of its numbers.

        Raise ValidationError for an end in the past. Without a number it does nothing: it is over.
        """
        label = f"End of the reservation for {self.whom} changed"
        result = Reservation.objects.filter(pk=self.pk).end_on(ends_at, by=by, label=label, now=now)
        if result.done:
            self.ends_at = ends_at
        return result


def check_end(ends_at, now):
    """Raise ValidationError for an end in the past."""
    if ends_at is not None and ends_at <= now:
        raise ValidationError({"ends_at": past_end(ends_at)})


def past_end(ends_at):
    """Return why a reservation can't end at ``ends_at``, a time in the past."""
    return f"{show_minute(timezone.localtime(ends_at))} is over. Choose a later end."


ReservationHistory = history.track(Reservation)

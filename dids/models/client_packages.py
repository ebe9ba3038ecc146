"""Packages given to clients: their state, their limits, and what starts and stops them.

Numbers have a foreign key to their client package, so this module cannot import them. It reaches
them through the reverse relation ``dids``.
"""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Lower

import audit
from audit import history
from audit.models import Change
from clients.models import BranchQuerySet, Client, Package
from didmgmt import clock
from dids.lifecycle import statuses as st
from dids.lifecycle.result import Result
from dids.models.locks import lock_in_order
from dids.models.number_previews import Resumption

PACKAGE_STATES = {"running": "Running", "waiting": "Not begun", "ended": "Ended", "off": "Off"}


class ClientPackageQuerySet(BranchQuerySet):
    branch = "package__reseller"

    def running(self, now):
        """Return those that are switched on, have begun and have not ended at ``now``."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), active=True, starts_at__lte=now)

    def with_state(self, now):
        """Annotate ``state``, a key of ``PACKAGE_STATES``, as of ``now``."""
        whens = (
            When(ends_at__lte=now, then=Value("ended")),
            When(active=False, then=Value("off")),
            When(starts_at__gt=now, then=Value("waiting")),
        )
        return self.annotate(state=Case(*whens, default=Value("running"), output_field=models.CharField()))

    def with_numbers_in_use(self):
        """Annotate ``in_use``, the count of numbers towards the DID limit; see ``numbers_in_use``."""
        in_use = self._all_numbers().filter(client_package=OuterRef("pk"), status__in=st.IN_USE).order_by()
        counts = in_use.values("client_package").annotate(numbers=Count("pk")).values("numbers")
        return self.annotate(in_use=Coalesce(Subquery(counts), 0))

    def offered(self, client, now):
        """Return the client's packages that numbers can be assigned with, ``with_numbers_in_use``."""
        given = self.filter(client=client).running(now).with_numbers_in_use()
        return given.select_related("package", "client").order_by(Lower("package__name"), "pk")

    def stop(self, *, by, label, cause="switched_off", now=None):
        """Switch these off and put their numbers on Hold, in one change. Return the Result of the holds.

        The holds are made by the system, whatever rights ``by`` has. Those that are off already are
        skipped. ``cause`` is recorded with the change.
        """
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, data={"cause": cause}, at=now) as change:
            ids = list(lock_in_order(self.filter(active=True)))
            if not ids:
                return Result()
            change.touched += self.model.objects.filter(pk__in=ids).update(active=False)
            numbers = self._all_numbers().filter(client_package__in=ids, status__in=st.IN_USE)
            return numbers.stop(by=audit.SYSTEM, now=now)

    def _all_numbers(self):
        return self.model.dids.rel.related_model.objects


class ClientPackage(models.Model):
    """A package given to a client. It runs while ``active`` is set and ``now`` is within its dates.

    The worker switches it off after its end. Reads compare the dates, so they don't depend on the
    worker's timing.
    """

    id = models.BigAutoField(primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="client_packages")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="client_packages")
    starts_at = models.DateTimeField(default=clock.now)
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
        indexes = [
            models.Index(fields=["ends_at"], name="client_package_due", condition=Q(active=True)),
            # those that begin on a day
            models.Index(fields=["starts_at"], name="client_package_start", condition=Q(active=True)),
        ]

    def __str__(self):
        return f"{self.package} of {self.client}"

    def clean(self):
        if self.client_id and self.package_id and self.client.reseller_id != self.package.reseller_id:
            raise ValidationError(
                f"{self.client} belongs to {self.client.reseller}, but the package {self.package} to "
                f"{self.package.reseller}. Choose a package of {self.client.reseller}."
            )
        if self.ends_at and self.starts_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "The end must be after the start. Choose a later end."})

    # --- reads

    def is_running(self, now):
        return self.active and self.starts_at <= now and (self.ends_at is None or self.ends_at > now)

    def has_ended(self, now=None):
        """Tell whether its end has passed, switched off or not."""
        return self.ends_at is not None and self.ends_at <= (now or clock.now())

    @property
    def state_label(self):
        """The words for ``state``; needs ``with_state``."""
        return PACKAGE_STATES[self.state]

    @property
    def free(self):
        """How many more numbers the DID limit allows; needs ``with_numbers_in_use``."""
        return max(0, self.package.did_limit - self.in_use)

    def numbers_in_use(self):
        """Count its Active and Blocked numbers, which count towards the DID limit; one indexed count."""
        return self.dids.filter(status__in=st.IN_USE).count()

    def free_slots(self):
        """Return how many more numbers the DID limit allows; one indexed count."""
        return max(0, self.package.did_limit - self.numbers_in_use())

    def closed_reason(self):
        """Return why it can't be used and what to do, as sentences; "" when it can."""
        if self.client.closed_at:
            return f"Client {self.client} is closed. Reopen the client first."
        if self.package.archived_at:
            return f"Package {self.package} is archived. Restore the package first."
        return ""

    def preview_activate(self, now=None):
        """Return the ``Resumption`` of ``activate``; at most five queries."""
        now = now or clock.now()
        return self.dids.all().preview_resume(self, now=now) if self.starts_at <= now else Resumption()

    # --- writes

    def give(self, *, by, now=None):
        """Save a new one. Raise ValidationError for a closed client or an archived package."""
        self.full_clean()
        self._refuse_closed()
        label = f"Package {self.package} given to {self.client}"
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            self.save()
            change.touched += 1

    def deactivate(self, *, by, now=None, ended=False):
        """Switch it off and put its numbers on Hold, in one change. Return the Result of the holds.

        ``ended``: it is switched off because its end has passed. Does nothing when it is off.
        """
        word, cause = ("ended", "ended") if ended else ("switched off", "switched_off")
        this = ClientPackage.objects.filter(pk=self.pk)
        result = this.stop(by=by, label=f"Package {self} {word}", cause=cause, now=now)
        self.active = False
        return result

    def activate(self, *, by, now=None):
        """Switch it on, clear an end that has passed, and return its numbers from Hold.

        Only those that its stop put on Hold return, to the status that it found, longest on Hold first, up to
        the DID limit. Return the ``Resumption``, or None when it was on already. Raise ValidationError for a
        closed client or an archived package.
        """
        self._refuse_closed()
        at = now or clock.database_now()
        with audit.change(Change.Kind.PACKAGE, by=by, label=f"Package {self} switched on", at=now) as change:
            locked = ClientPackage.objects.select_for_update(no_key=True).get(pk=self.pk)
            ended = locked.has_ended(at)
            if locked.active and not ended:
                return None
            locked.active = True
            if ended:
                locked.ends_at = None
            locked.save(update_fields=["active", "ends_at"])
            change.touched += 1
            self.active, self.ends_at = locked.active, locked.ends_at
            if not locked.is_running(at):
                return Resumption(change=change.pk)
            return self.dids.all().resume(self, by=audit.SYSTEM, now=now)

    def end_on(self, ends_at, *, by, now=None):
        """Set its end, or clear it with None; an end in the past stops it now. Return the Result of holds."""
        if ends_at is not None and ends_at <= (now or clock.database_now()):
            return self.deactivate(by=by, now=now)
        label = f"End date of package {self} changed"
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            self.ends_at = ends_at
            self.full_clean()
            self.save(update_fields=["ends_at"])
            change.touched += 1
        return Result()

    def _refuse_closed(self):
        if reason := self.closed_reason():
            raise ValidationError(reason)

    @classmethod
    def close_client(cls, client, *, by, now=None):
        """Close a client, stop its packages and put its numbers on Hold, in one change.

        Return the Result of the holds, or None when it was closed already.
        """
        given = cls.objects.filter(client=client)
        return _close(client, "closed_at", given, f"Client {client} closed", by=by, now=now)

    @classmethod
    def archive_package(cls, package, *, by, now=None):
        """Archive a package, stop it for all its clients and put their numbers on Hold, in one change.

        Return the Result of the holds, or None when it was archived already.
        """
        given = cls.objects.filter(package=package)
        return _close(package, "archived_at", given, f"Package {package} archived", by=by, now=now)

    @staticmethod
    def reopen(record, *, by, now=None):
        """Reopen a closed client or restore an archived package; its client packages stay off."""
        field, label = {
            Client: ("closed_at", f"Client {record} reopened"),
            Package: ("archived_at", f"Package {record} restored"),
        }[type(record)]
        with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
            closed = type(record).objects.filter(**{"pk": record.pk, f"{field}__isnull": False})
            reopened = closed.update(**{field: None})
            change.touched += reopened
        record.refresh_from_db()
        return bool(reopened)


def _close(record, field, given, label, *, by, now):
    with audit.change(Change.Kind.PACKAGE, by=by, label=label, at=now) as change:
        still_open = type(record).objects.filter(**{"pk": record.pk, f"{field}__isnull": True})
        if not still_open.update(**{field: now or clock.database_now()}):
            return None
        change.touched += 1
        record.refresh_from_db()
        return given.stop(by=by, label=label, now=now)


ClientPackageHistory = history.track(ClientPackage)

"""Users; roles are groups (see migration ``0002_roles``)."""

import zoneinfo
from contextlib import contextmanager
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

import audit
from audit import history
from audit.models import Change
from clients.models import BranchQuerySet, Reseller


def known_time_zone(value):
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"“{value}” is not a time zone. Enter one like Europe/Berlin or UTC.")


class StaffManager(UserManager.from_queryset(BranchQuerySet)):  # type: ignore[misc]  # a base made by a call
    """Manager with ``create_user`` and ``visible_to``."""

    def create_superuser(self, *args, **fields):
        """Create a superuser and record it: the command line and the first start lead here."""
        with transaction.atomic():
            user = super().create_superuser(*args, **fields)
            user.record(by=audit.SYSTEM, password_set=True)
        return user


class User(AbstractUser):
    """A member of staff. A user bound to a reseller sees and changes only that reseller's rows."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(
        Reseller,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="staff",
        help_text="Leave empty to show every reseller",
    )
    time_zone = models.CharField(max_length=50, default="UTC", validators=[known_time_zone])

    objects: ClassVar[StaffManager] = StaffManager()

    @contextmanager
    def recorded(self, *, by):
        """Open a transaction and record what it changes about the user.

        What was changed before without a record, such as in a shell, is recorded first, as the system's.
        """
        password = self.password
        with transaction.atomic():
            User.objects.get(pk=self.pk).record(by=audit.SYSTEM)
            yield
            self.record(by=by, password_set=self.password != password)

    def record(self, *, by, password_set=False):
        """Update the user's ``StaffRecord`` in a change, unless nothing differs. Three queries if so."""
        fields = {
            "name": self.username,
            "person": self.get_full_name(),
            "email": self.email,
            "reseller_id": self.reseller_id,
            "roles": ", ".join(sorted(self.groups.values_list("name", flat=True))),
            "permissions": ", ".join(sorted(self.user_permissions.values_list("codename", flat=True))),
            "active": self.is_active,
            "staff_admin": self.is_staff,
            "superuser": self.is_superuser,
        }
        if password_set:
            fields["password_set_at"] = timezone.now()
        stored = StaffRecord.objects.filter(pk=self.pk)
        if stored.filter(**fields).exists():
            return
        is_new = not stored.exists()
        label = f"New user {self}" if is_new else f"User {self} edited"
        with audit.change(Change.Kind.STAFF, by=by, label=label):
            if is_new:
                StaffRecord.objects.create(pk=self.pk, **fields)
            else:
                stored.update(**fields)

    def forget(self, *, by):
        """Delete the user; the record of it stays in history."""
        with audit.change(Change.Kind.STAFF, by=by, label=f"User {self} deleted"):
            StaffRecord.objects.filter(pk=self.pk).delete()
            self.delete()


class StaffRecord(models.Model):
    """What history keeps of a user: who they are and what they may do, without password and sign-ins.

    ``id`` is the user's. Written by ``User.record``; signing in does not touch it.
    """

    id = models.BigIntegerField(primary_key=True)
    # No constraint: history outlives resellers, and the user's own key protects them.
    reseller = models.ForeignKey(
        Reseller, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    name = models.CharField("user name", max_length=150)
    person = models.CharField("name", max_length=301, blank=True)
    email = models.CharField(max_length=254, blank=True)
    roles = models.TextField(blank=True)
    permissions = models.TextField("further permissions", blank=True)
    active = models.BooleanField()
    staff_admin = models.BooleanField()
    superuser = models.BooleanField()
    password_set_at = models.DateTimeField("password set", null=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        verbose_name = "user"
        default_permissions = ()

    def __str__(self):
        return self.name


StaffRecordHistory = history.track(StaffRecord)

"""Users; roles are groups (see migration ``0002_roles``)."""

import zoneinfo
from contextlib import contextmanager
from functools import cache
from typing import ClassVar

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.core.exceptions import ValidationError
from django.db import models

import audit
from audit.models import Change
from clients.models import BranchQuerySet, Reseller
from staff.records import RoleRecord, RoleRecordHistory, StaffRecord, StaffRecordHistory

__all__ = ["Role", "RoleRecord", "RoleRecordHistory", "StaffRecord", "StaffRecordHistory", "User"]


@cache
def time_zones():
    """Return the names of all time zones in order; they are read from hundreds of files."""
    return sorted(zoneinfo.available_timezones())


def known_time_zone(value):
    if value not in time_zones():
        raise ValidationError(f"“{value}” is not a time zone. Enter one like Europe/Berlin or UTC.")


class StaffManager(UserManager.from_queryset(BranchQuerySet)):  # type: ignore[misc]  # a base made by a call
    """Manager with ``create_user`` and ``visible_to``."""

    def create_superuser(self, *args, **fields):
        """Create a superuser as the system: the command line and the first start lead here."""
        with audit.change(Change.Kind.STAFF, by=audit.SYSTEM, label="New superuser"):
            return super().create_superuser(*args, **fields)


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
    # How lists look; the person's own, so that history doesn't record it
    page_size = models.PositiveSmallIntegerField(null=True, blank=True)
    is_dense = models.BooleanField("dense rows", default=False)
    did_columns = models.CharField(max_length=300, default="", blank=True)

    objects: ClassVar[StaffManager] = StaffManager()

    class Meta(AbstractUser.Meta):
        verbose_name = "person"
        verbose_name_plural = "people"

    @contextmanager
    def recorded(self, *, by):
        """Open a change of the user; what it writes is recorded by triggers, see ``staff.records``."""
        with audit.change(Change.Kind.STAFF, by=by, label=f"User {self} edited") as change:
            yield change

    def check_password(self, raw_password):
        """Check a password as Django does; a hash that is renewed on this occasion is the system's change."""

        def renew(raw_password):
            label = f"Password hash of {self} renewed at sign-in"
            with audit.change(Change.Kind.STAFF, by=audit.SYSTEM, label=label):
                self.set_password(raw_password)
                self._password = None  # the password itself is the same
                self.save(update_fields=["password"])

        return check_password(raw_password, self.password, renew)


class Role(Group):
    """A role: a group of Django's under the name that people use."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "role"

"""Users; roles are groups (see migration ``0002_roles``)."""

import zoneinfo
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models

from clients.models import BranchQuerySet, Reseller


def known_time_zone(value):
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"“{value}” is not a time zone. Enter one like Europe/Berlin or UTC.")


class StaffManager(UserManager.from_queryset(BranchQuerySet)):  # type: ignore[misc]  # a base made by a call
    """Manager with ``create_user`` and ``visible_to``."""


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

"""Saved views of the list of numbers: filter, columns, order and page size under a name."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Case, Q, When
from django.urls import reverse

from audit.words import index_words
from clients.models import Reseller


class SavedViewQuerySet(models.QuerySet[Any]):
    def visible_to(self, user):
        """Return the user's own views, then those shared with them by people of the same branch.

        The branch is that of the time when the view was saved, so that a person who moves to another
        reseller takes no names along.
        """
        roles = get_user_model().groups.through.objects.filter(user=user.pk).values("group")
        shared = Q(audience=SavedView.Audience.ALL) | Q(audience=SavedView.Audience.ROLE, role__in=roles)
        branch = Q(reseller=user.reseller_id) if user.reseller_id else Q(reseller=None)
        own_first = Case(When(owner=user.pk, then=0), default=1)
        return self.filter(Q(owner=user.pk) | (shared & branch)).order_by(own_first, "pk")


class SavedView(models.Model):
    """A view of the list of numbers.

    ``query``: the parameters of the list. Opening a view opens the list with them, so what they name is
    checked as in any other address, with what the user who opens it may see.
    """

    class Audience(models.TextChoices):
        ME = "me", "Only me"
        ROLE = "role", "A role"
        ALL = "all", "Everyone"

    PARAMETER = "view"  # of the list: the view that it was opened with; it changes nothing of the list
    MOST = 30  # of a user
    LONGEST_NAME = 40
    LONGEST = 4_000  # characters of the query

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    reseller = models.ForeignKey(Reseller, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    audience = models.CharField(max_length=4, choices=Audience, default=Audience.ME)
    role = models.ForeignKey(Group, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    query = models.TextField()

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name"),
            models.CheckConstraint(
                condition=Q(audience="role", role__isnull=False)
                | (~Q(audience="role") & Q(role__isnull=True)),
                name="saved_view_role",
            ),
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        """Return the address that opens the view; it shows the same to people who don’t have the view."""
        return f"{reverse('dids:list')}?{self.PARAMETER}={self.pk}&{self.query}"

    @property
    def is_shared(self):
        return self.audience != self.Audience.ME


index_words(SavedView._meta.db_table, "name")

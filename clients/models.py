"""Resellers and what hangs on them: clients with their accounts, and packages."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from audit import history
from clients.tags import MAX_LABEL, tag_label

HOLD_DAYS_MAX = 365


class HoldDaysField(models.PositiveSmallIntegerField):
    """Days of rest after use, 0 to 365; empty means that the next in line decides."""

    def __init__(self, **kwargs):
        kwargs.setdefault("null", True)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("validators", [MinValueValidator(0), MaxValueValidator(HOLD_DAYS_MAX)])
        super().__init__(**kwargs)


def hold_days_in_range(name):
    return models.CheckConstraint(
        condition=Q(hold_days__isnull=True) | Q(hold_days__lte=HOLD_DAYS_MAX), name=name
    )


class BranchQuerySet(models.QuerySet):
    """Rows that belong to a reseller; ``branch`` is the lookup from a row to it."""

    branch = "reseller"

    def visible_to(self, user):
        """The rows that ``user`` may know of: all, or those of the reseller it is bound to."""
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        return self.filter(**{self.branch: user.reseller_id})


class ResellerQuerySet(BranchQuerySet):
    branch = "pk"


class AccountQuerySet(BranchQuerySet):
    branch = "client__reseller"


class Reseller(models.Model):
    """A company or branch on the platform; owns operators, packages and clients."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    hold_days = HoldDaysField()

    objects = ResellerQuerySet.as_manager()

    class Meta:
        constraints = [hold_days_in_range("reseller_hold_days")]

    def __str__(self):
        return self.name


class Client(models.Model):
    """A customer of a reseller."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="clients", db_index=False)
    name = models.CharField(max_length=100)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reseller", "name"], name="client_name_per_reseller")]
        indexes = [models.Index(fields=["name"], name="client_name")]

    def __str__(self):
        return self.name


class Account(models.Model):
    """One technical account of a client (a login, a trunk): where its numbers are routed."""

    id = models.BigAutoField(primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    name = models.CharField(max_length=100)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "name"], name="account_name_per_client")]

    def __str__(self):
        return self.name


class Package(models.Model):
    """An offer of a reseller: how many numbers may be picked, and with which tags.

    ``allowed_tags`` is a tag label (see ``clients.tags``): a number fits when it bears one of them;
    "" lets any number in. It is text, so that history shows it as it was.
    """

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="packages", db_index=False)
    name = models.CharField(max_length=100)
    did_limit = models.PositiveIntegerField("DID limit", help_text="How many numbers may be picked")
    allowed_tags = models.CharField(max_length=MAX_LABEL, blank=True)
    hold_days = HoldDaysField()
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reseller", "name"], name="package_name_per_reseller"),
            hold_days_in_range("package_hold_days"),
        ]

    def __str__(self):
        return self.name

    def clean(self):
        self.allowed_tags = tag_label([self.allowed_tags])


ResellerHistory = history.track(Reseller)
ClientHistory = history.track(Client)
AccountHistory = history.track(Account)
PackageHistory = history.track(Package)

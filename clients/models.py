"""Resellers and what hangs on them: clients with their accounts, and packages."""

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models
from django.db.models import Q

import audit
from audit import history
from audit.models import Change
from clients.tags import MAX_LABEL, tag_label
from didmgmt.text import count_noun

HOLD_DAYS_MAX = 365
DID_LIMIT_MAX = 2_147_483_647  # the largest integer of the column


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


class Recorded(models.Model):
    """Something with a name that people write and delete in dialogs, each time in a change of its own.

    ``kinds``: of the change that makes, edits or deletes it.
    """

    kinds = (Change.Kind.CREATE, Change.Kind.EDIT, Change.Kind.DELETE)

    class Meta:
        abstract = True

    def __str__(self):
        return self.name

    def validate_constraints(self, exclude=None):
        """A name that is taken is said at the name, not at the form as a whole."""
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            if not any(one.code == "unique_together" for one in error.error_dict.get(NON_FIELD_ERRORS, ())):
                raise
            raise ValidationError({"name": self.name_taken()}) from None

    def name_taken(self):
        return f"{self.reseller} has a {self._meta.verbose_name} “{self.name}” already."

    def record(self, *, by, fields):
        """Write it in a change of its own: as new, or these ``fields`` of it. False when it is gone.

        Nothing to write leaves no trace. Raises IntegrityError when somebody took the name, or
        removed what it belongs to, since ``clean``.
        """
        noun = self._meta.verbose_name
        made, edited, _ = self.kinds
        if self.pk is None:
            with audit.change(made, by=by, label=f"New {noun} {self}") as change:
                self.save(force_insert=True)
                change.touched += 1
            return True
        written = {name: getattr(self, name) for name in fields}
        label = f"{noun.capitalize()} {self} edited"
        with audit.change(edited, by=by, label=label) as change:
            row = type(self).objects.filter(pk=self.pk)
            found = row.update(**written) if written else row.count()
            change.touched += found if written else 0
        return bool(found)

    def delete_unused(self, *, by):
        """Delete it unless something needs it. Returns its ``uses``; when there are none, it is gone.

        What somebody hangs on it at the same moment wins: the database then refuses the delete.
        """
        uses = self.uses()
        if not uses:
            label = f"{self._meta.verbose_name.capitalize()} {self} deleted"
            try:
                with audit.change(self.kinds[2], by=by, label=label) as change:
                    change.touched += type(self).objects.filter(pk=self.pk).delete()[0]
            except IntegrityError:
                uses = self.uses()
                if not uses:
                    raise
        return uses

    def uses(self):
        """How many of what need it, each as "3 accounts"; an indexed count for each table that may."""
        found = []
        for relation in self._meta.related_objects:
            if relation.on_delete is models.PROTECT:
                meta = relation.related_model._meta
                rows = relation.related_model._base_manager.filter(**{relation.field.name: self.pk})
                if count := rows.count():
                    found.append(count_noun(count, meta.verbose_name, meta.verbose_name_plural))
        return found

    def _moves(self):
        """Whether it is about to go to another reseller; one query for one that exists."""
        stored = type(self).objects.filter(pk=self.pk)
        return self.pk is not None and not stored.filter(reseller=self.reseller_id).exists()


def _stays(why):
    return f"{why} of its reseller, and can't move to another one."


class ResellerQuerySet(BranchQuerySet):
    branch = "pk"


class AccountQuerySet(BranchQuerySet):
    branch = "client__reseller"


class Reseller(Recorded):
    """A company or branch on the platform; owns operators, packages and clients."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    hold_days = HoldDaysField()

    objects = ResellerQuerySet.as_manager()
    kinds = (Change.Kind.RESELLER,) * 3

    class Meta:
        constraints = [hold_days_in_range("reseller_hold_days")]


class Client(Recorded):
    """A customer of a reseller."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="clients", db_index=False)
    name = models.CharField(max_length=100)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reseller", "name"], name="client_name_per_reseller")]
        indexes = [models.Index(fields=["name"], name="client_name")]

    def clean(self):
        if self._moves() and (given := self.client_packages.count()):
            raise ValidationError({"reseller": _stays(f"It has {count_noun(given, 'package')}")})


class Account(Recorded):
    """One technical account of a client (a login, a trunk): where its numbers are routed."""

    id = models.BigAutoField(primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    name = models.CharField(max_length=100)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "name"], name="account_name_per_client")]

    def name_taken(self):
        return f"{self.client} has an account “{self.name}” already."


class Package(Recorded):
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

    def clean(self):
        self.allowed_tags = tag_label([self.allowed_tags])
        if self._moves() and (given := self.client_packages.count()):
            raise ValidationError({"reseller": _stays(f"It is given to {count_noun(given, 'client')}")})


ResellerHistory = history.track(Reseller)
ClientHistory = history.track(Client)
AccountHistory = history.track(Account)
PackageHistory = history.track(Package)

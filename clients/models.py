"""Resellers, with their clients, accounts and packages."""

from zlib import crc32

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, connection, models
from django.db.models import Q

import audit
from audit import history
from audit.models import Change
from audit.words import index_words
from clients.classes import MAX_CLASSES, class_label, split_classes
from clients.finding import NameKey
from clients.names import NameField, keys
from clients.tags import MAX_LABEL, tag_label
from didmgmt.streams import stream
from didmgmt.text import count_noun, enumerated

HOLD_DAYS_MAX = 365
DID_LIMIT_MAX = 2_147_483_647  # the largest integer of the column


class HoldDaysField(models.PositiveSmallIntegerField):
    """Hold days, 0 to 365; empty uses the value of the next level, see ``dids.models``."""

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
        """Return the rows that ``user`` may see: all, or those of the reseller it is bound to."""
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        return self.filter(**{self.branch: user.reseller_id})


class AlikeError(ValueError):
    """The name of a record is alike one that was saved since the record was validated."""


class Recorded(models.Model):
    """Base class for named, audited records; each write is one change.

    ``kinds``: the kinds of the changes that create, edit and delete it.
    """

    kinds = (Change.Kind.CREATE, Change.Kind.EDIT, Change.Kind.DELETE)

    class Meta:
        abstract = True

    def __str__(self):
        return self.name

    def validate_constraints(self, exclude=None):
        """Report a name that is taken as an error of the field, not of the whole form."""
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            if not any(one.code == "unique_together" for one in error.error_dict.get(NON_FIELD_ERRORS, ())):
                raise
            raise ValidationError({"name": self.name_taken()}) from None

    def name_taken(self):
        return f"{self.reseller} already has a {self._meta.verbose_name} “{self.name}”."

    def siblings(self):
        """Return the records among which the name must be unique."""
        return type(self).objects.filter(reseller=self.reseller_id)

    def lookalikes(self):
        """Return the names of other records that a person would take for this one's, see ``clients.names``.

        Reads the names of all siblings.
        """
        mine, names = keys(self.name), self.siblings().exclude(pk=self.pk).values_list("name", flat=True)
        return sorted(name for name in stream(names) if name != self.name and keys(name) & mine)

    @classmethod
    def lock_names(cls, reseller=None):
        """Make others wait, until the end of the transaction, who name records of this kind.

        ``reseller``: the id of the one whose records are named, None for any. No constraint keeps two people
        from saving names that are alike at the same time, so they are compared with the names locked. SQLite
        has one writer at a time.
        """
        if connection.vendor != "postgresql":
            return
        kind = crc32(cls._meta.db_table.encode()) - 2**31
        with connection.cursor() as cursor:
            if reseller is None:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [kind])
            else:
                cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, 0)", [kind])
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [kind, reseller % 2**31])

    def named_at(self):
        """Return the id of the reseller among whose records the name is compared, None for a reseller."""
        return self.reseller_id

    def _refuse_alike(self):
        self.lock_names(self.named_at())
        if others := self.lookalikes():
            raise AlikeError(others[0])

    def record(self, *, by, fields, alike=False):
        """Insert the record, or update these ``fields``, in one change; return False if it no longer exists.

        No fields, no change. ``alike``: whether its name may look like that of another record. Raises
        AlikeError if it does and must not, and IntegrityError if, since ``clean``, the name was taken or its
        parent deleted.
        """
        noun = self._meta.verbose_name
        created, edited, _ = self.kinds
        if self.pk is None:
            with audit.change(created, by=by, label=f"New {noun} {self}") as change:
                if not alike:
                    self._refuse_alike()
                self.save(force_insert=True)
                change.touched += 1
            return True
        written = {name: getattr(self, name) for name in fields}
        label = f"{noun.capitalize()} {self} edited"
        with audit.change(edited, by=by, label=label) as change:
            if not alike and {"name", "reseller"} & written.keys():
                self._refuse_alike()
            row = type(self).objects.filter(pk=self.pk)
            found = row.update(**written) if written else row.count()
            change.touched += found if written else 0
        return bool(found)

    def delete_unused(self, *, by):
        """Delete the record unless it is in use; return its ``uses``, empty when it has been deleted.

        If it comes into use at the same time, the database refuses the delete.
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
        """Return what refers to it, such as ["3 accounts"]; one indexed count for each referring table."""
        found = []
        for relation in self._meta.related_objects:
            if relation.on_delete is models.PROTECT:
                meta = relation.related_model._meta
                rows = relation.related_model._base_manager.filter(**{relation.field.name: self.pk})
                if count := rows.count():
                    found.append(count_noun(count, meta.verbose_name, meta.verbose_name_plural))
        return found

    def in_use_sentence(self, uses):
        """Return why it can't be deleted, given its ``uses``, and what to do instead."""
        return f"It has {enumerated(uses)}. {self.delete_advice()}"

    def delete_advice(self):
        """Return what to do with a record in use instead of deleting it, as sentences."""
        raise NotImplementedError

    @property
    def deleted_sentence(self):
        return f"{self._meta.verbose_name.capitalize()} {self} deleted."

    def _changes_reseller(self):
        """Whether saving would move it to another reseller; one query for an existing record."""
        stored = type(self).objects.filter(pk=self.pk)
        return self.pk is not None and not stored.filter(reseller=self.reseller_id).exists()


def _cannot_move(why):
    return f"{why} of its reseller, so it can’t move to another one."


class ResellerQuerySet(BranchQuerySet):
    branch = "pk"


class AccountQuerySet(BranchQuerySet):
    branch = "client__reseller"


class Reseller(Recorded):
    """A company or branch on the platform; owns operators, packages and clients."""

    id = models.BigAutoField(primary_key=True)
    name = NameField(unique=True)
    hold_days = HoldDaysField()

    objects = ResellerQuerySet.as_manager()
    kinds = (Change.Kind.RESELLER,) * 3

    class Meta:
        constraints = [hold_days_in_range("reseller_hold_days")]

    def siblings(self):
        return Reseller.objects.all()

    def uses(self):
        """Return what refers to it, and the API tokens that can still be used."""
        usable = self.tokens.usable().count()
        return super().uses() + ([count_noun(usable, "usable API token")] if usable else [])

    def delete_advice(self):
        return (
            "Delete them first, and revoke API tokens. Clients and packages with a history can only be closed"
            " or archived, and reservations only ended: a reseller with any of these is kept."
        )

    def named_at(self):
        return None


class Client(Recorded):
    """A customer of a reseller."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="clients", db_index=False)
    name = NameField()
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reseller", "name"], name="client_name_per_reseller")]
        indexes = [
            models.Index(fields=["name"], name="client_name"),
            models.Index(NameKey("name"), name="client_name_key"),
        ]

    def clean(self):
        if self._changes_reseller() and (given := self.client_packages.count()):
            raise ValidationError({"reseller": _cannot_move(f"It has {count_noun(given, 'package')}")})
        if self._changes_reseller() and (made := self.reservations.count()):
            raise ValidationError({"reseller": _cannot_move(f"It has {count_noun(made, 'reservation')}")})

    def delete_advice(self):
        if not self.client_packages.exists() and not self.reservations.exists():
            return "Delete them first."
        return "Close it instead: its packages stop, its numbers go on Hold, and everything stays readable."


class Account(Recorded):
    """A technical account of a client (a login, a trunk), to which its numbers are routed."""

    id = models.BigAutoField(primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    name = NameField()

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "name"], name="account_name_per_client")]
        indexes = [models.Index(NameKey("name"), name="account_name_key")]

    def siblings(self):
        return Account.objects.filter(client=self.client_id)

    def named_at(self):
        return self.client.reseller_id

    def name_taken(self):
        return f"{self.client} already has an account “{self.name}”."

    def delete_advice(self):
        return "Put them on Hold and delete the account when the holds have ended, or end the holds now."


class Package(Recorded):
    """An offer of a reseller: how many numbers a client can have, with which tags and of which classes.

    ``allowed_tags`` is a tag label (see ``clients.tags``): a number needs one of these tags; "" allows any
    number. ``allowed_classes`` is the text of ``clients.classes``; "" allows numbers of any class. They are
    text, so that history shows them as they were.
    """

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="packages", db_index=False)
    name = NameField()
    did_limit = models.PositiveIntegerField("DID limit", help_text="How many numbers may be picked")
    allowed_tags = models.CharField(max_length=MAX_LABEL, blank=True)
    allowed_classes = models.CharField(
        "Numbers it may hold", max_length=MAX_CLASSES, blank=True, default="", db_default=""
    )
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
        self.allowed_classes = class_label(split_classes(self.allowed_classes))
        if self._changes_reseller() and (given := self.client_packages.count()):
            raise ValidationError({"reseller": _cannot_move(f"It is given to {count_noun(given, 'client')}")})

    def delete_advice(self):
        return "Their history needs it. Archive it instead: it can’t be given any more and stays readable."


ResellerHistory = history.track(Reseller)
ClientHistory = history.track(Client)
AccountHistory = history.track(Account)
PackageHistory = history.track(Package)

for named in (Client, Account, Package):
    index_words(named._meta.db_table, "name")

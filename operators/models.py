"""Operators: the DID providers that own numbers."""

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

import audit
from audit import history
from audit.models import Change
from clients.models import BranchQuerySet, HoldDaysField, Reseller, hold_days_in_range


class OperatorQuerySet(BranchQuerySet):
    def with_did_count(self):
        """Annotates ``did_count`` from the counters that the database keeps: no numbers are read."""
        counted = Operator.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
        numbers = Subquery(counted.annotate(numbers=Sum("stock__numbers")).values("numbers"))
        return self.annotate(did_count=Coalesce(numbers, 0, output_field=models.BigIntegerField()))


class Operator(models.Model):
    """A DID provider of a reseller. The reseller of a number is the reseller of its operator."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="operators", db_index=False)
    name = models.CharField(max_length=100)
    hold_days = HoldDaysField()

    objects = OperatorQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reseller", "name"], name="operator_name_per_reseller"),
            hold_days_in_range("operator_hold_days"),
        ]
        indexes = [models.Index(fields=["name"], name="operator_name")]

    def __str__(self):
        return self.name

    def clean(self):
        """Where clients have its numbers, their reseller stays its own."""
        if self.pk and (held := self._held_elsewhere()):
            raise ValidationError(
                {
                    "reseller": f"Clients of another reseller than {self.reseller} have {numbers(held)} "
                    "of it (Active, Blocked or Hold); it can move when they are back in stock."
                }
            )

    def validate_constraints(self, exclude=None):
        """A name that its reseller has already is said at the name, not at the form as a whole."""
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            if not any(one.code == "unique_together" for one in error.error_dict.get(NON_FIELD_ERRORS, ())):
                raise
            taken = f"{self.reseller} has an operator “{self.name}” already."
            raise ValidationError({"name": taken}) from None

    def _held_elsewhere(self):
        """How many of its numbers would be with clients of another reseller; 0 without a query mostly."""
        if Operator.objects.filter(pk=self.pk, reseller=self.reseller_id).exists():
            return 0
        return self.dids.filter(account__isnull=False).count()

    def record(self, *, by, fields):
        """Write it in a change of its own: as new, or these ``fields`` of it. False when it is gone.

        Nothing to write leaves no trace. Raises IntegrityError when somebody took the name, or
        removed the reseller, since ``clean``.
        """
        if self.pk is None:
            with audit.change(Change.Kind.OPERATOR, by=by, label=f"New operator {self}") as change:
                self.save(force_insert=True)
                change.touched += 1
            return True
        written = {name: getattr(self, name) for name in fields}
        with audit.change(Change.Kind.OPERATOR, by=by, label=f"Operator {self} edited") as change:
            row = Operator.objects.filter(pk=self.pk)
            found = row.update(**written) if written else row.count()
            change.touched += found if written else 0
        return bool(found)

    def delete_unused(self, *, by):
        """Delete it unless it owns numbers. Returns how many it owns; 0: it is gone.

        Numbers that somebody makes of it at the same moment win: the database then refuses the delete.
        """
        owned = self._count_numbers()
        if not owned:
            try:
                with audit.change(Change.Kind.OPERATOR, by=by, label=f"Operator {self} deleted") as change:
                    change.touched += Operator.objects.filter(pk=self.pk).delete()[0]
            except IntegrityError:
                owned = self._count_numbers()
                if not owned:
                    raise
        return owned

    def _count_numbers(self):
        return self.stock.aggregate(numbers=Coalesce(Sum("numbers"), 0))["numbers"]


def numbers(count):
    return f"{count:,} {'number' if count == 1 else 'numbers'}"


OperatorHistory = history.track(Operator)

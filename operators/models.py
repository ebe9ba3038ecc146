"""Operators: the DID providers that own numbers."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from audit import history
from audit.models import Change
from clients.models import BranchQuerySet, HoldDaysField, Recorded, Reseller, hold_days_in_range
from didmgmt.text import count_noun


class OperatorQuerySet(BranchQuerySet):
    def with_did_count(self):
        """Annotates ``did_count`` from the counters that the database keeps: no numbers are read."""
        counted = Operator.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
        numbers = Subquery(counted.annotate(numbers=Sum("stock__numbers")).values("numbers"))
        return self.annotate(did_count=Coalesce(numbers, 0, output_field=models.BigIntegerField()))


class Operator(Recorded):
    """A DID provider of a reseller. The reseller of a number is the reseller of its operator."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="operators", db_index=False)
    name = models.CharField(max_length=100)
    hold_days = HoldDaysField()

    objects = OperatorQuerySet.as_manager()
    kinds = (Change.Kind.OPERATOR,) * 3

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reseller", "name"], name="operator_name_per_reseller"),
            hold_days_in_range("operator_hold_days"),
        ]
        indexes = [models.Index(fields=["name"], name="operator_name")]

    def clean(self):
        """Where clients have its numbers, their reseller stays its own."""
        if self.pk and (held := self._held_elsewhere()):
            raise ValidationError(
                {
                    "reseller": f"Clients of another reseller than {self.reseller} have"
                    f" {count_noun(held, 'number')} of it (Active, Blocked or Hold); it can move when"
                    " they are back in stock."
                }
            )

    def _held_elsewhere(self):
        """How many of its numbers would be with clients of another reseller; 0 without a query mostly."""
        if Operator.objects.filter(pk=self.pk, reseller=self.reseller_id).exists():
            return 0
        return self.dids.filter(account__isnull=False).count()

    def name_taken(self):
        return f"{self.reseller} has an operator “{self.name}” already."

    def uses(self):
        """Return how many numbers it owns, as ["12 numbers"] or []; read from the counters."""
        numbers = self.stock.aggregate(numbers=Coalesce(Sum("numbers"), 0))["numbers"]
        return [count_noun(numbers, "number")] if numbers else []


OperatorHistory = history.track(Operator)

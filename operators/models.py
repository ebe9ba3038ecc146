"""Operators, the DID providers that own numbers."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

import audit
from audit import history
from audit.models import Change
from audit.words import index_words
from clients.models import BranchQuerySet, HoldDaysField, Recorded, Reseller, hold_days_in_range
from clients.names import NameField
from didmgmt.text import count_noun


class OperatorQuerySet(BranchQuerySet):
    def with_did_count(self):
        """Annotate ``did_count`` from the counters; no numbers are read."""
        counted = Operator.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
        numbers = Subquery(counted.annotate(numbers=Sum("stock__numbers")).values("numbers"))
        return self.annotate(did_count=Coalesce(numbers, 0, output_field=models.BigIntegerField()))


class Operator(Recorded):
    """A DID provider of a reseller. The reseller of a number is the reseller of its operator."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="operators", db_index=False)
    name = NameField()
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
        """Refuse another reseller while numbers of this operator are in use or in reservations."""
        if self.pk is None or Operator.objects.filter(pk=self.pk, reseller=self.reseller_id).exists():
            return
        if held := self.dids.filter(account__isnull=False).count():
            raise ValidationError(
                {
                    "reseller": f"Clients of a reseller other than {self.reseller} have"
                    f" {count_noun(held, 'number')} of this operator (Active, Blocked or Hold). It can move"
                    " when these are back in stock."
                }
            )
        if reserved := self.dids.filter(reservation__isnull=False).count():
            raise ValidationError(
                {
                    "reseller": f"{count_noun(reserved, 'number')} of this operator"
                    f" {'is' if reserved == 1 else 'are'} in reservations of a reseller other than"
                    f" {self.reseller}. It can move when these have ended."
                }
            )

    def record_with_reseller(self, reseller, *, by):
        """Insert an unsaved reseller and this operator of it in one change; raise what ``record`` raises."""
        label = f"New operator {self} of the new reseller {reseller}"
        with audit.change(Change.Kind.OPERATOR, by=by, label=label):
            reseller.record(by=by, fields=[])
            self.reseller = reseller
            return self.record(by=by, fields=[])

    def name_taken(self):
        return f"{self.reseller} already has an operator “{self.name}”."

    def delete_advice(self):
        return "Delete them first. Numbers that are Active, Blocked or on Hold must become free before that."

    def uses(self):
        """Return how many numbers it owns, as ["12 numbers"] or []; read from the counters."""
        numbers = self.stock.total()
        return [count_noun(numbers, "number")] if numbers else []


OperatorHistory = history.track(Operator)

index_words(Operator._meta.db_table, "name")

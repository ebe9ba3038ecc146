"""Operators: the DID providers that own numbers."""

from django.db import models

from audit import history
from clients.models import BranchQuerySet, HoldDaysField, Reseller, hold_days_in_range


class Operator(models.Model):
    """A DID provider of a reseller. The reseller of a number is the reseller of its operator."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(Reseller, on_delete=models.PROTECT, related_name="operators", db_index=False)
    name = models.CharField(max_length=100)
    hold_days = HoldDaysField()

    objects = BranchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reseller", "name"], name="operator_name_per_reseller"),
            hold_days_in_range("operator_hold_days"),
        ]
        indexes = [models.Index(fields=["name"], name="operator_name")]

    def __str__(self):
        return self.name


OperatorHistory = history.track(Operator)

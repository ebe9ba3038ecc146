"""Levels of the stock: how many numbers of an operator, a tag or a prefix should be In Stock at least.

The stock is read from the counters, never counted in the inventory.
"""

from urllib.parse import urlencode

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat

import audit
from audit.models import Change
from clients.models import BranchQuerySet, Reseller
from clients.tags import MAX_TAG
from didmgmt import clock
from didmgmt.text import count_noun
from dids.lifecycle import statuses as st
from dids.models.counters import Stock
from dids.models.head_stock import HeadStock
from dids.models.prefixes import AFTER_DIGITS, NumberHead
from operators.models import Operator

LEVEL_MOST = 10_000_000
PREFIX_MOST = 15


def _sum(rows, column):
    total = Func(F(column), function="sum", output_field=models.BigIntegerField())
    return Subquery(rows.order_by().annotate(_sum=total).values("_sum"))


def _in_stock():
    """Return the expression for the stock of a level, within its reseller if it has one."""
    of_branch = {"operator__reseller": Coalesce(OuterRef("reseller"), F("operator__reseller"))}
    stock = Stock.objects.filter(status=st.INSTOCK, **of_branch)
    heads = HeadStock.objects.filter(
        head__gte=OuterRef("prefix"), head__lt=Concat(OuterRef("prefix"), Value(AFTER_DIGITS)), **of_branch
    )
    return Coalesce(
        Case(
            When(operator__isnull=False, then=_sum(stock.filter(operator=OuterRef("operator")), "numbers")),
            When(prefix__gt="", then=_sum(heads, st.INSTOCK)),
            default=_sum(stock.filter(tag_set__tags__name=OuterRef("tag")), "numbers"),
        ),
        0,
        output_field=models.BigIntegerField(),
    )


class StockLevelQuerySet(BranchQuerySet):
    def visible_to(self, user):
        """Return the levels of the user's branch; of an operator only while it belongs to that branch."""
        found = super().visible_to(user)
        return found.in_force() if user.is_authenticated and user.reseller_id else found

    def in_force(self):
        """Leave out levels of operators that have moved to another reseller since."""
        return self.filter(Q(operator=None) | Q(operator__reseller=F("reseller")))

    def with_stock(self):
        """Annotate ``in_stock`` from the counters, and ``is_low``: whether it was below the level last."""
        low = LowStock.objects.filter(level=OuterRef("pk"))
        return self.annotate(in_stock=_in_stock(), is_low=Exists(low))

    def differing(self):
        """Return the levels in force that have been crossed since somebody looked last."""
        crossed = Q(in_stock__lt=F("minimum"), is_low=False) | Q(in_stock__gte=F("minimum"), is_low=True)
        return self.in_force().with_stock().filter(crossed)


class StockLevel(models.Model):
    """The least number of numbers In Stock of one subject: an operator, a tag or a prefix.

    ``reseller``: counts its numbers alone; None: everybody's. That of an operator is the operator's.
    ``tag``: its name as text, so that it stays readable. ``prefix``: digits; numbers count that have at least
    four more.
    """

    OF = {"operator": "Operator", "tag": "Tag", "prefix": "Prefix"}
    MOST = 200  # of a branch

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(
        Reseller, null=True, blank=True, on_delete=models.CASCADE, related_name="stock_levels"
    )
    operator = models.ForeignKey(
        Operator, null=True, blank=True, on_delete=models.CASCADE, related_name="stock_levels"
    )
    tag = models.CharField(max_length=MAX_TAG, blank=True)
    prefix = models.CharField(max_length=PREFIX_MOST, blank=True)
    minimum = models.PositiveIntegerField(
        "Level", validators=[MinValueValidator(1), MaxValueValidator(LEVEL_MOST)]
    )

    objects = StockLevelQuerySet.as_manager()

    class Meta:
        verbose_name = "stock level"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(operator__isnull=False, tag="", prefix="")
                | Q(operator__isnull=True, tag="", prefix__gt="")
                | Q(operator__isnull=True, tag__gt="", prefix=""),
                name="stock_level_of_one",
            ),
            models.UniqueConstraint(
                fields=["operator"], condition=Q(operator__isnull=False), name="stock_level_of_operator"
            ),
            models.UniqueConstraint(
                fields=["reseller", "tag", "prefix"],
                condition=Q(operator__isnull=True, reseller__isnull=False),
                name="stock_level_of_reseller",
            ),
            models.UniqueConstraint(
                fields=["tag", "prefix"],
                condition=Q(operator__isnull=True, reseller__isnull=True),
                name="stock_level_of_all",
            ),
        ]

    def __str__(self):
        return f"{self.OF[self.of]} {self.subject}"

    @property
    def of(self):
        """Return "operator", "tag" or "prefix"."""
        return "operator" if self.operator_id else "prefix" if self.prefix else "tag"

    @property
    def subject(self):
        return str(self.operator) if self.operator_id else self.prefix or self.tag

    @property
    def query(self):
        """Return the parameters of the list of the numbers that it counts."""
        names = {
            "operator": {"operator": self.operator_id},
            "tag": {"tag": self.tag},
            "prefix": {"q": f"{self.prefix}*"},
        }
        reseller = {"reseller": self.reseller_id} if self.reseller_id and self.of != "operator" else {}
        return {"status": st.INSTOCK, **names[self.of], **reseller}

    @property
    def address(self):
        return urlencode(self.query)

    @property
    def missing(self):
        """How many numbers the stock is below the level; needs ``with_stock``."""
        return self.minimum - self.in_stock

    def too_long(self):
        """Return the longest part of the prefix that can have a level, "" if the whole of it can.

        Numbers are counted by all their digits but the last four. Those that begin with the prefix but have
        fewer than four more digits would not be counted. One query.
        """
        parts = [self.prefix[:length] for length in range(1, len(self.prefix))]
        found = NumberHead.objects.filter(head__in=parts).values_list("head", flat=True)
        return min(found, key=len, default="")

    # --- writes: changes of the audit log with the earlier and later level, without history rows

    def create(self, *, by):
        with self._change(by, f"Level of {self} set to {self.minimum:,}") as change:
            self.save(force_insert=True)
            change.count_object(self.reseller_id)

    def set_minimum(self, *, by, was):
        """Store ``minimum``, which ``was`` another one; return False if the level was deleted meanwhile."""
        edited = [["Level", f"{was:,}", f"{self.minimum:,}"]]
        with self._change(by, f"Level of {self} set to {self.minimum:,}", {"edited": edited}) as change:
            found = StockLevel.objects.filter(pk=self.pk).update(minimum=self.minimum)
            if found and self.minimum != was:
                change.count_object(self.reseller_id)
        return bool(found)

    @property
    def deleted_sentence(self):
        return f"The level of {self} is deleted."

    def remove(self, *, by):
        with self._change(by, f"Level of {self} deleted") as change:
            if StockLevel.objects.filter(pk=self.pk).delete()[0]:
                change.count_object(self.reseller_id)

    def _change(self, by, label, data=None):
        return audit.change(Change.Kind.STOCK_LEVEL, by=by, label=label, data=data)

    @classmethod
    def settle(cls, pk):
        """Record whether the stock is below a level now; return the level if it has fallen, else None.

        Call it in a transaction: of several workers, one finds that it has fallen. It falls again only after
        it has been back at the level.
        """
        if not cls.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk").first():
            return None
        level = cls.objects.differing().filter(pk=pk).select_related("operator", "reseller").first()
        if level is None:
            return None
        if level.is_low:
            LowStock.objects.filter(level=pk).delete()
            return None
        LowStock.objects.create(level=level, since=clock.database_now(), in_stock=level.in_stock)
        return level

    def low_sentence(self, in_stock):
        """Return that the stock has fallen, without the name of its subject."""
        return f"has {count_noun(in_stock, 'number')} In Stock, fewer than its level of {self.minimum:,}."


class LowStock(models.Model):
    """A level that the stock is below. ``since``: when that was found; ``in_stock``: the stock then."""

    level = models.OneToOneField(StockLevel, primary_key=True, on_delete=models.CASCADE, related_name="low")
    since = models.DateTimeField()
    in_stock = models.PositiveBigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"{self.level_id} since {self.since}"

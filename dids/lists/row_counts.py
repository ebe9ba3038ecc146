"""Annotate the counts that the lists of resellers, clients, accounts and packages show in each row.

Each count is a subquery of its own, so that none multiplies another. It is evaluated only for the rows of
the page. Numbers are counted up to ``COUNTED_TO``, so that a page costs the same however many there are; a
list that is sorted by its numbers counts those of every row exactly, by the alias ``all_dids``.
"""

from django.db.models import BigIntegerField, Count, Func, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from clients.models import Account, Client, Package
from didmgmt import listing
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Stock
from operators.models import Operator

COUNTED_TO = 10_000  # matching numbers; a count of more is a lower bound


def with_package_counts(packages, now):
    """Annotate ``client_count``, client packages running at ``now``, and ``did_count``, numbers in use."""
    return packages.alias(all_dids=_count(_in_use(), "client_package__package")).annotate(
        client_count=_count(ClientPackage.objects.running(now), "package"),
        did_count=_count_some(_in_use(), "client_package__package"),
    )


def with_client_counts(clients, now):
    """Annotate ``account_count``, ``package_count`` (running at ``now``) and ``did_count`` (in use)."""
    return clients.alias(all_dids=_count(_in_use(), "client_package__client")).annotate(
        account_count=_count(Account.objects.all(), "client"),
        package_count=_count(ClientPackage.objects.running(now), "client"),
        did_count=_count_some(_in_use(), "client_package__client"),
    )


def with_account_counts(accounts):
    """Annotate ``did_count``, numbers in use, and ``hold_count``, numbers on Hold."""
    return accounts.alias(all_dids=_count(_in_use(), "account")).annotate(
        did_count=_count_some(_in_use(), "account"),
        hold_count=_count_some(DID.objects.filter(status=st.HOLD), "account"),
    )


def with_reseller_counts(resellers):
    """Annotate counts of operators, clients and packages, and ``did_count``, its operators' numbers."""
    stock = Stock.objects.filter(operator__reseller=OuterRef("pk")).order_by().values("operator__reseller")
    numbers = Subquery(stock.annotate(all=Sum("numbers")).values("all"))
    return resellers.annotate(
        operator_count=_count(Operator.objects.all(), "reseller"),
        client_count=_count(Client.objects.all(), "reseller"),
        package_count=_count(Package.objects.all(), "reseller"),
        did_count=Coalesce(numbers, 0, output_field=BigIntegerField()),
    )


def _count(rows, lookup):
    """Return a subquery that counts ``rows`` by ``lookup``, their path to the outer row."""
    counted = rows.filter(**{lookup: OuterRef("pk")}).order_by().values(lookup).annotate(rows=Count("pk"))
    return Coalesce(Subquery(counted.values("rows")), 0, output_field=BigIntegerField())


class _LowerBound(BigIntegerField):
    """A count that is read as a ``listing.Count`` of at most ``COUNTED_TO``."""

    def from_db_value(self, value, *_):
        return listing.Count.up_to(COUNTED_TO, value)


def _count_some(rows, lookup):
    """Return the same as ``_count``, but of at most ``COUNTED_TO`` rows and one more."""
    some = rows.filter(**{lookup: OuterRef("pk")}).order_by().values("pk")[: COUNTED_TO + 1]
    counted = "(SELECT count(*) FROM %(expressions)s AS counted)"
    return Func(Subquery(some), template=counted, output_field=_LowerBound())


def _in_use():
    return DID.objects.filter(status__in=st.IN_USE)

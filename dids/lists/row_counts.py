"""Annotate the counts that the lists of resellers, clients, accounts and packages show in each row.

Each count is a subquery of its own, so that none multiplies another. It is evaluated only for the rows of
the page, unless the list is sorted by it.
"""

from django.db.models import BigIntegerField, Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from clients.models import Account, Client, Package
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Stock
from operators.models import Operator


def with_package_counts(packages, now):
    """Annotate ``client_count``, client packages running at ``now``, and ``did_count``, numbers in use."""
    return packages.annotate(
        client_count=_count(ClientPackage.objects.running(now), "package"),
        did_count=_count(_in_use(), "client_package__package"),
    )


def with_client_counts(clients, now):
    """Annotate ``account_count``, ``package_count`` (running at ``now``) and ``did_count`` (in use)."""
    return clients.annotate(
        account_count=_count(Account.objects.all(), "client"),
        package_count=_count(ClientPackage.objects.running(now), "client"),
        did_count=_count(_in_use(), "client_package__client"),
    )


def with_account_counts(accounts):
    """Annotate ``did_count``, numbers in use, and ``hold_count``, numbers on Hold."""
    return accounts.annotate(
        did_count=_count(_in_use(), "account"),
        hold_count=_count(DID.objects.filter(status=st.HOLD), "account"),
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


def _in_use():
    return DID.objects.filter(status__in=st.IN_USE)

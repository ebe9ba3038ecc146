"""What resellers, clients and packages hold: counts beside the rows of their lists.

Each is a subquery of its own, so that none multiplies another, and only those of the page's rows are
worked out unless the list is sorted by them.
"""

from django.db.models import BigIntegerField, Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from clients.models import Account, Client, Package
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage, Stock
from operators.models import Operator


def _count(rows, of):
    """How many of ``rows`` (a queryset) have ``of`` (a lookup to the outer row)."""
    counted = rows.filter(**{of: OuterRef("pk")}).order_by().values(of).annotate(rows=Count("pk"))
    return Coalesce(Subquery(counted.values("rows")), 0, output_field=BigIntegerField())


def _in_place():
    return DID.objects.filter(status__in=st.IN_USE)


def of_packages(packages, now):
    """Annotates ``client_count``, client packages that run at ``now``, and ``did_count``, their numbers."""
    return packages.annotate(
        client_count=_count(ClientPackage.objects.running(now), "package"),
        did_count=_count(_in_place(), "client_package__package"),
    )


def of_clients(clients, now):
    """Annotates ``account_count``, ``package_count`` (running at ``now``) and ``did_count`` (in use)."""
    return clients.annotate(
        account_count=_count(Account.objects.all(), "client"),
        package_count=_count(ClientPackage.objects.running(now), "client"),
        did_count=_count(_in_place(), "client_package__client"),
    )


def of_accounts(accounts):
    """Annotates ``did_count``, numbers routed to each, and ``hold_count``, those that rest after it."""
    return accounts.annotate(
        did_count=_count(_in_place(), "account"),
        hold_count=_count(DID.objects.filter(status=st.HOLD), "account"),
    )


def of_resellers(resellers):
    """Annotates counts of operators, clients and packages, and ``did_count``: of its operators' numbers."""
    stock = Stock.objects.filter(operator__reseller=OuterRef("pk")).order_by().values("operator__reseller")
    numbers = Subquery(stock.annotate(all=Sum("numbers")).values("all"))
    return resellers.annotate(
        operator_count=_count(Operator.objects.all(), "reseller"),
        client_count=_count(Client.objects.all(), "reseller"),
        package_count=_count(Package.objects.all(), "reseller"),
        did_count=Coalesce(numbers, 0, output_field=BigIntegerField()),
    )

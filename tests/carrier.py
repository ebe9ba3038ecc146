"""The minimal records needed to assign a number, for tests of the domain."""

from datetime import timedelta
from types import SimpleNamespace

from django.contrib.auth.models import Permission
from django.utils import timezone

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from didmgmt.listing import Selection
from dids.models import DID, ClientPackage, Reservation
from operators.models import Operator
from staff.models import Token, User


def carrier(name="North", *, did_limit=100, **package):
    """Create a reseller with an operator, and a client with an active package and one account."""
    reseller = Reseller.objects.create(name=name)
    client = Client.objects.create(reseller=reseller, name=f"{name} Bakery")
    package = Package.objects.create(reseller=reseller, name="Basic", did_limit=did_limit, **package)
    return SimpleNamespace(
        reseller=reseller,
        operator=Operator.objects.create(reseller=reseller, name=f"{name} Telecom"),
        client=client,
        account=Account.objects.create(client=client, name=f"{name.lower()}_bakery"),
        package=package,
        client_package=ClientPackage.objects.create(
            client=client, package=package, starts_at=timezone.now() - timedelta(days=30)
        ),
    )


def everything(operator):
    """Return the numbers of ``operator`` as the list selects them."""
    dids = DID.objects.filter(operator=operator)
    selection = Selection(dids, "all", query=f"operator={operator.pk}")
    selection.queryset, selection.count = dids, dids.count()
    return selection


def numbers_in(status, numbers, house, *, now=None, **new):
    """Create ``numbers``, move them to ``status`` by legal transitions and return them as a queryset."""
    start = status if status in ("reserved", "instock", "archive") else "instock"
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM, status=start, now=now, **new)
    dids = DID.objects.filter(number__in=numbers)
    if status in ("active", "blocked", "hold"):
        dids.assign(house.client_package, house.account, by=SYSTEM, now=now)
    if status == "blocked":
        dids.block(by=SYSTEM, now=now)
    if status == "hold":
        dids.hold(by=SYSTEM, now=now)
    assert set(dids.values_list("status", flat=True)) == {status}
    return dids


def reserved(house, numbers=("100", "101", "102"), *, by=SYSTEM, now=None, days=7, **fields):
    """Reserve In Stock ``numbers`` for the client of ``house``; return the reservation."""
    now = now or timezone.now()
    fields = {
        "client": house.client,
        "purpose": "Offer 20433",
        "ends_at": days and now + timedelta(days=days),
    } | fields
    reservation = Reservation.draft(by=by, reseller=house.reseller, made_at=now, **fields)
    result = DID.objects.filter(number__in=numbers).reserve(reservation, by=by, now=now)
    assert result.done == len(numbers), result.sentence()
    return reservation


def used_for_a_day(start):
    """Create a carrier whose client has number 100 for one day from ``start`` on; 101 is In Stock."""
    house, day = carrier(), timedelta(days=1)
    ClientPackage.objects.update(starts_at=start - day)
    numbers_in("instock", ["100", "101"], house, now=start - day)
    dids = DID.objects.filter(number="100")
    dids.assign(house.client_package, house.account, by=SYSTEM, now=start)
    dids.hold(by=SYSTEM, now=start + day)
    return house


def person(username, *permissions, reseller=None):
    """Create a user with exactly these permissions ("dids.change_did", …)."""
    user = User.objects.create_user(username, password="secret-enough-9", reseller=reseller)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)


def token_of(owner, scopes="dids:read", **fields):
    """Create an API token without a secret that anybody knows."""
    fields = {"name": "billing", "key": f"Key{owner.pk}", "reseller": owner.reseller} | fields
    ends = timezone.now() + timedelta(days=1)
    return Token.objects.create(owner=owner, scopes=scopes, expires_at=ends, **fields)

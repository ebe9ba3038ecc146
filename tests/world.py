"""The users and records that tests of screens share: two resellers and the numbers of the manual."""

import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.utils import timezone

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from dids.models import DID, AgeingRule, ClientPackage, PatternRule
from operators.models import Operator
from staff.middleware import STARTED, sign_seen
from staff.models import User
from staff.sessions import SessionStore

PASSWORD = "correct-horse-9"

# {number: (operator, status)}, in the order of the ids in the manual
NUMBERS = {
    "12568": ("operator", "reserved"),
    "2568": ("operator", "blocked"),
    "2567": ("operator", "active"),
    "2563": ("operator", "hold"),
    "12567": ("operator", "archive"),
    "256999": ("operator", "instock"),
    "3333": ("operator_2", "instock"),
    "111": ("operator", "reserved"),
    "112": ("operator", "reserved"),
    "113": ("operator", "reserved"),
    "114": ("operator", "reserved"),
    "115": ("operator", "reserved"),
    "116": ("operator", "reserved"),
}


@dataclass
class World:
    """Reseller 1 with "DID Operator", Rose Orig and twelve numbers; Reseller 2 with one number."""

    reseller: Reseller
    reseller_2: Reseller
    operator: Operator
    operator_2: Operator
    client: Client
    account: Account
    package: Package
    client_package: ClientPackage

    def did(self, number):
        """Return the number as stored now."""
        return DID.objects.get(number=number)


def make_world():
    reseller, reseller_2 = (Reseller.objects.create(name=f"Reseller {n}") for n in (1, 2))
    client = Client.objects.create(reseller=reseller, name="Rose Orig")
    package = Package.objects.create(reseller=reseller, name="Basic", did_limit=5)
    world = World(
        reseller=reseller,
        reseller_2=reseller_2,
        operator=Operator.objects.create(reseller=reseller, name="DID Operator"),
        operator_2=Operator.objects.create(reseller=reseller_2, name="DID Operator 2"),
        client=client,
        account=Account.objects.create(client=client, name="rose_orig"),
        package=package,
        client_package=ClientPackage.objects.create(
            client=client, package=package, starts_at=timezone.now() - timedelta(days=30)
        ),
    )
    for (operator, status), numbers in groupby(NUMBERS, key=_operator_and_first_status):
        DID.objects.create_numbers([*numbers], operator=getattr(world, operator), by=SYSTEM, status=status)
    in_use = DID.objects.filter(
        number__in=[n for n, (_, s) in NUMBERS.items() if s in ("active", "blocked", "hold")]
    )
    in_use.assign(world.client_package, world.account, by=SYSTEM)
    in_use.filter(number="2568").block(by=SYSTEM)
    in_use.filter(number="2563").hold(by=SYSTEM)
    return world


def _operator_and_first_status(number):
    """Return (operator, first status); adjacent numbers with equal values are created together."""
    operator, status = NUMBERS[number]
    return operator, "instock" if status in ("active", "blocked", "hold") else status


def member(role, *, username=None, reseller=None, **fields):
    """Create a user with a role ("Viewer" … "Administrator"), limited to ``reseller`` when given."""
    user = User.objects.create_user(username or role.lower(), password=PASSWORD, reseller=reseller, **fields)
    user.groups.add(Group.objects.get(name=role))
    return user


def suggested_rule():
    """Return the minimum hold of +41, which migrations suggest and tests that commit delete."""
    fields = {"place": "Switzerland", "days": 180, "source": "SR 784.104"}
    return AgeingRule.objects.get_or_create(prefix="41", defaults=fields)[0]


def pattern_rule():
    """Return a rule that marks numbers with three alike at the end."""
    fields = {"mark_class": "silver", "kind": "pattern", "name": "Three alike at the end", "position": 1}
    return PatternRule.objects.get_or_create(text="AAA", defaults=fields)[0]


def client_of(user):
    """Return a test client signed in as ``user``. Its session has begun: the first request writes nothing."""
    browser, now = Browser(), int(time.time())
    key = _session_of(user, {STARTED: now})
    browser.cookies[settings.SESSION_COOKIE_NAME] = key
    browser.cookies[settings.SEEN_COOKIE_NAME] = sign_seen(key, user.pk, now)
    return browser


def session_cookie(user, url):
    """Return the cookie that signs a real browser in as ``user`` at ``url``."""
    return {"name": settings.SESSION_COOKIE_NAME, "value": _session_of(user, {}), "url": url}


def _session_of(user, more):
    """Write a session as signing in does, but in one statement, and return its key."""
    session = SessionStore()
    session.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "staff.backends.StaffBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    session.update(more)
    session.create()
    return session.session_key

"""Programs meet the minimum holds of numbers as people do."""

import json

import pytest

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package
from didmgmt import clock
from dids.models import DID, AgeingRule, ClientPackage
from tests.world import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def bakery(world):
    """Return the package and account of Bakery, which may not have 2567 yet."""
    client = Client.objects.create(reseller=world.reseller, name="Bakery")
    package = Package.objects.create(reseller=world.reseller, name="Loaf", did_limit=9)
    given = ClientPackage.objects.create(client=client, package=package, starts_at=clock.now())
    account = Account.objects.create(client=client, name="oven")
    rule = AgeingRule(prefix="25", days=45, source="the contract")
    rule.create(by=SYSTEM)
    rule.accept(by=member("Administrator", username="admin"))
    DID.objects.filter(number="2567").hold(by=SYSTEM)
    DID.objects.filter(number="2567").end_hold(by=SYSTEM)
    return {"client_package": given.pk, "account": account.pk}


REASON = {"override_reason": "Same owner after a merger"}


def test_a_number_that_ages_is_refused_with_the_day_from_which_it_may_be_sold(api, bakery):
    program = api(member("Supervisor"))

    answer = program.post("/dids/2567/assign", bakery)
    assert answer.status == 409
    assert "ageing after use by another client, may be sold again on " in json.dumps(answer.json)
    rehearsed = program.post(
        "/dids/bulk", {"action": "assign", "numbers": ["2567"], "dry_run": True} | bakery
    )
    assert "ageing" in json.dumps(rehearsed.json)


def test_a_reason_needs_the_right_to_override_and_is_kept_with_the_change(api, bakery):
    assert api(member("Supervisor")).post("/dids/2567/assign", bakery | REASON).status == 403
    admin = api(member("Administrator"))
    too_long = admin.post("/dids/2567/assign", bakery | {"override_reason": "x" * 201})
    assert too_long.status == 422 and "#/override_reason" in too_long.errors

    assert admin.post("/dids/2567/assign", bakery | REASON).status == 200

    assert Change.objects.filter(kind="assign").latest("pk").data["override"] == "Same owner after a merger"

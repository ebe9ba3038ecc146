"""An operator moves to another reseller: what each of the two resellers is told afterwards."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from audit import SYSTEM
from audit.models import Change
from clients.models import Client
from dids.models import DID
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
SECRETS = ["North Bakery", "north_bakery", "North Telecom", "Basic of", "northern notes", "northern clerk"]


@pytest.fixture
def north():
    """Return the reseller that had an operator, whose number 100 a client used and released."""
    north = carrier("North")
    clerk = member("Supervisor", username="northern clerk", reseller=north.reseller)
    dids = numbers_in("active", ["100"], north, notes="northern notes", hold_days=0)
    dids.hold(by=clerk)
    north.dids, north.clerk = dids, clerk
    return north


@pytest.fixture
def south(north):
    """Return the reseller that the operator moved to and that renamed it."""
    south = carrier("South")
    north.moved_at = timezone.now()
    operator = Operator.objects.get(pk=north.operator.pk)
    operator.reseller, operator.name = south.reseller, "Southern Line"
    operator.record(by=SYSTEM, fields=["reseller", "name"])
    south.clerk = member("Supervisor", username="southern clerk", reseller=south.reseller)
    north.dids.edit(by=south.clerk, notes="southern notes")
    return south


def told(user, north, at):
    """Return what the user's pages about number 100 say."""
    browser, (did,) = client_of(user), north.dids
    who = urlencode({"numbers": "100", "at": at.isoformat()})
    log = [
        f"/audit/{pk}/{page}"
        for pk in Change.objects.values_list("pk", flat=True)
        for page in ("", "rows.csv")
    ]
    pages = [
        f"/dids/{did.pk}/history/", f"/dids/{did.pk}/", "/dids/", f"/dids/?as_of={at:%Y-%m-%dT%H:%M:%S.%fZ}",
        f"/audit/who-had-it/?{who}", f"/audit/who-had-it/csv/?{who}", "/audit/", "/audit/?object=100", *log,
    ]  # fmt: skip
    answers = [browser.get(page, follow=True) for page in pages]
    return "".join(b"".join(answer).decode() for answer in answers)


def test_the_new_reseller_learns_nothing_from_before(north, south):
    for at in (north.moved_at - MINUTE, north.moved_at, timezone.now()):
        text = told(south.clerk, north, at)
        assert "southern notes" in text
        assert [secret for secret in SECRETS if secret in text] == []


def test_the_old_reseller_keeps_its_time_and_learns_nothing_since(north, south):
    Client.objects.filter(pk=north.client.pk).update(name="North Bakery & Sons")
    text = told(north.clerk, north, north.moved_at)
    assert "northern notes" in text and "North Telecom" in text and "North Bakery &amp; Sons" in text
    assert [
        secret for secret in ("Southern Line", "southern notes", "southern clerk") if secret in text
    ] == []


def test_only_what_was_before_and_after_in_a_reseller_can_be_undone_there(north, south):
    then, first = Change.objects.order_by("pk")[1], Change.objects.latest("pk")
    second = Change.objects.get(pk=north.dids.edit(by=south.clerk, notes="newer notes").change)
    for user, change in [(north.clerk, then), (north.clerk, second), (south.clerk, then)]:
        assert client_of(user).post(f"/audit/{change.pk}/undo/", {"step": "apply"}).status_code == 404
    # The notes that came with the operator were the new reseller's when it wrote its own.
    for change, notes in [(second, "southern notes"), (first, "northern notes")]:
        assert client_of(south.clerk).post(f"/audit/{change.pk}/undo/", {"step": "apply"}).status_code == 302
        assert north.dids.get().notes == notes


def test_choices_and_last_clients_are_those_of_the_new_reseller(north, south):
    available = DID.objects.visible_to(south.clerk).available_for(south.client_package)
    assert available.with_last_holder(south.clerk).get().left_at is None
    assert available.with_last_holder(member("Clerk")).get().left_at
    answer = client_of(north.clerk).get("/operators/choices/?q=Line&gone=1")
    assert json.loads(answer.content)["results"] == []

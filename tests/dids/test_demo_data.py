"""Demonstration data is complete, consistent, reproducible, and never mixed with existing numbers."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count

from audit import SYSTEM
from dids.demo import world as demo
from dids.lifecycle import statuses as st
from dids.models import DID, DIDHistory, Stock
from staff.models import User
from tests.carrier import carrier

pytestmark = pytest.mark.django_db

NUMBERS = 6_000  # the default; with far fewer some status may be missing on the last day


def test_the_world_has_every_status_tags_notes_and_a_past_that_moves_made():
    call_command("demo_data", stdout=StringIO())

    counts = dict(DID.objects.values_list("status").annotate(Count("pk")).order_by())

    assert set(counts) == set(st.LABELS)
    assert DID.objects.count() == NUMBERS
    assert DID.objects.filter(tag_set__isnull=False).exists()
    assert DID.objects.exclude(notes="").exists()
    kinds = set(DIDHistory.objects.values_list("change__kind", flat=True))
    assert kinds >= {"create", "assign", "hold", "block"}
    first, last = (DIDHistory.objects.order_by(order).first().at for order in ("at", "-at"))
    assert (last - first).days > 60
    # Every number has a history, which people and the system made.
    assert DIDHistory.objects.filter(event="+").values("object_id").distinct().count() >= NUMBERS
    assert not DIDHistory.objects.filter(change__isnull=True).exists()
    assert set(DIDHistory.objects.values_list("change__actor_kind", flat=True)) == {"person", "system"}
    assert User.objects.filter(changes__isnull=False, groups__isnull=False).exists()
    # The counters are exact, and no hold is overdue.
    assert Stock.objects.by_status() == counts


def test_an_inventory_with_numbers_is_left_alone():
    DID.objects.create_numbers(["100"], operator=carrier().operator, by=SYSTEM)

    with pytest.raises(CommandError):
        call_command("demo_data", "--numbers", "100", stdout=StringIO())

    assert DID.objects.count() == 1


def test_a_client_wants_no_more_numbers_than_the_largest_package_carries(monkeypatch):
    monkeypatch.setattr(demo, "PACKAGES", [(name, 5, tags, days) for name, _, tags, days in demo.PACKAGES])

    call_command("demo_data", "--numbers", "300", stdout=StringIO())

    assert DID.objects.count() == 300
    assert DID.objects.filter(status=st.ACTIVE).exists()

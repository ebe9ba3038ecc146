"""Previews of writes: the same as the write, and one pass over the numbers."""

from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from dids.lifecycle import statuses as st
from dids.models import DID
from dids.models.number_plans import Plan
from tests.world import member

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["Supervisor", "Viewer", "Clerk"])
@pytest.mark.parametrize("status", st.LABELS)
def test_a_preview_by_status_is_that_of_each_number(world, role, status):
    by, dids = member(role), DID.objects.exclude(number="116")
    verdicts = Counter(dids.with_edit_verdict(by=by, status=status).values_list("verdict", flat=True))
    result = dids.preview_edit(by=by, status=status)
    counted = Counter({code: refusal.count for code, refusal in result.refusals.items()})
    counted |= {Plan.WRITE: result.done, Plan.UNCHANGED: result.unchanged}
    assert +counted == verdicts
    for code, refusal in result.refusals.items():
        numbers = dids.with_edit_verdict(by=by, status=status).filter(verdict=code)
        assert {*refusal.numbers} <= {*numbers.values_list("number", flat=True)} and refusal.numbers


def test_a_preview_counts_holds_that_are_over_as_over(world, supervisor):
    hold = world.did("2563")
    later = hold.hold_until
    result = DID.objects.filter(pk=hold.pk).preview_edit(by=supervisor, status=st.HOLD, now=later)
    assert (result.unchanged, result.refused) == (0, 1)
    result = DID.objects.filter(pk=hold.pk).preview_edit(by=supervisor, status=st.HOLD)
    assert (result.unchanged, result.refused) == (1, 0)


def test_the_preview_of_a_hold_reads_the_selection_once(world, supervisor):
    """It read them for the verdicts, the days and the clients; the verdict costs a CASE for each number."""
    with CaptureQueriesContext(connection) as seen:
        effects = DID.objects.all().preview_effects(by=supervisor, status=st.HOLD)
    assert effects.hold.count == 2
    counts = [
        one["sql"] for one in seen.captured_queries if "GROUP BY" in one["sql"] and '"dids_did"' in one["sql"]
    ]
    by_status, by_days_and_client, totals = counts
    assert "CASE" not in by_status and by_days_and_client.count('FROM "dids_did"') == 1
    assert "clients_account" in totals


def test_a_deletion_is_previewed_by_status(world, supervisor):
    with CaptureQueriesContext(connection) as seen:
        result = DID.objects.all().preview_delete(by=SYSTEM)
    assert (result.done, result.refused) == (10, 3)
    assert not any("CASE" in one["sql"] and "GROUP BY" in one["sql"] for one in seen.captured_queries)

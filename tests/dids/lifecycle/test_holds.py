"""The rule that a Hold whose end has passed is over: its three forms agree."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audit import SYSTEM
from dids.lifecycle import holds
from dids.models import DID
from tests.carrier import carrier, numbers_in

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("hold_until", "over"),
    [(None, False), (NOON - TICK, True), (NOON, True), (NOON + TICK, False)],
    ids=["no hold", "ended", "ends now", "ends later"],
)
def test_a_hold_is_over_from_its_end_on(hold_until, over):
    assert holds.is_over(hold_until, NOON) is over
    assert holds.status_at("hold", "archive", hold_until, NOON) == ("archive" if over else "hold")


@pytest.mark.django_db
def test_the_q_the_sql_and_the_expression_agree_with_python():
    house = carrier()
    numbers_in("instock", ["100"], house)
    dids = numbers_in("active", ["101", "102", "103"], house)
    for number, end in {"101": NOON - TICK, "102": NOON, "103": NOON + TICK}.items():
        dids.filter(number=number).edit(by=SYSTEM, now=end - 30 * DAY, status="hold", after_hold="archive")
    ended = {did.number for did in DID.objects.all() if holds.is_over(did.hold_until, NOON)}
    assert ended == {"101", "102"}
    assert set(DID.objects.filter(holds.over(NOON)).values_list("number", flat=True)) == ended
    assert list(DID.objects.filter(holds.running(NOON)).values_list("number", flat=True)) == ["103"]
    now = connection.ops.adapt_datetimefield_value(NOON)
    with connection.cursor() as cursor:
        over = holds.over_sql("d", "%(now)s")
        cursor.execute(f"SELECT d.number FROM dids_did d WHERE {over}", {"now": now})
        assert {number for (number,) in cursor} == ended
    assert dict(DID.objects.with_status_now(NOON).values_list("number", "status_now")) == {
        "100": "instock",
        "101": "archive",
        "102": "archive",
        "103": "hold",
    }


def test_a_hold_of_no_days_has_no_end():
    assert holds.end(NOON, 0) is None
    assert holds.end(NOON, 1) == NOON + DAY
    assert holds.end(NOON, 30) == NOON + 30 * DAY


@pytest.mark.parametrize(
    ("left", "days"), [(TICK, 1), (DAY, 1), (DAY + TICK, 2), (30 * DAY, 30), (timedelta(0), 0)]
)
def test_days_left_are_rounded_up(left, days):
    assert holds.days_left(NOON + left, NOON) == days

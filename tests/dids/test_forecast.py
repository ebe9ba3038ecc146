"""The day on which the stock runs dry."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dids.forecast import HORIZON, Rate, forecast
from tests.examples import scaled

COUNTS = st.integers(0, 500)
RATES = st.builds(Rate, COUNTS, COUNTS, st.sampled_from([30, 90]))
RETURNS = st.dictionaries(st.integers(0, 60), st.integers(1, 50), max_size=8)


@settings(max_examples=scaled(40))
@given(stock=st.integers(1, 2_000), returns=RETURNS, rate=RATES, minimum=st.integers(0, 900))
def test_the_stock_is_dry_on_the_first_day_that_leaves_none(stock, returns, rate, minimum):
    found = forecast(stock, returns, rate, minimum)
    known = sum(count for day, count in returns.items() if day)
    left, whole_days = Fraction(stock + returns.get(0, 0)), 0
    if known:
        last = max((day for day in returns if day), default=0)
        whole_days = min(last, -(-known * rate.days // rate.back)) if rate.back else last
    dry, low, curve = None, 0 if left < minimum else None, [(0, float(left))]
    for day in range(1, HORIZON + 1):
        left += returns.get(day, 0) - Fraction(rate.out, rate.days)
        left += Fraction(rate.back, rate.days) if day > whole_days else 0
        low = day if low is None and left < minimum else low
        curve.append((day, max(0.0, float(left))))
        if left <= 0:
            dry = day
            break
    assert (found.dry, found.low) == (dry, low)
    assert found.curve() == [(day, pytest.approx(count)) for day, count in curve]


@settings(max_examples=scaled(40))
@given(stock=st.integers(0, 2_000), returns=RETURNS, rate=RATES, more=st.integers(1, 100))
def test_more_stock_never_runs_dry_sooner(stock, returns, rate, more):
    first, second = (forecast(count, returns, rate).dry for count in (stock, stock + more))
    assert second is None or (first is not None and first <= second)


@pytest.mark.parametrize(
    ("stock", "returns", "rate", "dry"),
    [
        (100, {}, Rate(300, 0, 30), 10),  # ten a day
        (101, {}, Rate(300, 0, 30), 11),
        (100, {5: 20}, Rate(300, 0, 30), 12),
        (100, {10: 20}, Rate(300, 0, 30), 12),  # on the very day on which it would be dry
        (100, {11: 20}, Rate(300, 0, 30), 10),  # too late
        (100, {}, Rate(300, 150, 30), 20),  # five a day come back
        (100, {1: 5, 2: 5, 3: 5}, Rate(300, 150, 30), 20),  # which are these
        (100, {}, Rate(300, 300, 30), None),
        (0, {}, Rate(0, 0, 30), 0),
    ],
)
def test_some_forecasts(stock, returns, rate, dry):
    assert forecast(stock, returns, rate).dry == dry


def test_a_level_is_crossed_before_the_stock_is_dry():
    found = forecast(100, {}, Rate(300, 0, 30), 50)
    assert (found.low, found.dry) == (6, 10)
    assert forecast(49, {}, Rate(300, 0, 30), 50).low == 0

"""When the stock runs dry, from what is In Stock, what is known to return, and what leaves and returns a day.

Days are counted from today, which is 0. What returns on a day is In Stock before that day’s numbers leave.
The known returns stand for the mean of as many days as it takes to bring them in; from then on the mean
counts as well. All sums are whole numbers, so no rounding moves a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass

HORIZON = 365  # days that are looked ahead
DAYS = (30, 90)  # of the past whose mean is taken; the first is the one that warns


@dataclass(frozen=True)
class Rate:
    """How many numbers left the stock (``out``) and returned to it (``back``) in the last ``days`` days."""

    out: int
    back: int
    days: int

    @property
    def out_a_day(self) -> float:
        return self.out / self.days

    @property
    def back_a_day(self) -> float:
        return self.back / self.days


@dataclass(frozen=True)
class Forecast:
    """The days on which the stock is ``dry`` and ``low``, below its level; None: not within HORIZON.

    ``stock``: (day, numbers) at the end of each day from today on, until it is dry.
    """

    dry: int | None
    low: int | None
    stock: list[tuple[int, float]]


def forecast(stock: int, returns: Mapping[int, int], rate: Rate, minimum: int = 0) -> Forecast:
    """Return the Forecast for a ``stock`` of today.

    ``returns``: {day: numbers that are known to become In Stock}, today's as day 0. ``minimum``: its level,
    0 without one.
    """
    mean_from = _mean_from(returns, rate)
    left = (stock + returns.get(0, 0)) * rate.days  # all in numbers times days, so that they are whole
    low = 0 if left < minimum * rate.days else None
    curve = [(0, left / rate.days)]
    if left <= 0 and not stock:
        return Forecast(0, low, curve)
    for day in range(1, HORIZON + 1):
        left += returns.get(day, 0) * rate.days - rate.out + (rate.back if day >= mean_from else 0)
        curve.append((day, max(0, left) / rate.days))
        if low is None and left < minimum * rate.days:
            low = day
        if left <= 0:
            return Forecast(day, low, curve)
    return Forecast(None, low, curve)


def _mean_from(returns: Mapping[int, int], rate: Rate) -> int:
    """Return the first day on which the mean of returns counts."""
    known = sum(count for day, count in returns.items() if day > 0)
    if not known:
        return 1
    last = max(day for day, count in returns.items() if count)
    return min(last, -(-known * rate.days // rate.back)) + 1 if rate.back else last + 1

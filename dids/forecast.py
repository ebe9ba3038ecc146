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

    The other attributes are what ``curve`` needs, in numbers times days, so that they are whole.
    """

    dry: int | None
    low: int | None
    begin: int
    returns: Mapping[int, int]
    rate: Rate
    mean_from: int

    def curve(self, until: int = HORIZON) -> list[tuple[int, float]]:
        """Return (day, numbers at its end) from today until it is dry, at most ``until`` a day."""
        left, days = self.begin, self.rate.days
        found = [(0, left / days)]
        last = until if self.dry is None else min(until, self.dry)
        for day in range(1, last + 1):
            left += _change(day, self.rate, self.mean_from)
            if returned := self.returns.get(day):
                left += returned * days
            found.append((day, max(0, left) / days))
        return found


def forecast(stock: int, returns: Mapping[int, int], rate: Rate, minimum: int = 0) -> Forecast:
    """Return the Forecast for a ``stock`` of today.

    ``returns``: {day: numbers that are known to become In Stock}, today's as day 0. ``minimum``: its level,
    0 without one.
    """
    mean_from = _mean_from(returns, rate)
    begin = (stock + returns.get(0, 0)) * rate.days
    dry, low = (_first_below(limit, begin, returns, rate, mean_from) for limit in (1, minimum * rate.days))
    return Forecast(dry, low if minimum else None, begin, returns, rate, mean_from)


def _first_below(limit: int, left: int, returns: Mapping[int, int], rate: Rate, mean_from: int) -> int | None:
    """Return the first day on which less than ``limit`` is left, None if that is later than HORIZON."""
    if left < limit:
        return 0
    steps = sorted(day for day in {1, mean_from, *returns} if 0 < day <= HORIZON)
    for day, following in zip(steps, [*steps[1:], HORIZON + 1], strict=True):
        change = _change(day, rate, mean_from)  # of each day until the following step
        left += returns.get(day, 0) * rate.days + change
        if left < limit:
            return day
        if change < 0 and (found := day + (left - limit) // -change + 1) < following:
            return found
        left += change * (following - 1 - day)
    return None


def _change(day: int, rate: Rate, mean_from: int) -> int:
    return (rate.back if day >= mean_from else 0) - rate.out


def _mean_from(returns: Mapping[int, int], rate: Rate) -> int:
    """Return the first day on which the mean of returns counts."""
    known = sum(count for day, count in returns.items() if day > 0)
    if not known:
        return 1
    last = max(day for day, count in returns.items() if count)
    return min(last, -(-known * rate.days // rate.back)) + 1 if rate.back else last + 1

"""The overview as of a past day: the stock that the worker kept of it, and the flows of the days up to it."""

from functools import cached_property

from django.db.models import Max, Min, Sum
from django.db.models.functions import Length, Substr

from audit.history import last_known
from dids.lifecycle import statuses as st
from dids.models import StockDay, stock_days
from dids.models.stock_days import OPERATOR, PLACES, PREFIX, PREFIX_DIGITS
from dids.overview import (
    GROUPS_MOST,
    PLACE_NAMES,
    STATUSES,
    Group,
    Overview,
    StatusCount,
    largest,
    prefix_places,
)
from operators.models import Operator


class PastOverview(Overview):
    """``counted``: the ``CountedDay`` that is shown, one with a snapshot.

    Rows are kept by the reseller that an operator had then, and so are its numbers counted. What was to come
    on that day is not kept: forecasts, returns and concerns are those of the present alone.
    """

    def __init__(self, user, counted, reseller=None):
        super().__init__(user, counted.stock_at, reseller)
        self.today = self.base = counted.day
        self.counted_at = counted.stock_at

    @property
    def in_lists(self):
        return {"as_of": stock_days.just_after(self.counted_at).isoformat()}

    @cached_property
    def statuses(self):
        rows = self._kept(OPERATOR)
        counts = rows.aggregate(**{status: Sum(status, default=0) for status in st.LABELS})
        before, total = self._statuses_before, sum(counts.values())
        return [StatusCount(one, counts[one], total, before and before[one]) for one in STATUSES]

    def grouped(self, by):
        """Return the groups as ``Overview`` does, as far as they were kept: see ``CountedDay.has``."""
        rows = self._kept(by).values_list("key").annotate(*(Sum(status) for status in st.LABELS))
        found = sorted(rows, key=lambda row: (-sum(row[1:]), row[0]))[:GROUPS_MOST]
        counts = {key: dict(zip(st.LABELS, numbers, strict=True)) for key, *numbers in found}
        names = self._labels(by, list(counts))
        return largest(
            Group(label, self._query(by, key), counts[key], bold=bold, key=key)
            for key, (bold, label) in names.items()
        )

    def _kept(self, of):
        rows = self._own(StockDay.objects.filter(day=self.today, of=of)).order_by()
        if of == PREFIX:  # those with a level have more digits, or fewer
            rows = rows.annotate(_length=Length("key")).filter(_length=PREFIX_DIGITS)
        return rows

    def _labels(self, of, keys):
        """Return {key: (digits in front, name)}."""
        if of == PREFIX:
            return prefix_places({key: (key, key) for key in keys} | self._ends_of(keys))
        if of == OPERATOR:
            named = last_known(Operator, map(int, keys), "name", viewer=self.user)
            return {str(pk): ("", one["name"]) for pk, one in named.items()}
        return {key: ("", PLACE_NAMES[of].get(key, "Unknown") if of in PLACES else key) for key in keys}

    def _ends_of(self, prefixes):
        """Return {prefix: (first head, last head)} of the branch’s present heads, which name prefixes."""
        heads = self._heads().annotate(_key=Substr("head", 1, PREFIX_DIGITS)).filter(_key__in=prefixes)
        rows = heads.values_list("_key").annotate(Min("head"), Max("head"))
        return {key: ends for key, *ends in rows}

    def _query(self, of, key):
        """Return the parameters of the list of its numbers then; {} for what that list cannot filter by."""
        return {} if of in PLACES else super()._query(of, key) | self.in_lists

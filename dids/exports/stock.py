"""The rows of a file of the stock by status: all numbers, each operator, each group."""

from dids.lifecycle import statuses as st
from dids.models.stock_days import OPERATOR
from dids.overview import STATUSES

HEADER = ("Group", "Name", *(st.LABELS[status] for status in STATUSES), "All")


def stock_rows(overview, by):
    """Yield the header and the rows of an ``Overview``; ``by``: one of ``GROUPED``, besides operators."""
    yield HEADER
    counts = [count.numbers for count in overview.statuses]
    yield ("all", "", *counts, overview.total)
    for kind in (OPERATOR, by):
        for group in overview.grouped(kind):
            yield (kind, group.name, *(group.counts[status] for status in STATUSES), group.total)

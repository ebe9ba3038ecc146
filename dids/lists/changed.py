"""The numbers that one change wrote, found by the change's index on history.

A change may have written a million numbers, so a list of them comes in the order in which it wrote them: a
page reads no further than it shows, and checks for each row of history that the number exists and matches the
other filters. Up to ``IDS_MAX`` rows of history are read at once; these numbers are counted and sorted like
any short list. Any other order of more numbers reads all of the change.
"""

from functools import cached_property

from django.db.models import F, OuterRef, Q, Subquery
from django.urls import reverse

from audit import history
from dids.lists.keyset import DIDKeyset, Partition, Partitions
from dids.models import DID, DIDHistory
from dids.models.lookups import IndexKey

IDS_MAX = 10_000  # rows of history


def changed_url(change_id):
    """Return the list of the numbers that a change wrote, "" for None."""
    return f"{reverse('dids:list')}?change={change_id}" if change_id else ""


class ChangedNumbers:
    """The numbers that ``change`` wrote while ``user`` could see them.

    ``first``: the ids of the first ones in the order written, some of which may be deleted. ``many``: whether
    there may be others. ``condition``: a Q for all of them.
    """

    def __init__(self, change, user):
        self.rows = history.visible_to(DID, user).filter(change=IndexKey(change.pk))
        self._change = change

    @cached_property
    def first(self):
        rows = self.rows.order_by("history_id").values_list("object_id", flat=True)
        return list(dict.fromkeys(rows[:IDS_MAX]))

    @cached_property
    def many(self):
        return self.rows.order_by("history_id").values("history_id")[IDS_MAX : IDS_MAX + 1].exists()

    @property
    def condition(self):
        return Q(pk__in=self.rows.values("object_id")) if self.many else Q(pk__named=self.first)

    def last_rows(self, dids):
        """Return the last row of history that the change wrote to each of its numbers that is in ``dids``.

        Compares with subqueries of one value, because planners may turn EXISTS into a join that reads
        everything; + 0 keeps SQLite from scanning the whole change for each number.
        """
        number = DIDHistory.objects.filter(object_id=OuterRef("object_id"))
        number = number.annotate(_change=F("change_id") + 0).filter(_change=self._change.pk)
        last = number.order_by("-history_id").values("history_id")[:1]
        return self.rows.filter(
            history_id__gte=Subquery(last),
            object_id=Subquery(dids.order_by().filter(pk=OuterRef("object_id")).values("pk")[:1]),
        )


class ChangeKeyset(DIDKeyset):
    """The pages of a ``DIDFilter`` by change, in the order in which the change wrote the numbers."""

    key = "object_id"

    def __init__(self, filterset, *, descending):
        self._filterset, self._sort, self._descending = filterset, "written", descending
        rows = filterset.changed.last_rows(filterset.matching_any_change)
        self._partitions = Partitions([Partition("", lambda most: [rows], "written")])

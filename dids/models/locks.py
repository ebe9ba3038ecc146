"""The one lock order of every write, by which no two writers deadlock.

1. records with a name: resellers, operators, clients, packages, accounts
2. reservations, then client packages, by ascending id
3. numbers, by ascending id
4. new rows, in the order of their unique key: tag sets, then numbers

A transaction that has locked numbers locks no further client package. If it writes several chunks, it locks
the numbers of each after those of the one before, or all of them first. A deadlock is left where a writer
waits for a unique key that another one is inserting, or for a parent that another one deletes; such a request
is tried again (``didmgmt.faults``), and so is a job.
"""

from array import array


def lock_in_order(rows):
    """Lock ``rows``, a queryset, by ascending id until the transaction ends; return their ids as an array.

    On SQLite it only reads: a transaction holds the one write lock from its beginning.
    """
    locked = rows.order_by("pk").select_for_update(no_key=True, of=("self",))
    return array("q", locked.values_list("pk", flat=True))

"""Count what uses an object, and what the undo itself changes about that."""

from collections import Counter

from django.db import models

from clients.models import Package
from dids.history.undo.chunk import IN_PLACE, IN_USE, id_list, is_one_of
from dids.history.undo.verdicts import DELETE
from dids.models import ClientPackage


class PendingUses:
    """Count how the objects that are undone but not written yet change what uses what.

    ``uses``: {(table, column, id): difference in rows}; ``in_use``: the same for rows that are in use
    themselves (numbers that take a place, active client packages). ``places``: {client package: difference}.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        self.uses, self.in_use, self.places = Counter(), Counter(), Counter()

    def add(self, chunk, group):
        for column in chunk.parents:
            now, before = (
                (chunk.table, column, group.live[column]),
                (chunk.table, column, group.prior[column]),
            )
            self.uses[now] -= len(group.ids)
            self.uses[before] += len(group.ids)
            if group.in_use_now:
                self.in_use[now] -= len(group.ids)
            if group.in_use_before:
                self.in_use[before] += len(group.ids)


def free_places(chunk, packages):
    """Return {client package: places that no number takes} as the tables are now; two queries."""
    chunk.params["packages"] = id_list(packages)
    limits = chunk.fetch_all(
        f"""
        SELECT given.id, package.did_limit
        FROM {chunk.rows_of(ClientPackage)} given
        JOIN {chunk.rows_of(Package)} package ON package.id = given.package_id
        WHERE {is_one_of("given.id", "packages")}
        """
    )
    taken = chunk.fetch_all(
        f"""
        SELECT client_package_id, count(*) FROM dids_did
        WHERE status IN {IN_PLACE} AND {is_one_of("client_package_id", "packages")}
        GROUP BY client_package_id
        """
    )
    return {package: limit - dict(taken).get(package, 0) for package, limit in limits}


def used_ids(chunk, group, pending):
    """Return the ids of a group that can't be deleted or closed because something uses them."""
    chunk.params["candidates"] = id_list(group.ids)
    found = set()
    for child, column in _references(chunk.model, group.verdict):
        table = child._meta.db_table
        condition = "1 = 1" if group.verdict == DELETE else f"child.{IN_USE[child]}"
        counts = dict(
            chunk.fetch_all(
                f"""
                SELECT child.{column}, count(*) FROM {table} child
                WHERE {is_one_of(f"child.{column}", "candidates")} AND {condition}
                GROUP BY child.{column}
                """
            )
        )
        differences = pending.uses if group.verdict == DELETE else pending.in_use
        found |= {pk for pk in group.ids if counts.get(pk, 0) + differences[table, column, pk] > 0}
    return found


def _references(model, verdict):
    """Yield (model, foreign key column) of the rows that prevent a delete, or a close."""
    for relation in model._meta.related_objects:
        child = relation.related_model
        if relation.on_delete is models.PROTECT and (verdict == DELETE or child in IN_USE):
            yield child, relation.field.column

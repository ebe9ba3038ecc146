"""What objects were before a change, and whether they can be that again: the SQL of an undo.

A ``Step`` has one kind of object judged and written over a range of the history rows of a change. In its SQL
``r`` is an object at the first of these rows, ``b`` what it was before, ``d`` what it is now; ``cp``, ``p``
and ``c`` are the client package that a number was with, its package and its client. One CASE gives the
verdict of each; of a chunk only ids come to Python.

The status of a number is written here from its own history alone, so there is no move to name: instead of
the table of moves the CASE asks for what a move into the old status would need today.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property

from django.db import connection, models
from django.utils import timezone

from audit import history
from audit.models import Change
from clients.models import Client, Package, Reseller
from dids.lifecycle import statuses as st
from dids.models import CHUNK, DID, ClientPackage
from operators.models import Operator

MAKE, CHANGE, DELETE, CLOSE = "make", "change", "delete", "close"
SAME, BACK = "same", "back"
GOES = {"open": (MAKE, CHANGE), "numbers": (MAKE, CHANGE, DELETE), "close": (DELETE, CLOSE)}

WHY = {
    "touched": "touched since by a later change; edit by hand what has to go back all the same",
    "unknown": "what it was before is not known any more, because old history was deleted; edit it by hand",
    "taken": "the number was made anew since; delete that one first",
    "name": "its name is taken by now; rename the other one first",
    "reseller gone": "its reseller is deleted; make it again first",
    "operator gone": "its operator is deleted; undo that first",
    "client gone": "its client is deleted; undo that first",
    "account gone": "its account is deleted; undo that first",
    "package gone": "its package is deleted; undo that first",
    "client_package gone": "its client package is deleted; undo that first",
    "over": "the hold before would be over already; leave it as it is, or edit it by hand",
    "client closed": "its client is closed; reopen the client first",
    "package archived": "its package is archived; restore the package first",
    "package off": "its client package is not active; activate it first",
    "full": "its package has no free place left; raise the DID limit or put numbers on Hold",
    "other reseller": "its operator is of another reseller than its package by now; assign it anew",
    "used": "it is in use; take it from what uses it first",
    "still on": "numbers or client packages use it; deactivate, close or archive it instead, they rest then",
    "ended": "the end that it would go back to is past by now; end it by hand instead",
    "stays": "clients have something of it, so it can't go back to another reseller",
    "right": "you don't have the right to do that to it; ask an administrator",
}


@dataclass
class Group:
    """Objects of a chunk with one verdict that point at the same things, now and then ({column: id}).

    ``differing``: the columns in which some of them are not what they were. ``ids`` of the objects, and
    ``before``: the history ids of what they were, None for what was not there.
    """

    verdict: str
    now: dict
    then: dict
    was_on: bool
    will_be_on: bool
    differing: set
    ids: list
    before: list

    @property
    def stays_in_place(self):
        """Of numbers: whether they keep the place that they have."""
        package = "client_package_id"
        return self.was_on and self.will_be_on and self.now[package] == self.then[package]

    @property
    def takes_place(self):
        return self.will_be_on and not self.stays_in_place

    @property
    def leaves_place(self):
        return self.was_on and not self.stays_in_place

    def split(self, wanted):
        """Two groups: those with ids in ``wanted``, and the others."""
        pairs = list(zip(self.ids, self.before, strict=True))
        return tuple(
            replace(
                self,
                ids=[pk for pk, _ in pairs if (pk in wanted) == inside],
                before=[before for pk, before in pairs if (pk in wanted) == inside],
            )
            for inside in (True, False)
        )


class Step:
    """The SQL of one part of the work on one model, over a range of the change's history rows."""

    def __init__(self, undo, part, model, *, overlay=None):
        self.undo, self.part, self.model, self.overlay = undo, part, model, overlay or {}
        self.past = history.TRACKED[model]
        self.table, self.kept = model._meta.db_table, self.past._meta.db_table
        self.params = {"change": undo.change.pk, "reseller": undo.reseller, "after": 0, "last": 2**62}
        self._set_now()

    def _set_now(self):
        self.now = self.undo.now or timezone.now()
        self.params["now"] = connection.ops.adapt_datetimefield_value(self.now)

    def range(self, after, last):
        self.params |= {"after": after, "last": last}

    @cached_property
    def columns(self):
        return [f.column for f in self.model._meta.concrete_fields if not f.primary_key]

    @cached_property
    def parents(self):
        """{column: the tracked model that it points at}."""
        fields = self.model._meta.concrete_fields
        return {f.column: f.related_model for f in fields if f.related_model in history.TRACKED}

    # --- which rows

    def bounds(self, after):
        """(the last history id of the chunk behind ``after``, how many rows it has)."""
        return self._one(
            f"SELECT max(history_id), count(*) FROM (SELECT history_id FROM {self.kept}"
            f" WHERE change_id = %(change)s AND history_id > {after:d}"
            f" ORDER BY history_id LIMIT {CHUNK}) AS chunk"
        )

    def sees_some(self):
        return self._one(f"WITH r AS ({self._objects()}) SELECT 1 {self._from()} LIMIT 1") is not None

    def _objects(self):
        """Each object of the range once, at the change's first row of it; ``before_id`` is what it was.

        An object's few rows are to be looked at, not all rows of the change: LIMIT keeps PostgreSQL from
        joining them, and + 0 keeps both engines from the index on the change.
        """
        past = f"(SELECT 1 FROM {self.kept} e WHERE e.object_id = r.object_id AND e.history_id < r.history_id"
        return (
            "SELECT r.object_id, r.history_id, r.event, CASE WHEN r.event <> '+' THEN"
            f" (SELECT max(p.history_id) FROM {self.kept} p"
            " WHERE p.object_id = r.object_id AND p.history_id < r.history_id) END AS before_id"
            f" FROM {self.kept} r WHERE r.change_id = %(change)s"
            " AND r.history_id > %(after)s AND r.history_id <= %(last)s"
            f" AND {past} AND e.change_id + 0 = %(change)s LIMIT 1) IS NULL"
        )

    def _from(self):
        """The objects with what each was, is and was with; cut down to a bound person's own."""
        joined = (
            f"FROM r LEFT JOIN {self.kept} b ON b.history_id = r.before_id"
            f" LEFT JOIN {self.table} d ON d.id = r.object_id"
        )
        if self.model is DID:
            joined += (
                f" LEFT JOIN {self._rows_of(ClientPackage)} cp ON cp.id = b.client_package_id"
                f" LEFT JOIN {self._rows_of(Package)} p ON p.id = cp.package_id"
                f" LEFT JOIN {self._rows_of(Client)} c ON c.id = cp.client_id"
            )
        if self.undo.reseller is None:
            return joined
        return (
            f"{joined} WHERE (b.history_id IS NULL OR {self._own('b')}) AND NOT EXISTS"
            f" (SELECT 1 FROM {self.kept} o WHERE o.object_id = r.object_id AND o.history_id >= r.history_id"
            f" AND o.change_id + 0 = %(change)s AND NOT {self._own('o')})"
        )

    def _own(self, row):
        """Whether a history row is of the branch that the person is bound to; what is gone counts as well."""
        if self.model is Reseller:
            return "(1 = 0)"
        for column, parent in (("operator_id", Operator), ("client_id", Client), ("package_id", Package)):
            if column in self.columns:
                table, past = parent._meta.db_table, history.TRACKED[parent]._meta.db_table
                return (
                    f"({row}.{column} IN (SELECT id FROM {table} WHERE reseller_id = %(reseller)s"
                    f" UNION SELECT object_id FROM {past} WHERE event = '-' AND reseller_id = %(reseller)s))"
                )
        return f"({row}.reseller_id = %(reseller)s)"

    # --- what is there, and what will be

    def _rows_of(self, model):
        """The rows of another model, those that the rehearsal has let go back as they will be; for FROM."""
        table, back = model._meta.db_table, self.overlay.get(model)
        if not back:
            return table
        kept, key = history.TRACKED[model]._meta.db_table, f"back_{table}"
        columns = [f.column for f in model._meta.concrete_fields if not f.primary_key]
        self.params[key] = _listed(back)
        there = ", ".join(columns)
        then = ", ".join(f"{_then(model, column)} AS {column}" for column in columns)
        return (
            f"(SELECT id, {there} FROM {table} WHERE id NOT IN"
            f" (SELECT object_id FROM {kept} b WHERE {_one_of('b.history_id', key)})"
            f" UNION ALL SELECT object_id, {then} FROM {kept} b WHERE {_one_of('b.history_id', key)})"
        )

    # --- the verdict

    def judged(self):
        """The objects of the range as ``Group``s; one query."""
        links = [f"{row}.{column}" for column in self.parents for row in ("d", "b")]
        on = {DID: f"{{}}.status IN {_IN_PLACE}", ClientPackage: "{}.active"}.get(self.model, "NULL")
        keys = [f"CASE {self._whens()} END", *links, on.format("d"), on.format("b")]
        differs = [
            f"CASE WHEN d.{c} {_same()} {_then(self.model, c)} THEN 0 ELSE 1 END" for c in self.columns
        ]
        names, marks = (
            [f"{letter}{n}" for n in range(len(some))] for letter, some in (("k", keys), ("m", differs))
        )
        picked = ", ".join(
            f"{what} AS {name}" for what, name in zip(keys + differs, names + marks, strict=True)
        )
        grouped, marked = ", ".join(names), ", ".join(f"max({mark})" for mark in marks)
        together = "array_agg" if connection.vendor == "postgresql" else "json_group_array"
        # Materialized: SQLite would work the verdicts out twice otherwise.
        rows = self._all(
            f"WITH r AS MATERIALIZED ({self._objects()}), judged AS MATERIALIZED"
            f" (SELECT {picked}, r.object_id, r.before_id {self._from()})"
            f" SELECT {grouped}, {together}(object_id), {together}(before_id), {marked}"
            f" FROM judged GROUP BY {grouped}"
        )
        for row in rows:
            (verdict, *found, was_on, will_be_on), (ids, before, *marks) = row[: len(keys)], row[len(keys) :]
            if connection.vendor == "sqlite":
                ids, before = json.loads(ids), json.loads(before)
            now = dict(zip(self.parents, found[::2], strict=True))
            then = dict(zip(self.parents, found[1::2], strict=True))
            differing = {column for column, mark in zip(self.columns, marks, strict=True) if mark}
            yield Group(verdict, now, then, bool(was_on), bool(will_be_on), differing, ids, before)

    def is_of_this_part(self, verdict):
        """Things are gone through twice: what is deleted or closed counts the second time."""
        return self.part == "numbers" or (verdict in (DELETE, CLOSE)) == (self.part == "close")

    def _whens(self):
        """The first WHEN that holds is the verdict."""
        same, kept = _same(), self.kept
        later = (
            f"(SELECT 1 FROM {kept} l WHERE l.object_id = r.object_id AND l.history_id > r.history_id"
            " AND (l.change_id IS NULL OR l.change_id <> %(change)s) LIMIT 1) IS NOT NULL"
        )
        newest = (
            f"(SELECT n.change_id FROM {kept} n WHERE n.object_id = r.object_id"
            " ORDER BY n.history_id DESC LIMIT 1)"
        )
        as_left = " AND ".join(f"d.{column} {same} z.{column}" for column in self.columns)
        restored = (
            f"EXISTS (SELECT 1 FROM audit_change u WHERE u.id = {newest} AND u.kind = '{Change.Kind.UNDO}')"
            f" AND EXISTS (SELECT 1 FROM {kept} z WHERE z.history_id ="
            f" (SELECT max(m.history_id) FROM {kept} m WHERE m.object_id = r.object_id"
            " AND m.change_id + 0 = %(change)s) AND CASE WHEN d.id IS NULL OR z.event = '-'"
            f" THEN d.id IS NULL AND z.event = '-' ELSE {as_left} END)"
        )
        undone = f"{newest} IN (SELECT u.id FROM audit_change u WHERE u.undo_of_id = %(change)s)"
        as_before = " AND ".join(f"d.{column} {same} b.{column}" for column in self.columns)
        whens = [
            *self._touched_by_the_clock(),
            ("r.event = '+' AND d.id IS NULL", SAME),
            (f"r.event = '+' AND {self._lacks('delete')}", "right"),
            ("r.event = '+'", DELETE),
            ("b.history_id IS NULL OR b.event = '-'", "unknown"),
            (as_before, SAME),
            *self._gone(),
            *self._taken(),
            *self._own_refusals(),
            (f"d.id IS NULL AND {self._lacks('add')}", "right"),
            (self._lacks("change"), "right"),
            ("d.id IS NULL", MAKE),
            *self._closing(),
        ]
        touched = (
            f"WHEN {later} AND NOT ({restored}) THEN CASE WHEN {undone} THEN '{BACK}' ELSE 'touched' END"
        )
        return " ".join(
            [touched, *(f"WHEN {when} THEN '{code}'" for when, code in whens), f"ELSE '{CHANGE}'"]
        )

    def _touched_by_the_clock(self):
        """A hold that is over has ended, whether or not the worker has written it."""
        if self.model is DID:
            yield f"d.status = '{st.HOLD}' AND d.hold_until <= %(now)s", "touched"

    def _lacks(self, action):
        """Numbers go back by the right to undo; things as their own dialogs ask for it."""
        right = f"{self.model._meta.app_label}.{action}_{self.model._meta.model_name}"
        return "1 = 0" if self.model is DID or self.undo.by.has_perm(right) else "1 = 1"

    def _gone(self):
        for column, parent in self.parents.items():
            there = f"EXISTS (SELECT 1 FROM {self._rows_of(parent)} x WHERE x.id = b.{column})"
            yield f"b.{column} IS NOT NULL AND NOT {there}", f"{column.removesuffix('_id')} gone"

    def _taken(self):
        meta = self.model._meta
        unique = [[f.column] for f in meta.concrete_fields if f.unique and not f.primary_key]
        unique += [
            [meta.get_field(name).column for name in one.fields]
            for one in meta.constraints
            if isinstance(one, models.UniqueConstraint)
        ]
        for columns in unique:
            equal = " AND ".join(f"t.{column} = b.{column}" for column in columns)
            taken = f"EXISTS (SELECT 1 FROM {self.table} t WHERE {equal} AND t.id <> r.object_id)"
            yield taken, "taken" if self.model is DID else "name"

    def _own_refusals(self):
        """What a model's own rules ask of what it was before."""
        if self.model is DID:
            same = _same()
            as_now = f"d.status = b.status AND d.client_package_id {same} b.client_package_id"
            moves = f"(d.id IS NULL OR NOT ({as_now}))"
            back_in_use = f"b.status IN {_IN_PLACE} AND {moves}"
            operators = f"(SELECT o.reseller_id FROM {self._rows_of(Operator)} o WHERE o.id = b.operator_id)"
            yield f"b.status = '{st.HOLD}' AND b.hold_until <= %(now)s", "over"
            yield f"{back_in_use} AND c.closed_at IS NOT NULL", "client closed"
            yield f"{back_in_use} AND p.archived_at IS NOT NULL", "package archived"
            yield f"{back_in_use} AND NOT {_RUNS.format('cp')}", "package off"
            yield f"b.client_package_id IS NOT NULL AND p.reseller_id <> {operators}", "other reseller"
        if self.model is ClientPackage:
            clients, packages = self._rows_of(Client), self._rows_of(Package)
            on = "b.active AND (d.id IS NULL OR NOT d.active)"
            closed = (
                f"EXISTS (SELECT 1 FROM {clients} x WHERE x.id = b.client_id AND x.closed_at IS NOT NULL)"
            )
            archived = (
                f"EXISTS (SELECT 1 FROM {packages} x WHERE x.id = b.package_id AND x.archived_at IS NOT NULL)"
            )
            yield f"{on} AND {closed}", "client closed"
            yield f"{on} AND {archived}", "package archived"
            yield "b.active AND b.ends_at <= %(now)s AND (d.id IS NULL OR d.active)", "ended"
        if self.model in _HELD_BY:
            used = f"SELECT 1 FROM {_HELD_BY[self.model]} WHERE"
            column = self.model._meta.model_name
            held = " AND x.account_id IS NOT NULL" if self.model is Operator else ""
            yield (
                f"d.reseller_id <> b.reseller_id AND EXISTS ({used} x.{column}_id = r.object_id{held})",
                "stays",
            )

    def _closing(self):
        """What takes something out of use waits until its numbers have gone back."""
        if self.model is ClientPackage:
            yield "d.active AND NOT b.active", CLOSE
        for model, column in ((Client, "closed_at"), (Package, "archived_at")):
            if self.model is model:
                yield f"d.{column} IS NULL AND b.{column} IS NOT NULL", CLOSE

    # --- places and uses

    def free_places(self, packages):
        """{client package: its places that no number takes}, as the tables have it now; two queries."""
        self.params["packages"] = _listed(list(packages))
        limits = dict(
            self._all(
                f"SELECT cp.id, p.did_limit FROM {self._rows_of(ClientPackage)} cp"
                f" JOIN {self._rows_of(Package)} p ON p.id = cp.package_id"
                f" WHERE {_one_of('cp.id', 'packages')}"
            )
        )
        taken = self._all(
            f"SELECT d.client_package_id, count(*) FROM dids_did d WHERE d.status IN {_IN_PLACE}"
            f" AND {_one_of('d.client_package_id', 'packages')} GROUP BY d.client_package_id"
        )
        return {package: limits[package] - dict(taken).get(package, 0) for package in packages}

    def used(self, group, tally):
        """Of a group that is to be deleted or closed: the ids that something uses all the same."""
        self.params["asked"] = _listed(group.ids)
        found = set()
        for child, column, only_on in self._users(group.verdict):
            table = child._meta.db_table
            narrowed = "" if not only_on else f" AND u.{_ON[child]}"
            counts = self._all(
                f"SELECT u.{column}, count(*) FROM {table} u"
                f" WHERE {_one_of(f'u.{column}', 'asked')}{narrowed} GROUP BY u.{column}"
            )
            less = tally.on if only_on else tally.uses
            there = dict(counts)
            found |= {pk for pk in group.ids if there.get(pk, 0) + less[table, column, pk] > 0}
        return found

    def _users(self, verdict):
        """What keeps it from being deleted or closed: (model, column, whether only those that are on do)."""
        for relation in self.model._meta.related_objects:
            if relation.on_delete is models.PROTECT:
                child = relation.related_model
                if verdict == DELETE or child in _ON:
                    yield child, relation.field.column, verdict != DELETE

    # --- writing

    def lock(self):
        """To the end of the transaction: client packages, then the objects in the order of ids.

        By their ids: PostgreSQL would read the whole table for the rows that a subquery names.
        """
        of_range = f"FROM {self.kept} r WHERE r.change_id = %(change)s AND r.history_id > %(after)s"
        of_range += " AND r.history_id <= %(last)s"
        ids = [pk for (pk,) in self._all(f"SELECT DISTINCT r.object_id {of_range}")]
        objects = self.model.objects.filter(pk__among=ids)
        if connection.features.has_select_for_update:
            if self.model is DID:
                self._lock_packages(of_range)
            list(objects.order_by("pk").select_for_update().values_list("pk"))
        self._set_now()
        if self.model is DID:
            objects.release_overdue(self.now, at=self.undo.now)

    def _lock_packages(self, of_range):
        """Those that numbers may take a place of again."""
        before = (
            f"(SELECT max(p.history_id) FROM {self.kept} p"
            " WHERE p.object_id = r.object_id AND p.history_id < r.history_id)"
        )
        packages = (
            f"SELECT b.client_package_id FROM {self.kept} b WHERE b.status IN {_IN_PLACE}"
            f" AND b.history_id IN (SELECT {before} {of_range} AND r.event <> '+')"
        )
        self._all(f"SELECT id FROM dids_clientpackage WHERE id IN ({packages}) ORDER BY id FOR NO KEY UPDATE")

    def delete(self, ids):
        self.params["ids"] = _listed(ids)
        self._run(f"DELETE FROM {self.table} WHERE {_one_of('id', 'ids')}{_between('id', ids)}")

    def change(self, before, differing):
        """Only ``differing`` columns: SQLite writes every index of a column that is named."""
        self.params["before"] = _listed(before)
        values = ", ".join(f"{column} = {_then(self.model, column)}" for column in sorted(differing))
        self._run(
            f"UPDATE {self.table} AS d SET {values} FROM {self.kept} b WHERE d.id = b.object_id"
            f" AND {_one_of('b.history_id', 'before')}{_between('b.history_id', before)}"
        )

    def make(self, group):
        """Returns {verdict: ids} of what could not be made, for somebody was quicker at this very moment."""
        self.params["before"] = _listed(group.before)
        names = ", ".join(self.columns)
        values = ", ".join(_then(self.model, column) for column in self.columns)
        order = "b.number" if self.model is DID else "b.object_id"
        made = self._run(
            f"INSERT INTO {self.table} (id, {names}) SELECT b.object_id, {values} FROM {self.kept} b"
            f" WHERE {_one_of('b.history_id', 'before')} ORDER BY {order} ON CONFLICT DO NOTHING"
        )
        if made == len(group.ids):
            return {}
        ours = self.past.objects.filter(change=connection.audit_change.pk, event="+", object_id__in=group.ids)
        missed = set(group.ids) - set(ours.values_list("object_id", flat=True))
        there = set(self.model.objects.filter(pk__in=missed).values_list("pk", flat=True))
        return {BACK: there, "taken" if self.model is DID else "name": missed - there}

    def names(self, ids):
        """The first words for these objects."""
        if self.model is DID:
            known = history.last_known(DID, ids, "number")
            return [known[pk]["number"] for pk in ids if pk in known]
        if self.model is ClientPackage:
            known = history.last_known(ClientPackage, ids, "client_id", "package_id")
            clients = history.last_known(Client, {one["client_id"] for one in known.values()}, "name")
            packages = history.last_known(Package, {one["package_id"] for one in known.values()}, "name")
            return [
                f"{packages[known[pk]['package_id']]['name']} of {clients[known[pk]['client_id']]['name']}"
                for pk in ids
                if pk in known
            ]
        known = history.last_known(self.model, ids, "name")
        return [known[pk]["name"] for pk in ids if pk in known]

    # --- the database

    def _all(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.fetchall()

    def _one(self, sql):
        rows = self._all(sql)
        return rows[0] if rows else None

    def _run(self, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql, self.params)
            return cursor.rowcount


_IN_PLACE = "('{}')".format("', '".join(st.IN_PLACE))
_ON = {DID: f"status IN {_IN_PLACE}", ClientPackage: "active"}  # in use themselves
_RUNS = "({0}.active AND {0}.starts_at <= %(now)s AND ({0}.ends_at IS NULL OR {0}.ends_at > %(now)s))"
# What keeps a thing with its reseller, see the ``clean`` of each.
_HELD_BY = {Operator: "dids_did x", Client: "dids_clientpackage x", Package: "dids_clientpackage x"}


def _then(model, column):
    """What a column becomes again, as SQL of the history row b.

    A package that is switched on again has no end that is past, as ``ClientPackage.activate`` does it.
    """
    if model is ClientPackage and column == "ends_at":
        return "CASE WHEN b.active AND b.ends_at <= %(now)s THEN NULL ELSE b.ends_at END"
    return f"b.{column}"


def _same():
    return "IS NOT DISTINCT FROM" if connection.vendor == "postgresql" else "IS"


def _listed(ids):
    """Ids as one parameter, for ``_one_of``."""
    return list(ids) if connection.vendor == "postgresql" else json.dumps(list(ids))


def _one_of(column, key):
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%({key})s::bigint[])"
    return f"{column} IN (SELECT value FROM json_each(%({key})s))"


def _between(column, ids):
    """The ends of a list, without which PostgreSQL would rather read a whole table."""
    return f" AND {column} BETWEEN {min(ids):d} AND {max(ids):d}"

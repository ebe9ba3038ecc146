"""Decide what an undo does with each object: one CASE expression for the whole chunk.

The status of a number comes from its own history, so no move is involved: instead of the table of moves,
the CASE checks what a move into the earlier status would need today.
"""

import json
from dataclasses import dataclass, replace

from django.db import connection, models

from audit.models import Change
from clients.models import Client, Package
from didmgmt.statements import embed
from dids.history.undo.chunk import IN_PLACE, IN_USE, null_safe_equal, restored_value
from dids.lifecycle import holds
from dids.models import DID, ClientPackage, Release, Reservation
from dids.models.ageing import for_sales, why_ageing
from dids.models.package_classes import refuses_sql
from operators.models import Operator

CREATE, UPDATE, DELETE, CLOSE = "create", "update", "delete", "close"
UNCHANGED, UNDONE = "unchanged", "undone"  # as before the change already; by another undo of it

RESTORE, NUMBERS, AGAIN, REMOVE = "restore", "numbers", "again", "remove"  # the phases of an undo
WRITES = {
    RESTORE: (CREATE, UPDATE),
    NUMBERS: (CREATE, UPDATE, DELETE),
    AGAIN: (CREATE, UPDATE),
    REMOVE: (DELETE, CLOSE),
}
FULL = "full"  # the verdict on numbers without a place in their package, which are tried again
AGEING = "ageing"  # the verdict on numbers that another client left too recently

UNDO_LATER = "undo it again then, or have an administrator assign what is free with a reason"
REASONS = {
    "touched": "changed again by a later change; edit it by hand if it still has to be undone",
    "unknown": "its earlier state is unknown because old history was deleted; edit it by hand",
    "taken": "the number was created again since; delete that one first",
    "name": "its name is taken; rename the other one first",
    "reseller gone": "its reseller was deleted; create it again first",
    "operator gone": "its operator was deleted; undo that first",
    "client gone": "its client was deleted; undo that first",
    "account gone": "its account was deleted; undo that first",
    "package gone": "its package was deleted; undo that first",
    "client_package gone": "its client package was deleted; undo that first",
    "reservation gone": "its reservation was deleted; undo that first",
    "reservation changed": "its reservation has another end by now; reserve it again instead",
    "over": "its earlier hold or reservation would have ended by now; leave it as it is, or edit it by hand",
    "client closed": "its client is closed; reopen the client first",
    "package archived": "its package is archived; restore the package first",
    "package off": "its client package is not active; activate it first",
    "class": "its package holds no numbers of its class; change what the package may hold, or assign it under"
    " another one",
    FULL: "its package is full; raise the DID limit or put numbers on Hold",
    "other reseller": "its operator and its package belong to different resellers now; assign it by hand",
    "used": "it is in use; remove what uses it first",
    "still on": "numbers or client packages use it; deactivate, close or archive it instead",
    "ended": "its earlier end date has passed; end it by hand instead",
    "stays": "clients use it, so it can’t go back to another reseller; leave it where it is",
    "right": "you don’t have permission for that; ask an administrator",
}


@dataclass
class VerdictGroup:
    """Objects of a chunk that share a verdict and their parents, now and before ({column: id}).

    ``differing``: the columns in which any of them differs from its prior state. ``ids``: of the objects;
    ``prior_ids``: of their prior history rows, None for an object that did not exist.
    """

    verdict: str
    live: dict
    prior: dict
    in_use_now: bool
    in_use_before: bool
    differing: set
    ids: list
    prior_ids: list

    @property
    def keeps_place(self):
        """Whether these numbers keep their places in the same client package."""
        package = "client_package_id"
        return self.in_use_now and self.in_use_before and self.live[package] == self.prior[package]

    @property
    def takes_place(self):
        return self.in_use_before and not self.keeps_place

    @property
    def leaves_place(self):
        return self.in_use_now and not self.keeps_place

    def add(self, other):
        """Add the objects of a group that differs from this one in ``differing`` only."""
        self.differing |= other.differing
        self.ids += other.ids
        self.prior_ids += other.prior_ids

    def split(self, wanted):
        """Return two groups: the objects with ids in ``wanted``, and the others."""
        pairs = list(zip(self.ids, self.prior_ids, strict=True))
        return tuple(
            replace(
                self,
                ids=[pk for pk, _ in pairs if (pk in wanted) == inside],
                prior_ids=[prior for pk, prior in pairs if (pk in wanted) == inside],
            )
            for inside in (True, False)
        )


def has_visible_rows(chunk):
    """Return whether the change touched any object of the model that the user may see."""
    sql = f"WITH {chunk.touched_rows()} SELECT 1 {chunk.joined_rows()} LIMIT 1"
    return chunk.fetch_one(sql) is not None


def verdict_groups(chunk):
    """Yield the objects of a chunk as ``VerdictGroup``s that are handled in its phase; one query."""
    in_use = "{}." + IN_USE[chunk.model] if chunk.model in IN_USE else "NULL"
    keys = {"verdict": f"CASE {_whens(chunk)} END"}
    for column in chunk.parents:
        keys |= {f"live_{column}": f"live.{column}", f"prior_{column}": f"prior.{column}"}
    keys |= {"in_use_now": in_use.format("live"), "in_use_before": in_use.format("prior")}
    # One number with a bit for each column: to sort the rows into groups costs less with fewer values.
    keys["differing"] = " + ".join(
        f"CASE WHEN live.{column} {null_safe_equal()} {restored_value(chunk.model, column)}"
        f" THEN 0 ELSE {1 << bit} END"
        for bit, column in enumerate(chunk.columns)
    )
    values = ", ".join(f"{value} AS {name}" for name, value in keys.items())
    grouped = ", ".join(keys)
    collect = "array_agg" if connection.vendor == "postgresql" else "json_group_array"
    # MATERIALIZED keeps SQLite from evaluating the CASE twice.
    rows = chunk.fetch_all(
        f"""
        WITH {chunk.touched_rows("MATERIALIZED")},
        decided AS MATERIALIZED (
            SELECT {values}, touched.object_id, touched.prior_id
            {chunk.joined_rows()}
        )
        SELECT {grouped}, {collect}(object_id), {collect}(prior_id)
        FROM decided GROUP BY {grouped}
        """
    )
    groups = {}
    for *found, differing, ids, prior_ids in rows:
        row = dict(zip(keys, found, strict=False))
        if not _is_in_phase(row["verdict"], chunk.phase):
            continue
        group = VerdictGroup(
            row["verdict"],
            live={column: row[f"live_{column}"] for column in chunk.parents},
            prior={column: row[f"prior_{column}"] for column in chunk.parents},
            in_use_now=bool(row["in_use_now"]),
            in_use_before=bool(row["in_use_before"]),
            differing={column for bit, column in enumerate(chunk.columns) if differing >> bit & 1},
            ids=ids if connection.vendor == "postgresql" else json.loads(ids),
            prior_ids=prior_ids if connection.vendor == "postgresql" else json.loads(prior_ids),
        )
        known = groups.setdefault(tuple(found), group)
        if known is not group:
            known.add(group)
    yield from groups.values()


def _is_in_phase(verdict, phase):
    """Return whether a verdict belongs to a phase: parents have two, and are removed in the second."""
    return phase in (NUMBERS, AGAIN) or (verdict in (DELETE, CLOSE)) == (phase == REMOVE)


def _whens(chunk):
    """Return the WHEN clauses of the verdict; the first true condition decides."""
    clauses = [
        *_overdue_hold(chunk),
        ("touched.event = '+' AND live.id IS NULL", UNCHANGED),
        (f"touched.event = '+' AND {_lacks_right(chunk, 'delete')}", "right"),
        ("touched.event = '+'", DELETE),
        ("prior.history_id IS NULL OR prior.event = '-'", "unknown"),
        (_columns_equal(chunk, "prior"), UNCHANGED),
        *_missing_parents(chunk),
        *_taken_keys(chunk),
        *_number_reasons(chunk),
        *_client_package_reasons(chunk),
        *_reservation_reasons(chunk),
        *_reseller_reasons(chunk),
        (f"live.id IS NULL AND {_lacks_right(chunk, 'add')}", "right"),
        (_lacks_right(chunk, "change"), "right"),
        ("live.id IS NULL", CREATE),
        *_closing(chunk),
    ]
    whens = "\n".join(f"WHEN {condition} THEN '{verdict}'" for condition, verdict in clauses)
    return f"""
        WHEN {_is_touched(chunk)} THEN CASE WHEN {_is_undone(chunk)} THEN '{UNDONE}' ELSE 'touched' END
        {whens}
        ELSE '{UPDATE}'
    """


def _columns_equal(chunk, row, besides=()):
    columns = (column for column in chunk.columns if column not in besides)
    return " AND ".join(f"live.{column} {null_safe_equal()} {row}.{column}" for column in columns)


def _newest_change(chunk):
    return f"""(
        SELECT newest.change_id FROM {chunk.history_table} newest
        WHERE newest.object_id = touched.object_id
        ORDER BY newest.history_id DESC LIMIT 1
    )"""


def _is_touched(chunk):
    """Return SQL for whether a later change wrote the object, and no undo restored what this one left.

    Rows from before ``resumes_as`` existed lack it. The upgrade wrote it to the numbers on Hold, in an edit
    by the system, which left everything else as it was.
    """
    table = chunk.history_table
    restored = f"undo.kind = '{Change.Kind.UNDO}'"
    as_left = _columns_equal(chunk, "final")
    if chunk.model is DID:
        upgraded = f"undo.kind = '{Change.Kind.EDIT}' AND undo.actor_kind = '{Change.Actor.SYSTEM}'"
        restored = f"({restored} OR ({upgraded}))"
        same = f"live.resumes_as {null_safe_equal()} final.resumes_as"
        as_left = f"{_columns_equal(chunk, 'final', ['resumes_as'])} AND (final.resumes_as IS NULL OR {same})"
    return f"""(
        (
            SELECT 1 FROM {table} later
            WHERE later.object_id = touched.object_id AND later.history_id > touched.history_id
              AND (later.change_id IS NULL OR later.change_id <> %(change)s)
            LIMIT 1
        ) IS NOT NULL
        AND NOT (
            EXISTS (
                SELECT 1 FROM audit_change undo
                WHERE undo.id = {_newest_change(chunk)} AND {restored}
            )
            AND EXISTS (
                SELECT 1 FROM {table} final
                WHERE final.history_id = (
                    SELECT max(own.history_id) FROM {table} own
                    WHERE own.object_id = touched.object_id AND own.change_id + 0 = %(change)s
                )
                AND CASE WHEN live.id IS NULL OR final.event = '-'
                    THEN live.id IS NULL AND final.event = '-'
                    ELSE {as_left} END
            )
        )
    )"""


def _is_undone(chunk):
    """Return SQL for whether the last write to the object was an undo of this change."""
    undos = "SELECT undo.id FROM audit_change undo WHERE undo.undo_of_id = %(change)s"
    return f"{_newest_change(chunk)} IN ({undos})"


def _overdue_hold(chunk):
    """Yield the condition of a hold that has ended by the clock, whether or not the worker wrote it."""
    if chunk.model is DID:
        yield holds.over_sql("live", "%(now)s"), "touched"


def _lacks_right(chunk, action):
    """Return SQL for a missing right. For numbers and their reservations the right to undo is enough."""
    right = f"{chunk.model._meta.app_label}.{action}_{chunk.model._meta.model_name}"
    return "1 = 0" if chunk.model in (DID, Reservation) or chunk.undo.by.has_perm(right) else "1 = 1"


def _missing_parents(chunk):
    for column, parent in chunk.parents.items():
        # What it has now exists. Both engines stop at the first condition that decides.
        yield (
            f"""NOT (live.{column} {null_safe_equal()} prior.{column})
            AND prior.{column} IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM {chunk.rows_of(parent)} parent WHERE parent.id = prior.{column}
            )""",
            f"{column.removesuffix('_id')} gone",
        )


def _taken_keys(chunk):
    meta = chunk.model._meta
    keys = [[field.column] for field in meta.concrete_fields if field.unique and not field.primary_key]
    keys += [
        [meta.get_field(name).column for name in constraint.fields]
        for constraint in meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
    ]
    for columns in keys:
        equal = " AND ".join(f"other.{column} = prior.{column}" for column in columns)
        has_it = " AND ".join(f"live.{column} {null_safe_equal()} prior.{column}" for column in columns)
        yield (
            f"""NOT ({has_it}) AND EXISTS (
                SELECT 1 FROM {chunk.table} other WHERE {equal} AND other.id <> touched.object_id
            )""",
            taken_reason(chunk.model),
        )


def taken_reason(model):
    return "taken" if model is DID else "name"


def _number_reasons(chunk):
    if chunk.model is not DID:
        return
    same_assignment = f"""
        live.status = prior.status AND live.client_package_id {null_safe_equal()} prior.client_package_id
    """
    back_in_use = f"prior.status IN {IN_PLACE} AND (live.id IS NULL OR NOT ({same_assignment}))"
    running = """
        given.active AND given.starts_at <= %(now)s AND (given.ends_at IS NULL OR given.ends_at > %(now)s)
    """
    operators_reseller = f"""(
        SELECT operator.reseller_id FROM {chunk.rows_of(Operator)} operator
        WHERE operator.id = prior.operator_id
    )"""
    yield holds.over_sql("prior", "%(now)s"), "over"
    # Rows of another end or reseller are those of a reservation that the number has left since.
    yield (
        f"""prior.reservation_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM {chunk.rows_of(Reservation)} kept
            WHERE kept.id = prior.reservation_id AND kept.reseller_id = {operators_reseller}
              AND kept.ends_at {null_safe_equal()} prior.hold_until
        )""",
        "reservation changed",
    )
    yield from _ageing(chunk, back_in_use)
    yield f"{back_in_use} AND client.closed_at IS NOT NULL", "client closed"
    yield f"{back_in_use} AND package.archived_at IS NOT NULL", "package archived"
    yield f"{back_in_use} AND NOT ({running})", "package off"
    stays = f"live.status IN {IN_PLACE} AND live.client_package_id = prior.client_package_id"
    enters = f"{back_in_use} AND (live.id IS NULL OR NOT coalesce({stays}, FALSE))"
    yield f"{enters} AND {refuses_sql('package', 'prior.number')}", "class"
    yield (
        f"prior.client_package_id IS NOT NULL AND package.reseller_id <> {operators_reseller}",
        "other reseller",
    )


def _ageing(chunk, back_in_use):
    """Yield the conditions of numbers that would go to a client while they age after use by another one."""
    rules = for_sales()
    if not rules:
        return
    releases = embed(Release.objects.ageing(chunk.now, rules).values("number", "client_id"), chunk.params)
    theirs = f"EXISTS (SELECT 1 FROM {releases} a WHERE a.number = prior.number AND a.client_id <> {{}})"
    yield f"{back_in_use} AND {theirs.format('given.client_id')}", AGEING
    yield (
        f"""NOT (prior.reservation_id {null_safe_equal()} live.reservation_id) AND EXISTS (
            SELECT 1 FROM {chunk.rows_of(Reservation)} kept
            WHERE kept.id = prior.reservation_id AND {theirs.format("kept.client_id")}
        )""",
        AGEING,
    )


def why_refused(verdict, groups, chunk):
    """Return why the objects of a verdict are refused; for ageing numbers of ``groups`` until when."""
    if verdict != AGEING:
        return REASONS[verdict]
    rows = [pk for group in groups if group.verdict == AGEING for pk in group.prior_ids]
    return why_ageing(chunk.now, UNDO_LATER)(chunk.history_model.objects.filter(pk__named=rows))


def _client_package_reasons(chunk):
    if chunk.model is not ClientPackage:
        return
    switched_on = "prior.active AND (live.id IS NULL OR NOT live.active)"
    for parent, column, end, reason in (
        (Client, "client_id", "closed_at", "client closed"),
        (Package, "package_id", "archived_at", "package archived"),
    ):
        yield (
            f"""{switched_on} AND EXISTS (
                SELECT 1 FROM {chunk.rows_of(parent)} parent
                WHERE parent.id = prior.{column} AND parent.{end} IS NOT NULL
            )""",
            reason,
        )
    yield "prior.active AND prior.ends_at <= %(now)s AND (live.id IS NULL OR live.active)", "ended"


def _reservation_reasons(chunk):
    if chunk.model is Reservation:
        yield "prior.ends_at <= %(now)s", "ended"


def _reseller_reasons(chunk):
    """Yield what keeps an object with its reseller, as in the ``clean`` of its model."""
    uses = {
        Operator: (DID, "operator_id", "(child.account_id IS NOT NULL OR child.reservation_id IS NOT NULL)"),
        Client: (ClientPackage, "client_id", "1 = 1"),
        Package: (ClientPackage, "package_id", "1 = 1"),
    }
    if chunk.model in uses:
        child, column, condition = uses[chunk.model]
        yield (
            f"""live.reseller_id <> prior.reseller_id AND EXISTS (
                SELECT 1 FROM {child._meta.db_table} child
                WHERE child.{column} = touched.object_id AND {condition}
            )""",
            "stays",
        )


def _closing(chunk):
    """Yield what takes an object out of use; it waits until its numbers have been undone."""
    if chunk.model is ClientPackage:
        yield "live.active AND NOT prior.active", CLOSE
    for model, column in ((Client, "closed_at"), (Package, "archived_at")):
        if chunk.model is model:
            yield f"live.{column} IS NULL AND prior.{column} IS NOT NULL", CLOSE

"""Validate staged rows in SQL: give each row its verdict.

Check and apply use the same statements: the check for all rows, the apply for each chunk while its
numbers are locked. The apply refuses what no longer comes out as it was checked.

Legal moves and their permissions come from ``dids.lifecycle.statuses``; overdue holds and running
client packages come from the querysets of ``dids.models``.
"""

from didmgmt.statements import embed
from dids.imports.options import LEAVE, REFUSE
from dids.imports.resolve import ANY_CLIENT_NAME
from dids.imports.sql import Expression, case, execute, in_list, is_distinct, running_packages
from dids.lifecycle import statuses as st
from dids.models import DID, Release
from dids.models.ageing import for_sales
from dids.numbering.normalise import longest_new

PARTITION = 250_000  # rows among which one statement looks for duplicates


def validate(first, last, options, now, *, faulty):
    """Give the staged rows from ``first`` to ``last`` their verdicts.

    Rows are staged with the verdict of a new number, which most of them keep in most files; only the
    exceptions are written. ``faulty``: see ``refuse_new``.
    """
    if "id" in options.mapped and not options.by_id:
        _refuse_ids_of_others(first, last, options)
    newest = "SELECT max(h.history_id) FROM dids_didhistory h WHERE h.object_id = v.did_id"
    _compare(
        first,
        last,
        options,
        now,
        verdict="+",
        assignments=f"""verdict = CASE WHEN {_REFUSED} THEN '!' ELSE v.code END,
            reason = CASE WHEN {_REFUSED} THEN v.code END,
            did_id = v.did_id, seen = CASE WHEN v.code = '~' THEN ({newest}) END""",
    )
    if options.by_id:
        _refuse_unknown(first, last, "no id")
    elif not options.new:
        _refuse_unknown(first, last, "missing")
    else:
        refuse_new(first, last, faulty=faulty)
        refuse_ageing(first, last, now)


def revalidate_updates(first, last, options, now):
    """Validate the updates of numbers, which are locked now, again; refuse those that come out otherwise."""
    _compare(
        first,
        last,
        options,
        now,
        verdict="~",
        assignments=f"""verdict = CASE WHEN v.code = '~' THEN '~' ELSE '?' END,
            reason = CASE WHEN {_REFUSED} THEN v.code WHEN v.code <> '~' THEN 'changed' END""",
    )


def _refuse_ids_of_others(first, last, options):
    """Refuse the rows whose ID is another number than the row's; an ID that nobody has is allowed.

    For bound users the ID of another branch is one that nobody has.
    """
    theirs = "TRUE"
    if options.bound_to:
        theirs = f"""EXISTS (SELECT 1 FROM operators_operator o
            WHERE o.id = d.operator_id AND o.reseller_id = {options.bound_to})"""
    execute(
        f"""
        UPDATE dids_importrow AS r SET verdict = '!', reason = 'other id', did_id = d.id FROM dids_did d
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+' AND d.id = r.ref
            AND d.number <> r.number AND {theirs}
        """,
        {"first": first, "last": last},
    )


def _refuse_unknown(first, last, reason):
    """Refuse the rows whose number does not exist."""
    execute(
        """
        UPDATE dids_importrow SET verdict = '!', reason = %(reason)s
        WHERE id BETWEEN %(first)s AND %(last)s AND verdict = '+'
        """,
        {"first": first, "last": last, "reason": reason},
    )


def refuse_new(first, last, *, faulty, verdict="!"):
    """Refuse the rows with new numbers that are too long or whose group has a problem.

    ``faulty``: whether there are groups with a problem; if there are none, no row looks up its group.
    A number that someone else creates after the check is left to the INSERT, which skips it.
    """
    params = {"first": first, "last": last, "verdict": verdict, "longest": longest_new()}
    execute(
        """
        UPDATE dids_importrow SET verdict = %(verdict)s, reason = 'long'
        WHERE id BETWEEN %(first)s AND %(last)s AND verdict = '+' AND length(number) > %(longest)s
        """,
        params,
    )
    if not faulty:
        return
    execute(
        """
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = coalesce(g.problem, g.new_problem)
        FROM dids_importgroup g
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+' AND g.id = r.group_id
            AND (g.problem IS NOT NULL OR g.new_problem IS NOT NULL)
        """,
        params,
    )


def refuse_ageing(first, last, now, verdict="!"):
    """Refuse the rows that create a number with a client while it ages after use by another one.

    A number that was deleted is as old as it was.
    """
    rules = for_sales()
    if not rules:
        return
    params = {"first": first, "last": last, "verdict": verdict}
    releases = embed(Release.objects.ageing(now, rules).values("number", "client_id"), params)
    execute(
        f"""
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = 'ageing' FROM dids_importgroup g
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+' AND g.id = r.group_id
            AND g.status IN {in_list(st.HELD)} AND {_ages("r.number", "g.client_id", releases)}
        """,
        params,
    )


def _ages(number, client, releases):
    """Return the condition that a number ages after use by another client than ``client``."""
    left = f"a.client_id <> coalesce({client}, -1)"
    return f"EXISTS (SELECT 1 FROM {releases} a WHERE a.number = {number} AND {left})"


_REFUSED = "v.code NOT IN ('~', '=')"


def _compare(first, last, options, now, *, verdict, assignments):
    """Compare the rows of one ``verdict`` with the existing numbers that they name.

    Writes ``assignments`` (a SET clause over the verdicts ``v``) and, in rows that change their number,
    the values that it will have.
    """
    params = {"first": first, "last": last}
    numbers = DID.objects.with_status_now(now).values(
        "id", "number", "operator_id", "after_hold", "hold_days", "hold_from", "hold_until", "tag_set_id",
        "notes", "account_id", "client_package_id", "reservation_id", "status_now",
    )  # fmt: skip
    numbers, running = embed(numbers, params), running_packages(now, params)
    rules = for_sales()
    ages = "FALSE"
    if rules:
        releases = embed(Release.objects.ageing(now, rules).values("number", "client_id"), params)
        becomes_theirs = f"CASE WHEN {_NEWLY_ASSIGNED} THEN found.client_id ELSE old_client_id END"
        ages = f"becomes = '{st.ACTIVE}' AND was <> becomes AND was <> '{st.BLOCKED}'"
        ages += f" AND {_ages('found.number', becomes_theirs, releases)}"
    found_by = "d.id = r.ref" if options.by_id else "d.number = r.number"
    new_values = _new_values(options)
    execute(
        f"""
        WITH found AS MATERIALIZED (
            SELECT r.id, r.notes, g.problem, g.assign_problem,
                g.operator_name, g.reseller_name, g.tags, g.reseller_id, g.operator_id, g.account_id,
                g.client_package_id, g.tag_set_id, g.after_hold, g.hold_days, g.client_id,
                a.client_id AS old_client_id, d.number,
                {ANY_CLIENT_NAME} AS names_client,
                d.id AS did_id, d.status_now AS was, coalesce(g.status, d.status_now) AS becomes,
                d.operator_id AS old_operator_id, o.reseller_id AS old_reseller_id,
                d.after_hold AS old_after_hold, d.hold_days AS old_hold_days, d.notes AS old_notes,
                d.tag_set_id AS old_tag_set_id, d.account_id AS old_account_id,
                d.client_package_id AS old_client_package_id, d.hold_from, d.hold_until, d.reservation_id,
                running.id IS NOT NULL AS old_package_runs,
                coalesce(g.client_name IS NULL OR g.client_id = a.client_id, FALSE) AS same_client,
                coalesce((g.client_name IS NULL OR g.client_id = a.client_id)
                    AND (g.account_name IS NULL OR g.account_id = d.account_id)
                    AND (g.package_name IS NULL OR g.package_id = cp.package_id), FALSE) AS same_holder
            FROM dids_importrow r
            JOIN {numbers} d ON {found_by}
            JOIN operators_operator o ON o.id = d.operator_id
            JOIN dids_importgroup g ON g.id = r.group_id
            LEFT JOIN clients_account a ON a.id = d.account_id
            LEFT JOIN dids_clientpackage cp ON cp.id = d.client_package_id
            LEFT JOIN {running} running ON running.id = d.client_package_id
            WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '{verdict}'
        ), v AS MATERIALIZED (
            SELECT id, did_id, {case(_verdicts(options, ages), otherwise="'~'")} AS code,
                becomes = '{st.ACTIVE}' AND was IN ('{st.INSTOCK}', '{st.HOLD}') AS assigned,
                {", ".join(f"{value} AS new_{name}" for name, value in new_values.items())}
            FROM found
        )
        UPDATE dids_importrow AS r SET {assignments},
            {", ".join(f"{name} = CASE WHEN v.code = '~' THEN v.new_{name} END" for name in new_values)},
            assigned = CASE WHEN v.code = '~' AND v.assigned THEN TRUE END
        FROM v WHERE v.id = r.id
        """,
        params,
    )


# --- expressions over the columns of ``found`` ----------------------------------------------------

_MOVE = "was || '>' || becomes"
# The number is assigned to another client than its last one, or for the first time.
_NEWLY_ASSIGNED = f"""(becomes = '{st.ACTIVE}'
    AND (was = '{st.INSTOCK}' OR (was = '{st.HOLD}' AND names_client AND NOT same_holder)))"""


def _new_values(options):
    """Return {column: expression of the value that an existing number will have}."""
    held, hold = in_list(st.HELD), f"was = '{st.HOLD}' AND becomes = '{st.HOLD}'"
    stays_reserved = f"was = '{st.RESERVED}' AND becomes = '{st.RESERVED}'"
    blank_days = "NULL" if options.clears("hold_days") else "old_hold_days"
    blank_tags = "NULL" if options.clears("tags") else "old_tag_set_id"
    return {
        "operator_id": "CASE WHEN operator_name IS NULL THEN old_operator_id ELSE operator_id END",
        "status": "becomes",
        "after_hold": "coalesce(after_hold, old_after_hold)",
        "hold_days": f"coalesce(hold_days, {blank_days})",
        "tag_set_id": f"CASE WHEN tags IS NOT NULL THEN tag_set_id ELSE {blank_tags} END",
        **{
            name: f"CASE WHEN {_NEWLY_ASSIGNED} THEN {name} WHEN becomes IN {held} THEN old_{name} END"
            for name in ("account_id", "client_package_id")
        },
        "hold_from": f"CASE WHEN {hold} THEN hold_from END",
        "hold_until": f"CASE WHEN {hold} AND NOT ({_hold_days_change(options)}) OR {stays_reserved}"
        " THEN hold_until END",
    }


def _verdicts(options, ages):
    """Yield (condition, code) for rows whose number exists, in order of precedence; else it is updated.

    ``ages``: the condition that the number goes to a client while it ages after use by another one.
    """
    if options.bound_to:
        not_theirs = "no id" if options.by_id else "outside" if options.new else "missing"
        yield f"old_reseller_id <> {options.bound_to}", not_theirs
    if options.existing == LEAVE:
        yield "TRUE", "="
    if options.existing == REFUSE:
        yield "TRUE", "exists"
    yield "problem IS NOT NULL", Expression("problem")
    other_reseller = is_distinct("reseller_id", "old_reseller_id")
    yield f"operator_name IS NULL AND reseller_name IS NOT NULL AND {other_reseller}", "other reseller"

    legal = in_list([f"{source}>{target}" for source, target in st.MOVES])
    allowed = in_list(
        [f"{source}>{target}" for (source, target), move in st.MOVES.items() if options.may(move.right)]
    )
    yield f"was <> becomes AND {_MOVE} NOT IN {legal}", Expression(_MOVE)
    yield f"was <> becomes AND {_MOVE} NOT IN {allowed}", Expression(f"{_MOVE} || ':right'")

    held = in_list(st.HELD)
    yield f"becomes NOT IN {held} AND names_client", "client on a free number"
    from_hold = f"was = '{st.HOLD}' AND becomes = '{st.ACTIVE}'"
    yield f"{from_hold} AND names_client AND NOT same_client", "held for another client"
    stays_held = f"was IN {held} AND becomes IN {held}"
    yield f"{stays_held} AND names_client AND NOT same_holder AND NOT ({from_hold})", "other client"
    yield f"{_NEWLY_ASSIGNED} AND assign_problem IS NOT NULL", Expression("assign_problem")
    yield f"{_NEWLY_ASSIGNED} AND operator_name IS NULL AND {other_reseller}", "package of another reseller"
    reactivated = f"becomes = '{st.ACTIVE}' AND was IN ('{st.HOLD}', '{st.BLOCKED}')"
    yield f"{reactivated} AND NOT {_NEWLY_ASSIGNED} AND NOT old_package_runs", "package off"
    yield ages, "ageing"
    other_operator = f"operator_name IS NOT NULL AND {is_distinct('operator_id', 'old_operator_id')}"
    yield f"{other_operator} AND {stays_held} AND {other_reseller}", "operator of another reseller"
    in_reservation = f"was = becomes AND was = '{st.RESERVED}' AND reservation_id IS NOT NULL"
    yield f"{other_operator} AND {in_reservation} AND {other_reseller}", "reserved at another reseller"

    changes = " OR ".join([other_operator, *_changes(options)])
    yield f"was = becomes AND NOT ({changes})", "="
    if not options.may("change_did"):
        yield f"{changes}", "may not change"


def _changes(options):
    """Yield the conditions that a field other than status, operator and client changes."""
    yield "(after_hold IS NOT NULL AND after_hold <> old_after_hold)"
    yield f"({_hold_days_change(options)})"
    other_tags = is_distinct("tag_set_id", "old_tag_set_id")
    yield f"(tags IS NOT NULL AND (tag_set_id IS NULL OR {other_tags}))"
    if options.clears("tags"):
        yield "(tags IS NULL AND old_tag_set_id IS NOT NULL)"
    yield "notes <> old_notes" if options.clears("notes") else "(notes <> '' AND notes <> old_notes)"


def _hold_days_change(options):
    other_days = is_distinct("hold_days", "old_hold_days")
    return other_days if options.clears("hold_days") else f"hold_days IS NOT NULL AND {other_days}"


# --- duplicates -----------------------------------------------------------------------------------


def refuse_duplicates(first, last, by_id, rows):
    """Refuse all but the first of the ``rows`` with the same number; they record its line.

    A generator that handles one partition of the numbers at a time: sorting them all at once would
    take much memory and hold SQLite's write lock for long.
    """
    key = "ref" if by_id else "number"
    partitions = 1 + rows // PARTITION
    for partition in range(partitions):
        this = f"AND CAST({key} AS numeric) %% {partitions} = {partition}" if partitions > 1 else ""
        execute(
            f"""
            UPDATE dids_importrow AS r SET verdict = '!', reason = 'duplicate', first_line = f.line
            FROM (SELECT {key}, min(id) AS id, min(line) AS line FROM dids_importrow
                  WHERE id BETWEEN %(first)s AND %(last)s AND verdict = '+' AND {key} IS NOT NULL {this}
                  GROUP BY {key} HAVING count(*) > 1) f
            WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+'
                AND r.{key} = f.{key} AND r.id > f.id
            """,
            {"first": first, "last": last},
        )
        yield

"""The statements that merge validated staged rows of an import into the inventory."""

from django.apps import apps
from django.db import connection, models
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.models.ageing import in_force, minimum_days
from dids.models.hold_days import distinct_hold_days, hold_days, hold_end
from dids.models.staging import ImportRow
from dids.models.tags import TagSet

HOLDER = ("account_id", "client_package_id", "hold_from", "hold_until")


def stage_holds(staged, now):
    """Set ``hold_from`` and ``hold_until`` of staged rows or groups that go on Hold.

    A running hold keeps its start. With 0 hold days ``hold_until`` stays None: such numbers get their
    After Hold status instead. The minimum of new numbers is left to ``insert_new``.
    """
    on_hold = staged.filter(status=st.HOLD, hold_until=None)
    rules = in_force() if staged.model is ImportRow else []
    days = hold_days(F("hold_days"), least=_minimum_of_did(rules))
    distinct = distinct_hold_days(on_hold, rules=rules)
    if not distinct:
        return
    skips_hold = Q(Exact(days, 0), hold_from=None)
    continued = When(hold_from__isnull=False, then=hold_end(F("hold_from"), days, distinct))
    on_hold.update(
        hold_until=Case(When(skips_hold, then=None), continued, default=hold_end(now, days, distinct)),
        hold_from=Coalesce(F("hold_from"), now, output_field=models.DateTimeField()),
    )


def _minimum_of_did(rules):
    """Return the minimum of the existing number that a row names as an expression, None without rules."""
    if not rules:
        return None
    numbers = apps.get_model("dids", "DID").objects.filter(pk=OuterRef("did"))
    return Coalesce(Subquery(numbers.annotate(least=minimum_days(rules)).values("least")), Value(0))


def _skips_hold(staged):
    """Return the SQL condition for a staged Hold of 0 days."""
    return f"({staged}.status = '{st.HOLD}' AND {staged}.hold_until IS NULL)"


def insert_new(first, last, defaults, now):
    """Insert the numbers of staged rows with verdict "+"; return how many were inserted.

    A Hold that begins lasts at least the minimum of its number.
    A number that was created since validation is skipped.
    """
    skips_hold = _skips_hold("g")
    until, least = _at_least("g.hold_until", now)
    values = [until if name == "hold_until" else f"g.{name}" for name in HOLDER]
    holder = ", ".join(f"CASE WHEN NOT {skips_hold} THEN {value} END" for value in values)
    statement = f"""
        INSERT INTO dids_did (
            number, operator_id, status, after_hold, hold_days, tag_set_id, notes, {", ".join(HOLDER)}
        )
        SELECT
            r.number,
            g.operator_id,
            CASE WHEN {skips_hold} THEN coalesce(g.after_hold, %(after_hold)s)
                ELSE coalesce(g.status, %(status)s) END,
            coalesce(g.after_hold, %(after_hold)s),
            g.hold_days,
            coalesce(g.tag_set_id, %(tag_set)s),
            CASE WHEN r.notes = '' THEN %(notes)s ELSE r.notes END,
            {holder}
        FROM dids_importrow r JOIN dids_importgroup g ON g.id = r.group_id
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+'
        ORDER BY r.number
        ON CONFLICT (number) DO NOTHING"""
    tag_set = getattr(TagSet.of([defaults["tags"]]), "pk", None)
    return _execute(statement, {**defaults, **least, "tag_set": tag_set, "first": first, "last": last})


def _at_least(end, now):
    """Return SQL for ``end``, but not before the minimum of the number is over, and its parameters."""
    whens, params = [], {}
    for n, (prefix, days) in enumerate(in_force()):
        earliest = connection.ops.adapt_datetimefield_value(now + days * holds.DAY)
        params |= {f"prefix{n}": f"{prefix}%", f"earliest{n}": earliest}
        later = f"CASE WHEN {end} < %(earliest{n})s THEN %(earliest{n})s ELSE {end} END"
        whens.append(f"WHEN r.number LIKE %(prefix{n})s THEN {later}")
    return f"CASE {' '.join(whens)} ELSE {end} END" if whens else end, params


def update_changed(first, last, clear_notes):
    """Update the numbers of staged rows with verdict "~"; return how many were updated.

    The statement repeats the table of legal moves, so that a number moved since validation is skipped. What a
    number on Hold resumes as, and the reservation of a number, are not staged: only a Hold that continues and
    a number that stays Reserved keep them.
    """
    skips_hold = _skips_hold("r")
    holder = ", ".join(f"{name} = CASE WHEN NOT {skips_hold} THEN r.{name} END" for name in HOLDER)
    legal_moves = ", ".join(f"'{source}>{target}'" for source, target in st.MOVES)
    statement = f"""
        UPDATE dids_did AS d SET
            status = CASE WHEN {skips_hold} THEN r.after_hold ELSE r.status END,
            operator_id = r.operator_id,
            after_hold = r.after_hold,
            hold_days = r.hold_days,
            tag_set_id = r.tag_set_id,
            notes = CASE WHEN r.notes = '' AND NOT %(clear)s THEN d.notes ELSE r.notes END,
            resumes_as = CASE WHEN r.status = '{st.HOLD}' AND NOT {skips_hold} THEN d.resumes_as END,
            reservation_id = CASE WHEN r.status = '{st.RESERVED}' THEN d.reservation_id END,
            {holder}
        FROM dids_importrow r
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '~' AND d.id = r.did_id
            AND (d.status = r.status OR d.status || '>' || r.status IN ({legal_moves}))"""
    return _execute(statement, {"first": first, "last": last, "clear": clear_notes})


def _execute(statement, params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount

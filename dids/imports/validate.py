"""What is to become of the staged rows of an import: names looked up, verdicts given, all in SQL.

``resolve`` looks the names of groups up and says what is wrong with them; ``judge`` compares each row
with the number it names and gives the verdict. Check and apply call the same: the check for all
rows, the apply for each chunk, when the numbers are locked. What apply then finds otherwise than the
check is refused as changed meanwhile.

The legality of moves and the rights for them come from ``dids.lifecycle.statuses``, overdue holds and running
client packages from the querysets of ``dids.models``; this module only asks them for many rows at once.
"""

from dataclasses import dataclass, field
from functools import cached_property

from django.db import connection

from clients.models import Package, Reseller
from clients.tags import split_tags
from dids.lifecycle import statuses as st
from dids.models import DID, ClientPackage

LEAVE, KEEP, CLEAR = "leave", "keep", "clear"
TOGETHER = 250_000  # rows whose numbers are compared in one statement


@dataclass(frozen=True)
class Terms:
    """What a person chose for an import, and who it is: all that judging asks beside the rows.

    ``mapped``: the keys of the columns that the file has. ``existing``: numbers that exist are left
    (LEAVE) or updated, a blank cell leaving the field (KEEP) or emptying tags, notes and hold days
    (CLEAR); nothing else can be empty. ``create``: missing names are created. ``operator`` and
    ``defaults`` (status, after_hold, tags, notes) are for new numbers where the file says nothing.
    """

    user: object
    mapped: frozenset
    existing: str
    create: bool
    operator: object = None
    defaults: dict = field(default_factory=dict)

    def may(self, right):
        return self.user.has_perm(right if "." in right else f"dids.{right}")

    @property
    def by_id(self):
        """Rows are found by their ID: only where no column holds the number."""
        return "number" not in self.mapped

    @property
    def branch(self):
        """The reseller that the person is bound to, or None."""
        return self.user.reseller_id

    @cached_property
    def home(self):
        """Whose names are meant where nothing says: the person's reseller, or the only one."""
        if self.branch or self.operator:
            return self.branch or self.operator.reseller_id
        resellers = list(Reseller.objects.values_list("pk", flat=True)[:2])
        return resellers[0] if len(resellers) == 1 else None


class _Sql(str):
    """A code that is an expression; others are literals."""


def _case(pairs, otherwise="NULL"):
    """CASE over (condition, code) pairs, the first that holds counts."""
    literal = ((condition, code if isinstance(code, _Sql) else f"'{code}'") for condition, code in pairs)
    whens = [f"WHEN {condition} THEN {code}" for condition, code in literal]
    return f"CASE {' '.join(whens)} ELSE {otherwise} END" if whens else otherwise


def _listed(words):
    return "(" + ", ".join(f"'{word}'" for word in words) + ")" if words else "('')"


def resolve(first, last, terms, now, *, only="TRUE"):
    """Look up the names in the groups from ``first`` to ``last``; say what is wrong with them.

    Names are compared letter by letter, and looked for only where the person may see. ``only``: a
    further condition on the groups, as SQL.
    """
    params = {"first": first, "last": last}
    running = _running(now, params)
    seen = f"AND x.reseller_id = {terms.branch}" if terms.branch else ""
    home = terms.home or "NULL"
    named = "named.id"
    if terms.branch:  # a reseller's own people see no other one, by whatever name
        named = f"CASE WHEN named.id = {terms.branch} THEN named.id END"
    default = "NULL"
    if terms.operator:
        default = (
            f"CASE WHEN g.reseller_name IS NULL OR {named} = {terms.operator.reseller_id}"
            f" THEN {terms.operator.pk} END"
        )
    around = f"CASE WHEN g.reseller_name IS NULL THEN coalesce(o.reseller_id, {home}) ELSE {named} END"
    run(
        f"""
        WITH found AS MATERIALIZED (
            SELECT g.id, coalesce({around}, c.reseller_id) AS reseller_id, {named} AS named_id,
                o.id AS operator_id,
                c.id AS client_id, c.closed_at, a.id AS account_id, p.id AS package_id, p.archived_at,
                t.id AS tag_set_id,
                (SELECT min(x.id) FROM {running} x
                 WHERE x.client_id = c.id AND x.package_id = p.id
                ) AS client_package_id
            FROM dids_importgroup g
            LEFT JOIN clients_reseller named ON named.name = g.reseller_name
            LEFT JOIN operators_operator o ON o.id = CASE
                WHEN g.operator_name IS NULL THEN {default}
                WHEN g.reseller_name IS NOT NULL THEN
                    (SELECT x.id FROM operators_operator x
                     WHERE x.reseller_id = {named} AND x.name = g.operator_name)
                ELSE (SELECT min(x.id) FROM operators_operator x
                      WHERE x.name = g.operator_name {seen} HAVING count(*) = 1) END
            LEFT JOIN clients_client c ON c.id = CASE
                WHEN {around} IS NOT NULL THEN
                    (SELECT x.id FROM clients_client x
                     WHERE x.reseller_id = {around} AND x.name = g.client_name)
                WHEN g.reseller_name IS NULL AND g.operator_name IS NULL THEN
                    (SELECT min(x.id) FROM clients_client x
                     WHERE x.name = g.client_name {seen} HAVING count(*) = 1) END
            LEFT JOIN clients_account a ON a.client_id = c.id AND a.name = g.account_name
            LEFT JOIN clients_package p ON p.name = g.package_name
                AND p.reseller_id = coalesce({around}, c.reseller_id)
            LEFT JOIN dids_tagset t ON t.label = g.tags
            WHERE g.id BETWEEN %(first)s AND %(last)s AND ({only})
        ), judged AS MATERIALIZED (
            SELECT found.*, {_case(_problems(terms, home, seen))} AS problem,
                {_case(_assign_problems(terms))} AS assign_problem
            FROM found JOIN dids_importgroup g ON g.id = found.id
        )
        UPDATE dids_importgroup AS g SET
            reseller_id = f.reseller_id, operator_id = f.operator_id, client_id = f.client_id,
            account_id = f.account_id, package_id = f.package_id,
            client_package_id = f.client_package_id, tag_set_id = f.tag_set_id,
            problem = f.problem, assign_problem = f.assign_problem,
            new_problem = {_case(_new_problems(terms))}
        FROM judged f WHERE f.id = g.id
        """,
        params,
    )


_GIVEN = "(g.client_name IS NOT NULL OR g.account_name IS NOT NULL OR g.package_name IS NOT NULL)"
_COMPLETE = "(g.client_name IS NOT NULL AND g.account_name IS NOT NULL AND g.package_name IS NOT NULL)"


def _problems(terms, home, seen):
    """(condition, code) of what refuses every row of a group; the first counts. ``f`` is what was found."""
    f = "found"
    yield "g.flaw IS NOT NULL", "flaw"
    no_reseller = f"g.reseller_name IS NOT NULL AND {f}.named_id IS NULL"
    if terms.branch:
        yield no_reseller, "reseller hidden"
    else:
        yield from _unknown(no_reseller, "reseller", "clients.add_reseller", terms)
    lost = f"{f}.reseller_id IS NULL AND g.reseller_name IS NULL"
    several = "(SELECT count(*) FROM {0} x WHERE x.name = g.{1}_name {2}) > 1"

    no_operator = f"g.operator_name IS NOT NULL AND {f}.operator_id IS NULL"
    among = several.format("operators_operator", "operator", seen)
    yield f"{no_operator} AND g.reseller_name IS NULL AND {among}", "operator ambiguous"
    yield from _unknown(no_operator, "operator", "operators.add_operator", terms)
    yield f"{no_operator} AND {lost}", "operator without reseller"

    no_client = f"g.client_name IS NOT NULL AND {f}.client_id IS NULL"
    among = several.format("clients_client", "client", seen)
    yield f"{no_client} AND {lost} AND {among}", "client ambiguous"
    yield from _unknown(no_client, "client", "clients.add_client", terms)
    yield f"{no_client} AND {lost}", "client without reseller"

    for name in ("account", "package"):
        yield f"g.{name}_name IS NOT NULL AND g.client_name IS NULL", f"{name} without client"
        missing = f"g.{name}_name IS NOT NULL AND {f}.{name}_id IS NULL"
        yield from _unknown(missing, name, f"clients.add_{name}", terms)
    yield f"g.status IN {_listed(st.FREE)} AND {_GIVEN}", "client on a free number"


def _unknown(missing, name, right, terms):
    if not terms.create:
        yield missing, f"{name} unknown"
    elif not terms.may(right):
        yield missing, f"may not add {name}"


def _assign_problems(terms):
    """(condition, code) of what refuses to give a number to the client of the group."""
    yield f"NOT {_COMPLETE}", "client incomplete"
    yield "found.closed_at IS NOT NULL", "client closed"
    had = (
        "SELECT 1 FROM dids_clientpackage x"
        " WHERE x.client_id = found.client_id AND x.package_id = found.package_id"
    )
    not_given = "found.client_package_id IS NULL"
    yield f"{not_given} AND EXISTS ({had})", "package off"
    yield f"{not_given} AND found.archived_at IS NOT NULL", "package archived"
    if not terms.create:
        yield not_given, "package not given"
    elif not terms.may("add_clientpackage"):
        yield not_given, "may not give package"


def _new_problems(terms):
    """(condition, code) of what refuses to make a number as the group says."""
    if not terms.may("add_did"):
        yield "TRUE", "may not add"
    yield "g.operator_name IS NULL AND f.operator_id IS NULL", "no operator"
    yield f"g.status IS NULL AND {_GIVEN}", "client without status"
    for status in st.HELD:
        # As if made In Stock, assigned, and moved on.
        path = {(st.INSTOCK, st.ACTIVE), (st.ACTIVE, status)} & st.MOVES.keys()
        for right in sorted(st.MOVES[move].right for move in path):
            if not terms.may(right):
                yield f"g.status = '{status}'", f"right:{right}"
    yield f"g.status IN {_listed(st.HELD)} AND f.assign_problem IS NOT NULL", _Sql("f.assign_problem")


def judge(first, last, terms, now):
    """Give a verdict on the staged rows from ``first`` to ``last``.

    They were staged as rows with new numbers, and most stay that in most files; what is written here
    are the exceptions.
    """
    params = {"first": first, "last": last}
    newest = "SELECT max(h.history_id) FROM dids_didhistory h WHERE h.object_id = j.did_id"
    _judge_changes(
        terms,
        now,
        params,
        "r.verdict = '+'",
        f"""verdict = CASE WHEN {_REFUSED} THEN '!' ELSE j.code END,
            reason = CASE WHEN {_REFUSED} THEN j.code END,
            did_id = j.did_id, seen = CASE WHEN j.code = '~' THEN ({newest}) END""",
    )
    if terms.by_id:
        run(
            "UPDATE dids_importrow SET verdict = '!', reason = 'no id'"
            " WHERE id BETWEEN %(first)s AND %(last)s AND verdict = '+'",
            params,
        )
    else:
        judge_new(first, last)


def judge_new(first, last, *, verdict="!"):
    """Refuse the rows with new numbers whose group has a problem.

    Whether somebody made the number after the check the INSERT tells.
    """
    run(
        """
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = coalesce(g.problem, g.new_problem)
        FROM dids_importgroup g
        WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '+' AND g.id = r.group_id
            AND (g.problem IS NOT NULL OR g.new_problem IS NOT NULL)
        """,
        {"first": first, "last": last, "verdict": verdict},
    )


def judge_changes_again(first, last, terms, now):
    """Judge the changes of numbers, now locked, again: what comes out otherwise is refused."""
    _judge_changes(
        terms,
        now,
        {"first": first, "last": last},
        "r.verdict = '~'",
        f"""verdict = CASE WHEN j.code = '~' THEN '~' ELSE '?' END,
            reason = CASE WHEN {_REFUSED} THEN j.code WHEN j.code <> '~' THEN 'changed' END""",
    )


_REFUSED = "j.code NOT IN ('~', '=')"


def _judge_changes(terms, now, params, which, written):
    """Compare rows with the numbers that they name; write ``written`` and what the numbers will be."""
    numbers = DID.objects.with_status_now(now).values(
        "id", "number", "operator_id", "after_hold", "hold_days", "hold_from", "hold_until", "tag_set_id",
        "notes", "account_id", "client_package_id", "status_now",
    )  # fmt: skip
    numbers, running = _embed(numbers, params), _running(now, params)
    image = _image(terms)
    kept = ", ".join(f"{name} = CASE WHEN j.code = '~' THEN j.new_{name} END" for name in image)
    run(
        f"""
        WITH found AS MATERIALIZED (
            SELECT r.id, r.notes, g.problem, g.assign_problem,
                g.operator_name, g.reseller_name, g.tags, g.reseller_id, g.operator_id, g.account_id,
                g.client_package_id, g.tag_set_id, g.after_hold, g.hold_days, {_GIVEN} AS given,
                d.id AS did_id, d.status_now AS was, coalesce(g.status, d.status_now) AS becomes,
                d.operator_id AS old_operator_id, o.reseller_id AS old_reseller_id,
                d.after_hold AS old_after_hold, d.hold_days AS old_hold_days, d.notes AS old_notes,
                d.tag_set_id AS old_tag_set_id, d.account_id AS old_account_id,
                d.client_package_id AS old_client_package_id, d.hold_from, d.hold_until,
                running.id IS NOT NULL AS old_runs,
                coalesce(g.client_name IS NULL OR g.client_id = a.client_id, FALSE) AS same_client,
                coalesce((g.client_name IS NULL OR g.client_id = a.client_id)
                    AND (g.account_name IS NULL OR g.account_id = d.account_id)
                    AND (g.package_name IS NULL OR g.package_id = cp.package_id), FALSE) AS same_holder
            FROM dids_importrow r
            JOIN {numbers} d ON {"d.id = r.ref" if terms.by_id else "d.number = r.number"}
            JOIN operators_operator o ON o.id = d.operator_id
            JOIN dids_importgroup g ON g.id = r.group_id
            LEFT JOIN clients_account a ON a.id = d.account_id
            LEFT JOIN dids_clientpackage cp ON cp.id = d.client_package_id
            LEFT JOIN {running} running ON running.id = d.client_package_id
            WHERE r.id BETWEEN %(first)s AND %(last)s AND {which}
        ), j AS MATERIALIZED (
            SELECT id, did_id, {_case(_verdicts(terms), otherwise="'~'")} AS code,
                becomes = '{st.ACTIVE}' AND was IN ('{st.INSTOCK}', '{st.HOLD}') AS assigned,
                {", ".join(f"{value} AS new_{name}" for name, value in image.items())}
            FROM found
        )
        UPDATE dids_importrow AS r SET {written}, {kept},
            assigned = CASE WHEN j.code = '~' AND j.assigned THEN TRUE END
        FROM j WHERE j.id = r.id
        """,
        params,
    )


def _image(terms):
    """{column: what it will be} of a number that exists, out of the columns of ``found``."""
    held, hold = _listed(st.HELD), f"was = '{st.HOLD}' AND becomes = '{st.HOLD}'"
    own_tags = "" if _clears("tags", terms) else " ELSE old_tag_set_id"
    own_days = "" if _clears("hold_days", terms) else ", old_hold_days"
    return {
        "operator_id": "CASE WHEN operator_name IS NULL THEN old_operator_id ELSE operator_id END",
        "status": "becomes",
        "after_hold": "coalesce(after_hold, old_after_hold)",
        "hold_days": f"coalesce(hold_days{own_days or ', NULL'})",
        "tag_set_id": f"CASE WHEN tags IS NOT NULL THEN tag_set_id{own_tags} END",
        **{
            name: f"CASE WHEN {_NEWLY} THEN {name} WHEN becomes IN {held} THEN old_{name} END"
            for name in ("account_id", "client_package_id")
        },
        "hold_from": f"CASE WHEN {hold} THEN hold_from END",
        "hold_until": f"CASE WHEN {hold} AND NOT ({_hold_days_differ(terms)}) THEN hold_until END",
    }


# The number is given to a client other than its own, or for the first time.
_NEWLY = (
    f"(becomes = '{st.ACTIVE}'"
    f" AND (was = '{st.INSTOCK}' OR (was = '{st.HOLD}' AND given AND NOT same_holder)))"
)
_MOVE = "was || '>' || becomes"


def _verdicts(terms):
    """(condition, code) of rows whose number exists; where none holds it is updated."""
    if terms.branch:
        yield f"old_reseller_id <> {terms.branch}", "no id" if terms.by_id else "outside"
    if terms.existing == LEAVE:
        yield "TRUE", "="
    yield "problem IS NOT NULL", _Sql("problem")
    differ = _differs("reseller_id", "old_reseller_id")
    yield f"operator_name IS NULL AND reseller_name IS NOT NULL AND {differ}", "other reseller"

    may = [f"{source}>{target}" for (source, target), move in st.MOVES.items() if terms.may(move.right)]
    legal = [f"{source}>{target}" for source, target in st.MOVES]
    yield f"was <> becomes AND {_MOVE} NOT IN {_listed(legal)}", _Sql(_MOVE)
    yield f"was <> becomes AND {_MOVE} NOT IN {_listed(may)}", _Sql(f"{_MOVE} || ':right'")

    held = _listed(st.HELD)
    yield f"becomes NOT IN {held} AND given", "client on a free number"
    back = f"was = '{st.HOLD}' AND becomes = '{st.ACTIVE}'"
    yield f"{back} AND given AND NOT same_client", "held for another client"
    yield (
        f"was IN {held} AND becomes IN {held} AND given AND NOT same_holder AND NOT ({back})",
        "other client",
    )
    yield f"{_NEWLY} AND assign_problem IS NOT NULL", _Sql("assign_problem")
    yield f"{_NEWLY} AND operator_name IS NULL AND {differ}", "package of another reseller"
    on = f"becomes = '{st.ACTIVE}' AND was IN ('{st.HOLD}', '{st.BLOCKED}')"
    yield f"{on} AND NOT {_NEWLY} AND NOT old_runs", "package off"
    moved = f"operator_name IS NOT NULL AND {_differs('operator_id', 'old_operator_id')}"
    yield f"{moved} AND was IN {held} AND becomes IN {held} AND {differ}", "operator of another reseller"

    changes = " OR ".join([moved, *_differences(terms)])
    yield f"was = becomes AND NOT ({changes})", "="
    if not terms.may("change_did"):
        yield f"{changes}", "may not change"


def _differences(terms):
    yield "(after_hold IS NOT NULL AND after_hold <> old_after_hold)"
    yield f"({_hold_days_differ(terms)})"
    new = _differs("tag_set_id", "old_tag_set_id")
    yield f"(tags IS NOT NULL AND (tag_set_id IS NULL OR {new}))"
    if _clears("tags", terms):
        yield "(tags IS NULL AND old_tag_set_id IS NOT NULL)"
    yield "notes <> old_notes" if _clears("notes", terms) else "(notes <> '' AND notes <> old_notes)"


def _hold_days_differ(terms):
    differ = _differs("hold_days", "old_hold_days")
    return differ if _clears("hold_days", terms) else f"hold_days IS NOT NULL AND {differ}"


def _clears(column, terms):
    """Whether a blank cell of this column empties the field of a number that exists."""
    return terms.existing == CLEAR and column in terms.mapped


# --- what only many rows together tell ------------------------------------------------------------


def refuse_duplicates(first, last, by_id, rows):
    """Of the ``rows`` from ``first`` to ``last`` with the same number the first counts; the others name
    its line.

    A generator that does a part of the numbers at a time: sorting them all would take the memory of
    SQLite's process and its one write lock for long.
    """
    key = "ref" if by_id else "number"
    parts = 1 + rows // TOGETHER
    for part in range(parts):
        these = f"AND CAST({key} AS numeric) %% {parts} = {part}" if parts > 1 else ""
        run(
            f"""
            UPDATE dids_importrow AS r SET verdict = '!', reason = 'duplicate', first_line = f.line
            FROM (SELECT {key}, min(id) AS id, min(line) AS line FROM dids_importrow
                  WHERE id BETWEEN %(first)s AND %(last)s AND {key} IS NOT NULL {these}
                  GROUP BY {key} HAVING count(*) > 1) f
            WHERE r.id BETWEEN %(first)s AND %(last)s AND r.{key} = f.{key} AND r.id > f.id
            """,
            {"first": first, "last": last},
        )
        yield


def have_places(first, last):
    """Whether the packages have a place for every row, as the groups tell whose rows are counted.

    Only of new numbers: of one that exists its group need not know the package. Costs little, while giving
    out the places one by one takes long and much memory.
    """
    params = {"first": first, "last": last}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM (
                SELECT g.client_package_id, coalesce(cp.package_id, g.package_id) AS package_id,
                    CASE WHEN cp.id IS NULL THEN g.client_name END AS client_name, sum(g.given) AS given
                FROM dids_importgroup g LEFT JOIN dids_clientpackage cp ON cp.id = g.client_package_id
                WHERE g.id BETWEEN %(first)s AND %(last)s AND g.given > 0
                GROUP BY 1, 2, 3
            ) AS wanted JOIN clients_package p ON p.id = wanted.package_id
            WHERE wanted.given > p.did_limit - (
                SELECT count(*) FROM dids_did d WHERE d.client_package_id = wanted.client_package_id
                    AND d.status IN {_listed(st.IN_PLACE)})
            """,
            params,
        )
        return cursor.fetchone()[0] == 0


def refuse_what_does_not_fit(first, last, terms, *, verdict="!", fits=False):
    """Refuse rows that give a number to a client whose package has no place for it or not for its tags.

    Places go to the rows in the order of the file. A package that is yet to be created has a place for
    each and allows every tag. ``fits``: it is known that there are places enough. Returns how many were
    refused.
    """
    params = {"first": first, "last": last, "tags": terms.defaults.get("tags") or "", "verdict": verdict}
    unfit = _refuse_unfit_tags(params, "NULL" if _clears("tags", terms) else "t.label")
    if fits:
        return unfit
    return unfit + run(
        f"""
        WITH giving AS MATERIALIZED (
            SELECT {_GIVING_TO} {_GIVING}
        ), taken AS MATERIALIZED (
            SELECT client_package_id, (
                SELECT count(*) FROM dids_did d WHERE d.client_package_id = each_one.client_package_id
                    AND d.status IN {_listed(st.IN_PLACE)}) AS numbers
            FROM (SELECT DISTINCT client_package_id FROM giving WHERE in_place) AS each_one
        ), ranked AS (
            SELECT id, client_package_id, did_limit, row_number() OVER
                (PARTITION BY client_package_id, package_id, client_name ORDER BY id) AS place
            FROM giving WHERE in_place
        )
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = 'package full', assigned = NULL
        FROM ranked LEFT JOIN taken ON taken.client_package_id = ranked.client_package_id
        WHERE ranked.id = r.id AND ranked.place > ranked.did_limit - coalesce(taken.numbers, 0)
        """,
        params,
    )


# Rows that give their number to a client by a package that exists.
_GIVING_TO = f"""r.id, cp.id AS client_package_id, p.id AS package_id, p.did_limit, p.allowed_tags,
    CASE WHEN cp.id IS NULL THEN g.client_name END AS client_name,
    coalesce(r.status, g.status) IN {_listed(st.IN_PLACE)} AS in_place"""
_GIVING = f"""FROM dids_importrow r
    JOIN dids_importgroup g ON g.id = r.group_id
    LEFT JOIN dids_clientpackage cp ON cp.id = coalesce(r.client_package_id, g.client_package_id)
    JOIN clients_package p ON p.id = coalesce(cp.package_id, g.package_id)
    WHERE r.id BETWEEN %(first)s AND %(last)s
        AND ((r.verdict = '+' AND g.status IN {_listed(st.HELD)}) OR (r.verdict = '~' AND r.assigned))"""


def _refuse_unfit_tags(params, own_tags):
    if not Package.objects.exclude(allowed_tags="").exists():
        return 0
    tags = f"coalesce(g.tags, CASE WHEN r.verdict = '+' THEN %(tags)s ELSE {own_tags} END, '')"
    giving = f"""
        SELECT giving.id, giving.allowed_tags, {tags} AS tags
        FROM (SELECT {_GIVING_TO} {_GIVING}) AS giving
        JOIN dids_importrow r ON r.id = giving.id
        JOIN dids_importgroup g ON g.id = r.group_id
        LEFT JOIN dids_did d ON d.id = r.did_id
        LEFT JOIN dids_tagset t ON t.id = d.tag_set_id
        WHERE giving.allowed_tags <> ''
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT tags, allowed_tags FROM ({giving}) AS pairs", params)
        pairs = cursor.fetchall()
    refused, unfit = 0, [pair for pair in pairs if not set(split_tags(pair[0])) & set(split_tags(pair[1]))]
    for start in range(0, len(unfit), 100):
        texts = [text for pair in unfit[start : start + 100] for text in pair]
        values = ", ".join(f"(%(text{n})s, %(text{n + 1})s)" for n in range(0, len(texts), 2))
        refused += run(
            f"WITH giving AS MATERIALIZED ({giving}) UPDATE dids_importrow AS r"
            " SET verdict = %(verdict)s, reason = 'package tags', assigned = NULL"
            " FROM giving WHERE giving.id = r.id"
            f" AND (giving.tags, giving.allowed_tags) IN (VALUES {values})",
            params | {f"text{n}": text for n, text in enumerate(texts)},
        )
    return refused


def _differs(one, other):
    """Whether two columns differ, None being a value."""
    return f"{one} {'IS DISTINCT FROM' if connection.vendor == 'postgresql' else 'IS NOT'} {other}"


def _running(now, params):
    """The running client packages, as a table."""
    return _embed(ClientPackage.objects.running(now).values("id", "client_id", "package_id"), params)


def _embed(queryset, params):
    """The SQL of ``queryset`` in brackets, its values put into ``params`` under names of their own."""
    sql, values = queryset.query.sql_with_params()
    names = [f"embedded{len(params) + n}" for n in range(len(values))]
    params.update(zip(names, values, strict=True))
    return f"({sql % tuple(f'%({name})s' for name in names)})"


def run(sql, params):
    """Execute; returns how many rows were written."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount

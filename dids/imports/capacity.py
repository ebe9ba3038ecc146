"""Refuse rows whose package has no capacity for another number, or allows neither its tags nor its class.

A package that is yet to be created has room for every row and allows every tag and class. A row that ends
the use of its number frees a place for any other row of the file, wherever it stands; see ``frees_places``.
"""

from django.db.models import Max

from clients.models import Package
from clients.tags import tag_keys
from dids.imports.sql import execute, in_list, select
from dids.lifecycle import statuses as st
from dids.models import DID
from dids.models.package_classes import class_sql, refuses_sql

PAIRS = 100  # pairs of tags that one statement refuses

# Rows that assign their number to a client under an existing package.
_ASSIGNING = f"""
    SELECT r.id, cp.id AS client_package_id, p.id AS package_id, p.did_limit, p.allowed_tags,
        CASE WHEN cp.id IS NULL THEN g.client_name END AS client_name,
        coalesce(r.status, g.status) IN {in_list(st.IN_USE)} AS counts
    FROM dids_importrow r
    JOIN dids_importgroup g ON g.id = r.group_id
    LEFT JOIN dids_clientpackage cp ON cp.id = coalesce(r.client_package_id, g.client_package_id)
    JOIN clients_package p ON p.id = coalesce(cp.package_id, g.package_id)
    WHERE r.id BETWEEN %(first)s AND %(last)s
        AND ((r.verdict = '+' AND g.status IN {in_list(st.HELD)}) OR (r.verdict = '~' AND r.assigned))
"""

# Rows that end the use of their number; it is still in use, under the package that gets the place back.
_FREEING = f"""
    dids_importrow r JOIN dids_did freed ON freed.id = r.did_id
    WHERE r.id BETWEEN %(first)s AND %(last)s AND r.verdict = '~'
        AND freed.status IN {in_list(st.IN_USE)} AND r.status NOT IN {in_list(st.IN_USE)}
"""


# Identifies the client package of a row ``r`` with its group ``g``, also one that is yet to be created.
PACKAGE = """coalesce(CAST(coalesce(r.client_package_id, g.client_package_id) AS text),
    coalesce(CAST(g.reseller_id AS text), g.reseller_name, '') || '/' || g.client_name
    || '/' || g.package_name)"""


def frees_places(first, last):
    """Return whether rows free places in packages."""
    return bool(select(f"SELECT 1 FROM {_FREEING} LIMIT 1", {"first": first, "last": last}))


def count_places(first, last, *, assigned, updated):
    """Return how many places in client packages the rows to write take and free.

    {"taken": numbers, "taken_in": client packages, "freed": numbers, "freed_in": client packages}.
    ``assigned``: whether existing numbers are assigned; without any the groups have the counts. ``updated``:
    whether existing numbers change at all.
    """
    params, held = {"first": first, "last": last}, in_list(st.IN_USE)
    if assigned:
        taking = f"""
            SELECT {PACKAGE} AS package, 1 AS numbers
            FROM dids_importrow r JOIN dids_importgroup g ON g.id = r.group_id
            WHERE r.id BETWEEN %(first)s AND %(last)s
                AND ((r.verdict = '+' AND g.status IN {held}) OR (r.verdict = '~' AND r.assigned))
        """
    else:
        taking = f"""
            SELECT {PACKAGE.replace("r.client", "g.client")} AS package, g.given AS numbers
            FROM dids_importgroup g
            WHERE g.id BETWEEN %(first)s AND %(last)s AND g.given > 0 AND g.status IN {held}
        """
    ((taken, taken_in),) = select(
        f"SELECT coalesce(sum(numbers), 0), count(DISTINCT package) FROM ({taking}) AS taking", params
    )
    freed = freed_in = 0
    if updated:
        ((freed, freed_in),) = select(
            f"SELECT count(*), count(DISTINCT freed.client_package_id) FROM {_FREEING}", params
        )
    return {"taken": int(taken), "taken_in": taken_in, "freed": freed, "freed_in": freed_in}


def set_others_aside(first, last):
    """Give the rows to write that free no place a verdict that the merge passes over.

    ``take_up_others`` ends it, and gives the rows that were merged meanwhile the verdict "d" (done).
    """
    execute(
        f"""
        UPDATE dids_importrow SET verdict = CASE verdict WHEN '+' THEN 'C' ELSE 'U' END
        WHERE id BETWEEN %(first)s AND %(last)s AND verdict IN ('+', '~')
            AND id NOT IN (SELECT r.id FROM {_FREEING})
        """,
        {"first": first, "last": last},
    )


def take_up_others(first, last):
    execute(
        """
        UPDATE dids_importrow SET verdict = CASE verdict WHEN 'C' THEN '+' WHEN 'U' THEN '~' ELSE 'd' END
        WHERE id BETWEEN %(first)s AND %(last)s AND verdict IN ('C', 'U', '~')
        """,
        {"first": first, "last": last},
    )


def fits(first, last):
    """Return whether every package has capacity for all of its rows, by the counts of the groups.

    Only for new numbers: the group of an existing number may not name its package. Much cheaper than
    ranking the rows.
    """
    ((overfull,),) = select(
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
                AND d.status IN {in_list(st.IN_USE)})
        """,
        {"first": first, "last": last},
    )
    return not overfull


def refuse_over_limit(first, last, *, verdict="!"):
    """Refuse the rows beyond the DID limit of their package, in file order; return how many.

    Places that other rows from ``first`` to ``last`` free count as free. The ``flaw`` of a refused row is
    JSON: [limit, numbers that use the package, of these freed, rows that need a place]. The numbers of a
    package are counted only if all numbers together could reach its limit: it may have a million.
    """
    numbers = DID.objects.aggregate(most=Max("pk"))["most"] or 0  # each has an id of its own
    limited = f"SELECT * FROM ({_ASSIGNING}) AS assigning WHERE counts AND did_limit < %(reach)s"
    params = {"first": first, "last": last, "reach": numbers + last - first + 1}
    if not select(f"{limited} LIMIT 1", params):
        return 0
    return execute(
        f"""
        WITH limited AS MATERIALIZED ({limited}
        ), used AS MATERIALIZED (
            SELECT client_package_id, (
                SELECT count(*) FROM dids_did d WHERE d.client_package_id = package.client_package_id
                    AND d.status IN {in_list(st.IN_USE)}) AS numbers
            FROM (SELECT DISTINCT client_package_id FROM limited) AS package
        ), freed AS MATERIALIZED (
            SELECT freed.client_package_id, count(*) AS numbers FROM {_FREEING}
            GROUP BY freed.client_package_id
        ), ranked AS (
            SELECT id, client_package_id, did_limit, row_number() OVER (package ORDER BY id) AS rank,
                count(*) OVER package AS wanted
            FROM limited
            WINDOW package AS (PARTITION BY client_package_id, package_id, client_name)
        )
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = 'package full', assigned = NULL,
            flaw = '[' || ranked.did_limit || ', ' || coalesce(used.numbers, 0) || ', '
                || coalesce(freed.numbers, 0) || ', ' || ranked.wanted || ']'
        FROM ranked LEFT JOIN used ON used.client_package_id = ranked.client_package_id
            LEFT JOIN freed ON freed.client_package_id = ranked.client_package_id
        WHERE ranked.id = r.id
            AND ranked.rank > ranked.did_limit - coalesce(used.numbers, 0) + coalesce(freed.numbers, 0)
        """,
        params | {"verdict": verdict},
    )


def refuse_tags(first, last, options, *, verdict="!"):
    """Refuse the rows whose tags their package doesn't allow; return how many.

    Tags are compared in Python, once for each distinct pair of a number's tags and a package's.
    """
    if not Package.objects.exclude(allowed_tags="").exists():
        return 0
    blank_tags = "NULL" if options.clears("tags") else "t.label"
    assigning = f"""
        SELECT assigning.id, assigning.allowed_tags,
            coalesce(g.tags, CASE WHEN r.verdict = '+' THEN %(tags)s ELSE {blank_tags} END, '') AS tags
        FROM ({_ASSIGNING}) AS assigning
        JOIN dids_importrow r ON r.id = assigning.id
        JOIN dids_importgroup g ON g.id = r.group_id
        LEFT JOIN dids_did d ON d.id = r.did_id
        LEFT JOIN dids_tagset t ON t.id = d.tag_set_id
        WHERE assigning.allowed_tags <> ''
    """
    params = {"first": first, "last": last, "tags": options.defaults.get("tags") or "", "verdict": verdict}
    pairs = select(f"SELECT DISTINCT tags, allowed_tags FROM ({assigning}) AS pairs", params)
    unfit = [(tags, allowed) for tags, allowed in pairs if not tag_keys(tags) & tag_keys(allowed)]
    refused = 0
    for start in range(0, len(unfit), PAIRS):
        texts = [text for pair in unfit[start : start + PAIRS] for text in pair]
        values = ", ".join(f"(%(text{n})s, %(text{n + 1})s)" for n in range(0, len(texts), 2))
        refused += execute(
            f"""
            WITH assigning AS MATERIALIZED ({assigning})
            UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = 'package tags', assigned = NULL
            FROM assigning WHERE assigning.id = r.id
                AND (assigning.tags, assigning.allowed_tags) IN (VALUES {values})
            """,
            params | {f"text{n}": text for n, text in enumerate(texts)},
        )
    return refused


def refuse_classes(first, last, *, verdict="!"):
    """Refuse the rows with a number of a class that their package doesn't take; return how many.

    The ``flaw`` of a refused row is the class.
    """
    if not Package.objects.exclude(allowed_classes="").exists():
        return 0
    return execute(
        f"""
        WITH assigning AS MATERIALIZED ({_ASSIGNING}), unfit AS MATERIALIZED (
            SELECT assigning.id, coalesce(r.number, d.number) AS number
            FROM assigning
            JOIN clients_package p ON p.id = assigning.package_id
            JOIN dids_importrow r ON r.id = assigning.id
            LEFT JOIN dids_did d ON d.id = r.did_id
            WHERE {refuses_sql("p", "coalesce(r.number, d.number)")}
        )
        UPDATE dids_importrow AS r SET verdict = %(verdict)s, reason = 'package class', assigned = NULL,
            flaw = {class_sql("unfit.number")}
        FROM unfit WHERE unfit.id = r.id
        """,
        {"first": first, "last": last, "verdict": verdict},
    )

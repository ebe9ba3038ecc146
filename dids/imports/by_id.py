"""Give staged groups the names of the records that a program named by id, ``id:17``.

From then on records are found by name, among those that the user may see, and again when the rows are
written. A record gives its group the names of what it belongs to as well, so that no other one can be meant.
"""

import json

from dids.imports.cells import BY_ID
from dids.imports.sql import execute, running_packages

_GONE = "This record doesn’t exist, isn’t yours to see, or doesn’t belong to the others of its row."
_RESELLER = "JOIN clients_reseller r ON r.id ="
_CLIENT = f"JOIN clients_client c ON c.id = %s.client_id {_RESELLER} c.reseller_id"
# {kind: (its id, the tables, {kind: its name})}, in the order in which a record tells who its others are
_RECORDS = {
    "reseller": ("r.id", "clients_reseller r", {"reseller": "r.name"}),
    "operator": (
        "o.id",
        f"operators_operator o {_RESELLER} o.reseller_id",
        {"operator": "o.name", "reseller": "r.name"},
    ),
    "client": (
        "c.id",
        f"clients_client c {_RESELLER} c.reseller_id",
        {"client": "c.name", "reseller": "r.name"},
    ),
    "account": (
        "a.id",
        f"clients_account a {_CLIENT % 'a'}",
        {"account": "a.name", "client": "c.name", "reseller": "r.name"},
    ),
    # A client’s package, not one of the catalogue
    "package": (
        "cp.id",
        f"dids_clientpackage cp JOIN clients_package p ON p.id = cp.package_id {_CLIENT % 'cp'}",
        {"package": "p.name", "client": "c.name", "reseller": "r.name"},
    ),
}


def name_records(batch, options, now):
    """Replace ids by names and refuse the groups with an id that names nothing; two statements a kind."""
    for kind, (key, tables, names) in _RECORDS.items():
        params = {"first": batch.first, "last": batch.last}
        column = f"g.{kind}_name"
        alike = [f"(g.{other}_name IS NULL OR g.{other}_name = {names[other]})" for other in names]
        conditions = [condition for condition in alike if column not in condition]
        if options.bound_to:
            conditions.append(f"r.id = {options.bound_to}")
        if kind == "package":
            conditions.append(_is_first(running_packages(now, params)))
        # CASE: PostgreSQL may convert a text before it looks how it begins.
        named = (
            f"CASE WHEN {column} LIKE '{BY_ID}%%' THEN CAST(substr({column}, {len(BY_ID) + 1}) AS bigint) END"
        )
        execute(
            f"""
            UPDATE dids_importgroup AS g
            SET {", ".join(f"{other}_name = {value}" for other, value in names.items())}
            FROM {tables}
            WHERE g.id BETWEEN %(first)s AND %(last)s AND {key} = {named}
                {"".join(f"AND {condition} " for condition in conditions)}
            """,
            params,
        )
        _refuse_unnamed(batch, kind)


def _is_first(running):
    """Return the condition that a name finds this one of a client's packages, which may be several."""
    return f"""coalesce((SELECT min(x.id) FROM {running} x
        WHERE x.client_id = cp.client_id AND x.package_id = cp.package_id), cp.id) = cp.id"""


def _refuse_unnamed(batch, kind):
    before, after = json.dumps([kind, "<id>", f"{_GONE} Correct the id."]).split("<id>")
    execute(
        f"""
        UPDATE dids_importgroup SET flaw = %(before)s || {kind}_name || %(after)s
        WHERE id BETWEEN %(first)s AND %(last)s AND flaw IS NULL AND {kind}_name LIKE '{BY_ID}%%'
        """,
        {"first": batch.first, "last": batch.last, "before": before, "after": after},
    )

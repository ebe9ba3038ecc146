"""Resolve the names of staged groups to ids, and find what is wrong with each group."""

from dids.imports.sql import Expression, case, execute, in_list, running_packages
from dids.lifecycle import statuses as st

ANY_CLIENT_NAME = "(g.client_name IS NOT NULL OR g.account_name IS NOT NULL OR g.package_name IS NOT NULL)"
ALL_CLIENT_NAMES = "(g.client_name IS NOT NULL AND g.account_name IS NOT NULL AND g.package_name IS NOT NULL)"


def resolve(first, last, options, now, *, only="TRUE"):
    """Resolve the names of the groups from ``first`` to ``last`` and set their problems.

    Names match exactly, among the records that the user may see. ``only`` is a further condition on
    the groups ``g``, as SQL.
    """
    params = {"first": first, "last": last}
    visible = f"AND x.reseller_id = {options.bound_to}" if options.bound_to else ""
    named_reseller = "named.id"
    if options.bound_to:  # bound users see no other reseller, whatever its name
        named_reseller = f"CASE WHEN named.id = {options.bound_to} THEN named.id END"
    default_operator = "NULL"
    if options.operator:
        default_operator = f"""
            CASE WHEN g.reseller_name IS NULL OR {named_reseller} = {options.operator.reseller_id}
                THEN {options.operator.pk} END"""
    reseller = f"""
        CASE WHEN g.reseller_name IS NULL
            THEN coalesce(o.reseller_id, {options.default_reseller or "NULL"})
            ELSE {named_reseller} END"""
    running = running_packages(now, params)
    execute(
        f"""
        WITH found AS MATERIALIZED (
            SELECT g.id, coalesce({reseller}, c.reseller_id) AS reseller_id, {named_reseller} AS named_id,
                o.id AS operator_id,
                c.id AS client_id, c.closed_at, a.id AS account_id, p.id AS package_id, p.archived_at,
                t.id AS tag_set_id,
                (SELECT min(x.id) FROM {running} x
                 WHERE x.client_id = c.id AND x.package_id = p.id
                ) AS client_package_id
            FROM dids_importgroup g
            LEFT JOIN clients_reseller named ON named.name = g.reseller_name
            LEFT JOIN operators_operator o ON o.id = CASE
                WHEN g.operator_name IS NULL THEN {default_operator}
                WHEN g.reseller_name IS NOT NULL THEN
                    (SELECT x.id FROM operators_operator x
                     WHERE x.reseller_id = {named_reseller} AND x.name = g.operator_name)
                ELSE (SELECT min(x.id) FROM operators_operator x
                      WHERE x.name = g.operator_name {visible} HAVING count(*) = 1) END
            LEFT JOIN clients_client c ON c.id = CASE
                WHEN {reseller} IS NOT NULL THEN
                    (SELECT x.id FROM clients_client x
                     WHERE x.reseller_id = {reseller} AND x.name = g.client_name)
                WHEN g.reseller_name IS NULL AND g.operator_name IS NULL THEN
                    (SELECT min(x.id) FROM clients_client x
                     WHERE x.name = g.client_name {visible} HAVING count(*) = 1) END
            LEFT JOIN clients_account a ON a.client_id = c.id AND a.name = g.account_name
            LEFT JOIN clients_package p ON p.name = g.package_name
                AND p.reseller_id = coalesce({reseller}, c.reseller_id)
            LEFT JOIN dids_tagset t ON t.label = g.tags
            WHERE g.id BETWEEN %(first)s AND %(last)s AND ({only})
        ), checked AS MATERIALIZED (
            SELECT found.*, {case(_problems(options, visible))} AS problem,
                {case(_assign_problems(options))} AS assign_problem
            FROM found JOIN dids_importgroup g ON g.id = found.id
        )
        UPDATE dids_importgroup AS g SET
            reseller_id = f.reseller_id, operator_id = f.operator_id, client_id = f.client_id,
            account_id = f.account_id, package_id = f.package_id,
            client_package_id = f.client_package_id, tag_set_id = f.tag_set_id,
            problem = f.problem, assign_problem = f.assign_problem,
            new_problem = {case(_new_problems(options))}
        FROM checked f WHERE f.id = g.id
        """,
        params,
    )


def _problems(options, visible):
    """Yield (condition, code) for what refuses every row of a group, in order of precedence."""
    yield "g.flaw IS NOT NULL", "flaw"
    no_reseller = "g.reseller_name IS NOT NULL AND found.named_id IS NULL"
    if options.bound_to:
        yield no_reseller, "reseller hidden"
    else:
        yield from _unknown(no_reseller, "reseller", "clients.add_reseller", options)
    # Nothing tells which reseller a new record would belong to.
    no_home = "found.reseller_id IS NULL AND g.reseller_name IS NULL"
    several = "(SELECT count(*) FROM {table} x WHERE x.name = g.{name} {visible}) > 1"

    no_operator = "g.operator_name IS NOT NULL AND found.operator_id IS NULL"
    several_operators = several.format(table="operators_operator", name="operator_name", visible=visible)
    yield f"{no_operator} AND g.reseller_name IS NULL AND {several_operators}", "operator ambiguous"
    yield from _unknown(no_operator, "operator", "operators.add_operator", options)
    yield f"{no_operator} AND {no_home}", "operator without reseller"

    no_client = "g.client_name IS NOT NULL AND found.client_id IS NULL"
    several_clients = several.format(table="clients_client", name="client_name", visible=visible)
    yield f"{no_client} AND {no_home} AND {several_clients}", "client ambiguous"
    yield from _unknown(no_client, "client", "clients.add_client", options)
    yield f"{no_client} AND {no_home}", "client without reseller"

    for kind in ("account", "package"):
        yield f"g.{kind}_name IS NOT NULL AND g.client_name IS NULL", f"{kind} without client"
        missing = f"g.{kind}_name IS NOT NULL AND found.{kind}_id IS NULL"
        yield from _unknown(missing, kind, f"clients.add_{kind}", options)
    yield f"g.status IN {in_list(st.FREE)} AND {ANY_CLIENT_NAME}", "client on a free number"


def _unknown(missing, kind, permission, options):
    if not options.create:
        yield missing, f"{kind} unknown"
    elif not options.may(permission):
        yield missing, f"may not add {kind}"


def _assign_problems(options):
    """Yield (condition, code) for what refuses to assign a number to the group's client."""
    yield f"NOT {ALL_CLIENT_NAMES}", "client incomplete"
    yield "found.closed_at IS NOT NULL", "client closed"
    not_running = "found.client_package_id IS NULL"
    exists = """EXISTS (SELECT 1 FROM dids_clientpackage x
        WHERE x.client_id = found.client_id AND x.package_id = found.package_id)"""
    yield f"{not_running} AND {exists}", "package off"
    yield f"{not_running} AND found.archived_at IS NOT NULL", "package archived"
    if not options.create:
        yield not_running, "package not given"
    elif not options.may("add_clientpackage"):
        yield not_running, "may not give package"


def _new_problems(options):
    """Yield (condition, code) for what refuses to create a number with the group's values."""
    if not options.may("add_did"):
        yield "TRUE", "may not add"
    yield "g.operator_name IS NULL AND f.operator_id IS NULL", "no operator"
    yield f"g.status IS NULL AND {ANY_CLIENT_NAME}", "client without status"
    for status in st.HELD:
        # As if created In Stock, assigned and moved on, with the permissions for each of these moves.
        path = {(st.INSTOCK, st.ACTIVE), (st.ACTIVE, status)} & st.MOVES.keys()
        for permission in sorted(st.MOVES[move].right for move in path):
            if not options.may(permission):
                yield f"g.status = '{status}'", f"right:{permission}"
    assigned = f"g.status IN {in_list(st.HELD)}"
    yield f"{assigned} AND f.assign_problem IS NOT NULL", Expression("f.assign_problem")

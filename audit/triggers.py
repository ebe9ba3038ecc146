"""The triggers that write history (and whatever else a table keeps), on both engines.

They are generated from the models, installed after every ``migrate`` and compared with what the
database holds by a system check: SQLite drops a table's triggers when Django rebuilds the table.
"""

from dataclasses import dataclass
from itertools import chain

from django.apps import apps

from audit import history
from audit.models import Change, Seal


@dataclass(frozen=True)
class Trigger:
    """One trigger: its name, its table and the CREATE TRIGGER statement.

    On PostgreSQL ``function`` and ``body`` are the plpgsql function it runs; triggers may share one.
    """

    name: str
    table: str
    sql: str
    function: str = ""
    body: str = ""


_providers = []


def register(provider):
    """Have ``provider(vendor) -> [Trigger]`` installed and checked with the rest; returns it."""
    _providers.append(provider)
    return provider


def wanted(connection):
    """Every trigger that this database should hold."""
    return list(chain.from_iterable(provider(connection.vendor) for provider in _providers))


def missing(connection):
    """Those that are absent, disabled or differ; tables that do not exist yet want none."""
    there = _installed(connection)
    tables = set(connection.introspection.table_names())
    return [t for t in wanted(connection) if t.table in tables and there.get((t.table, t.name)) != _text(t)]


def install(connection):
    """Make what is missing; cheap when nothing is. Returns how many were made."""
    if connection.vendor == "sqlite":
        _prepare_sqlite(connection)
    todo = missing(connection)
    make(connection, todo)
    return len(todo)


def make(connection, todo):
    """Put these triggers in place, for a migration that fills what they keep from then on."""
    with connection.cursor() as cursor:
        for function, body in {(t.function, t.body) for t in todo if t.function}:
            head = f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"
            cursor.execute(f"{head} AS $body${body}$body$")
        for trigger in todo:
            _drop_one(cursor, connection.vendor, trigger.name, trigger.table)
            cursor.execute(trigger.sql)


def drop(connection):
    """Take all of ours away, for a migration that rebuilds tables; ``install`` puts them back.

    SQLite refuses to rename a table while another table's trigger names it, so there they go
    before migrations run and come back after. A data migration between that must be recorded calls
    ``install`` itself first.
    """
    there = _installed(connection)
    with connection.cursor() as cursor:
        for trigger in wanted(connection):
            if (trigger.table, trigger.name) in there:
                _drop_one(cursor, connection.vendor, trigger.name, trigger.table)


def before_migrate(sender, using, plan, **kwargs):
    """pre_migrate: on SQLite, out of the way of rebuilt tables."""
    from django.db import connections

    if plan and connections[using].vendor == "sqlite":
        drop(connections[using])


def after_migrate(sender, using, **kwargs):
    """post_migrate, once (for the audit app, which is the first): all tables are there by now."""
    from django.db import connections

    if sender.name == "audit" and apps.ready:
        install(connections[using])


def _prepare_sqlite(connection):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS audit_current"
            " (id INTEGER PRIMARY KEY CHECK (id = 1), change_id BIGINT, at TEXT)"
        )
        cursor.execute("INSERT OR IGNORE INTO audit_current (id) VALUES (1)")


def _installed(connection):
    """{(table, name): text} of the triggers in the database, disabled ones left out."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute(
                "SELECT c.relname, t.tgname, p.prosrc FROM pg_trigger t"
                " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
                " WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND pg_table_is_visible(c.oid)"
            )
        return {(table, name): text for table, name, text in cursor.fetchall()}


def _text(trigger):
    return trigger.body or trigger.sql


def _drop_one(cursor, vendor, name, table):
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if vendor == "postgresql" else ""))


# --- history -------------------------------------------------------------------------------------


@register
def history_triggers(vendor):
    make = _postgresql_history if vendor == "postgresql" else _sqlite_history
    return list(chain.from_iterable(make(model, past) for model, past in history.TRACKED.items()))


def _sqlite_history(model, past):
    table, kept = model._meta.db_table, past._meta.db_table
    names = ", ".join(f'"{there}"' for _, there in history.columns(model))
    for event, sign, row in (("INSERT", "+", "NEW"), ("UPDATE", "~", "NEW"), ("DELETE", "-", "OLD")):
        values = ", ".join(f'{row}."{here}"' for here, _ in history.columns(model))
        yield Trigger(
            f"{kept}_{event.lower()}",
            table,
            f"CREATE TRIGGER {kept}_{event.lower()} AFTER {event} ON {table} FOR EACH ROW BEGIN"
            f" INSERT INTO {kept} ({names}, at, event, change_id)"
            f" SELECT {values}, coalesce(at, strftime('%Y-%m-%d %H:%M:%f000', 'now')), '{sign}', change_id"
            f" FROM audit_current; END",
        )
    # Deleted within a change that says so, and so is recorded itself: see audit.pruning.
    pruned = (
        " WHEN NOT EXISTS (SELECT 1 FROM audit_current JOIN audit_change ON audit_change.id = change_id"
        f" WHERE kind = '{Change.Kind.PRUNE}')"
    )
    for event, unless in (("UPDATE", ""), ("DELETE", pruned)):
        name = f"{kept}_no_{event.lower()}"
        yield Trigger(
            name,
            kept,
            f"CREATE TRIGGER {name} BEFORE {event} ON {kept} FOR EACH ROW{unless} BEGIN"
            f" SELECT RAISE(ABORT, 'history is append-only: {event} on {kept} refused'); END",
        )


def _postgresql_history(model, past):
    table, kept = model._meta.db_table, past._meta.db_table
    here = ", ".join(f'"{column}"' for column, _ in history.columns(model))
    there = ", ".join(f'"{column}"' for _, column in history.columns(model))
    # The clock is read once a statement: later than any lock it waited for, and one for its rows.
    body = (
        "\nDECLARE\n"
        "  moment timestamptz := coalesce("
        "nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;\n"
        "BEGIN\n"
        f"  INSERT INTO {kept} ({there}, at, event, change_id)\n"
        f"  SELECT {here}, moment, sign, change FROM rows_written;\n"
        "  RETURN NULL;\nEND\n"
    )
    for event, image in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        name = f"{kept}_{event.lower()}"
        yield Trigger(
            name,
            table,
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {image} TABLE AS rows_written"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {kept}_write()",
            f"{kept}_write",
            body,
        )
    # Deleted within a change that says so, and so is recorded itself: see audit.pruning.
    refuse = (
        "\nDECLARE\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "BEGIN\n"
        "  IF TG_OP = 'DELETE' AND EXISTS"
        f" (SELECT FROM audit_change WHERE id = change AND kind = '{Change.Kind.PRUNE}') THEN\n"
        "    RETURN NULL;\n"
        "  END IF;\n"
        "  RAISE EXCEPTION 'history is append-only: % on % refused', TG_OP, TG_TABLE_NAME;\nEND\n"
    )
    # TRUNCATE fires no row or transition trigger, so the tracked table refuses it as well.
    for name, where, events in (
        (f"{kept}_append_only", kept, "UPDATE OR DELETE OR TRUNCATE"),
        (f"{table}_no_truncate", table, "TRUNCATE"),
    ):
        yield Trigger(
            name,
            where,
            f"CREATE TRIGGER {name} BEFORE {events} ON {where} FOR EACH STATEMENT"
            " EXECUTE FUNCTION audit_refuse()",
            "audit_refuse",
            refuse,
        )


# --- seals ---------------------------------------------------------------------------------------


@register
def seal_triggers(vendor):
    table = Seal._meta.db_table
    if vendor == "postgresql":
        name = f"{table}_append_only"
        yield Trigger(
            name,
            table,
            f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {table}_refuse()",
            f"{table}_refuse",
            "\nBEGIN\n"
            "  RAISE EXCEPTION 'seals are append-only: % on % refused', TG_OP, TG_TABLE_NAME;\nEND\n",
        )
        return
    for event in ("UPDATE", "DELETE"):
        name = f"{table}_no_{event.lower()}"
        yield Trigger(
            name,
            table,
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW BEGIN"
            f" SELECT RAISE(ABORT, 'seals are append-only: {event} on {table} refused'); END",
        )

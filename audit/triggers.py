"""Generate and install the triggers that write history and counters, on both engines.

They are generated from the models and installed after every ``migrate``. A system check compares them with
the triggers in the database: SQLite drops a table's triggers when Django rebuilds the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Model

from audit import history
from audit.models import Change, Seal
from didmgmt.clock import SQLITE_CLOCK


@dataclass(frozen=True)
class Trigger:
    """A trigger: its name, its table and the CREATE TRIGGER statement.

    On PostgreSQL it runs the plpgsql function ``function`` with ``body``, which several triggers may share.
    ``needs``: another table, without which it would refuse every write, while migrations are undone.
    ``before``: statements to run before it is created, which catch up with what was written without it.
    """

    name: str
    table: str
    sql: str
    function: str = ""
    body: str = ""
    needs: str = ""
    before: tuple[str, ...] = ()


def after_each_statement(counter: str, table: str, body: str, *, needs: str = "") -> Iterator[Trigger]:
    """Yield PostgreSQL's triggers that run ``<counter>_count`` after each statement on ``table``.

    Its ``body`` finds the rows as they are in ``rows_new`` and as they were in ``rows_old``.
    """
    images = {
        "INSERT": "NEW TABLE AS rows_new",
        "UPDATE": "NEW TABLE AS rows_new OLD TABLE AS rows_old",
        "DELETE": "OLD TABLE AS rows_old",
    }
    function = f"{counter}_count"
    for event, tables in images.items():
        name = f"{counter}_{event.lower()}"
        sql = (
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
        yield Trigger(name, table, sql, function, body, needs)


Provider = Callable[[str], Iterable[Trigger]]

_providers: list[Provider] = []


def register(provider: Provider) -> Provider:
    """Register ``provider(vendor)``, whose triggers are installed and checked; return it."""
    _providers.append(provider)
    return provider


def wanted(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """Return every trigger that the database should have."""
    return list(chain.from_iterable(provider(connection.vendor) for provider in _providers))


def missing(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """Return the triggers that are absent, disabled or different, of tables that exist."""
    installed = _installed(connection)
    tables = set(connection.introspection.table_names())
    return [
        trigger
        for trigger in wanted(connection)
        if {trigger.table, trigger.needs or trigger.table} <= tables
        and installed.get((trigger.table, trigger.name)) != _text(trigger)
    ]


def install(connection: BaseDatabaseWrapper) -> int:
    """Install the missing triggers and return how many; cheap if none is missing."""
    if connection.vendor == "sqlite":
        _prepare_sqlite(connection)
    triggers = missing(connection)
    make(connection, triggers)
    return len(triggers)


def make(connection: BaseDatabaseWrapper, triggers: Iterable[Trigger]) -> None:
    """Create triggers, replacing their old versions."""
    with connection.cursor() as cursor:
        for statement in _statements(connection.vendor, list(triggers)):
            cursor.execute(statement)


def postgresql_script() -> str:
    """Return the SQL that creates every trigger on PostgreSQL, for ``didmgmt.operations.CreateTriggers``.

    They are in the order of their names: providers come in the order in which their modules are imported.
    """
    every = chain.from_iterable(provider("postgresql") for provider in _providers)
    in_order = sorted(every, key=lambda trigger: (trigger.table, trigger.name))
    return "".join(f"{statement};\n" for statement in _statements("postgresql", in_order))


def _statements(vendor: str, triggers: list[Trigger]) -> Iterator[str]:
    for function, body in {
        trigger.function: trigger.body for trigger in triggers if trigger.function
    }.items():
        head = f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"
        yield f"{head} AS $body${body}$body$"
        yield _as_owner(f"{function}()")
    for trigger in triggers:
        yield _drop_statement(vendor, trigger)
        yield from trigger.before
        yield trigger.sql


def _as_owner(function: str) -> str:
    """Return SQL that makes a function of PostgreSQL run as its owner, and callable by nobody else.

    The application's role may have no right to write history, see ``audit.roles``. Whoever may attach a
    trigger function to a table of their own, even a temporary one, could write history with it.
    """
    return (
        "DO $do$ BEGIN"
        f" EXECUTE format('ALTER FUNCTION {function} SECURITY DEFINER SET search_path = %I, pg_temp',"
        " current_schema());"
        f" REVOKE ALL ON FUNCTION {function} FROM PUBLIC; END $do$"
    )


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop all of our triggers, for a migration that rebuilds tables; ``install`` restores them.

    SQLite refuses to rename a table while another table's trigger names it, so all are dropped before
    migrations run and installed afterwards. A data migration that must be recorded calls ``install`` first.
    """
    installed = _installed(connection)
    with connection.cursor() as cursor:
        for trigger in wanted(connection):
            if (trigger.table, trigger.name) in installed:
                cursor.execute(_drop_statement(connection.vendor, trigger))


def before_migrate(*, using: str, plan: Any, **_: Any) -> None:
    """Drop the triggers on SQLite, where they would prevent rebuilding tables."""
    if plan and connections[using].vendor == "sqlite":
        drop(connections[using])


def after_migrate(sender: AppConfig, *, using: str, **_: Any) -> None:
    """Install the triggers, once: all tables exist when the first app, audit, sends post_migrate."""
    if sender.name == "audit" and apps.ready:
        install(connections[using])
        if connections[using].vendor == "sqlite":
            _keep_ids(connections[using])


def _keep_ids(connection: BaseDatabaseWrapper) -> None:
    """Let SQLite give no id again that history has.

    When Django rebuilds a table, SQLite forgets which ids it has given and continues after the highest
    existing one, so a new number could get the id and the history of a deleted one.
    """
    with connection.cursor() as cursor:
        existing = set(connection.introspection.table_names(cursor))  # not all when migrations are undone
        for tracked, past in history.TRACKED.items():
            if not isinstance(tracked._meta.pk, AutoField) or past._meta.db_table not in existing:
                continue
            table = tracked._meta.db_table
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT %s, 0"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [table, table],
            )
            known = f"SELECT coalesce(max(object_id), 0) FROM {past._meta.db_table}"
            cursor.execute(f"UPDATE sqlite_sequence SET seq = max(seq, ({known})) WHERE name = %s", [table])


def _prepare_sqlite(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS audit_current"
            " (id INTEGER PRIMARY KEY CHECK (id = 1), change_id BIGINT, at TEXT)"
        )
        cursor.execute("INSERT OR IGNORE INTO audit_current (id) VALUES (1)")


def _installed(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], str]:
    """Return {(table, name): SQL} of the enabled triggers in the database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute(
                "SELECT c.relname, t.tgname, p.prosrc FROM pg_trigger t"
                " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
                " WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND p.prosecdef"
                " AND pg_table_is_visible(c.oid)"
            )
        return {(table, name): text for table, name, text in cursor.fetchall()}


def _text(trigger: Trigger) -> str:
    return trigger.body or trigger.sql


def _drop_statement(vendor: str, trigger: Trigger) -> str:
    table = f" ON {trigger.table}" if vendor == "postgresql" else ""
    return f"DROP TRIGGER IF EXISTS {trigger.name}{table}"


# --- history -------------------------------------------------------------------------------------


@register
def history_triggers(vendor: str) -> Iterable[Trigger]:
    generate = _postgresql_history if vendor == "postgresql" else _sqlite_history
    return list(chain.from_iterable(generate(model, past) for model, past in history.TRACKED.items()))


def _sqlite_history(model: type[history.TrackedModel], past: type[Model]) -> Iterator[Trigger]:
    table, history_table = model._meta.db_table, past._meta.db_table
    columns = ", ".join(f'"{copy}"' for _, copy in history.columns(model))
    for event, sign, row in (("INSERT", "+", "NEW"), ("UPDATE", "~", "NEW"), ("DELETE", "-", "OLD")):
        values = ", ".join(f'{row}."{column}"' for column, _ in history.columns(model))
        yield Trigger(
            f"{history_table}_{event.lower()}",
            table,
            f"CREATE TRIGGER {history_table}_{event.lower()} AFTER {event} ON {table} FOR EACH ROW BEGIN"
            f" INSERT INTO {history_table} ({columns}, at, event, change_id)"
            f" SELECT {values}, coalesce(at, {SQLITE_CLOCK}), '{sign}', change_id"
            f" FROM audit_current; END",
        )
    # SQLite can't tell who inserts a row. Verification finds keys and times that were made up, and any other
    # row appended by hand says nothing that a write to the tracked table would not record as well. Another
    # trigger that refuses chosen keys would cost each write a quarter more.
    yield _sqlite_guard(f"{history_table}_no_update", history_table, "BEFORE UPDATE")
    # Rows may only be deleted within a change that records a pruning of their time, see audit.pruning.
    kept = (
        "NOT EXISTS (SELECT 1 FROM audit_current JOIN audit_change ON audit_change.id = change_id"
        f" WHERE kind = '{Change.Kind.PRUNE}' AND julianday(OLD.at) < julianday(data ->> 'horizon'))"
    )
    yield _sqlite_guard(f"{history_table}_no_delete", history_table, "BEFORE DELETE", kept)


def _sqlite_guard(name: str, table: str, event: str, condition: str = "", what: str = "history") -> Trigger:
    """Return a trigger that refuses ``event``, such as "BEFORE UPDATE", for rows that meet ``condition``."""
    when = f" WHEN {condition}" if condition else ""
    verb = event.split()[1]
    return Trigger(
        name,
        table,
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW{when} BEGIN"
        f" SELECT RAISE(ABORT, '{what} is append-only: {verb} on {table} refused'); END",
    )


def _postgresql_history(model: type[history.TrackedModel], past: type[Model]) -> Iterator[Trigger]:
    table, history_table = model._meta.db_table, past._meta.db_table
    columns = ", ".join(f'"{column}"' for column, _ in history.columns(model))
    copies = ", ".join(f'"{copy}"' for _, copy in history.columns(model))
    # The clock is read once a statement, after any lock it waited for, so that its rows share a timestamp.
    body = (
        "\nDECLARE\n"
        "  moment timestamptz := coalesce("
        "nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;\n"
        "BEGIN\n"
        f"  INSERT INTO {history_table} ({copies}, at, event, change_id)\n"
        f"  SELECT {columns}, moment, sign, change FROM rows_written;\n"
        "  RETURN NULL;\nEND\n"
    )
    for event, image in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        name = f"{history_table}_{event.lower()}"
        yield Trigger(
            name,
            table,
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {image} TABLE AS rows_written"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {history_table}_write()",
            f"{history_table}_write",
            body,
        )
    # Only recording triggers insert, at the second level of triggers. Rows may only be deleted within a
    # change that records a pruning of their time, see audit.pruning.
    refuse = (
        "\nDECLARE\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "BEGIN\n"
        "  IF TG_OP = 'INSERT' AND pg_trigger_depth() > 1 THEN\n"
        "    RETURN NULL;\n"
        "  END IF;\n"
        "  IF TG_OP = 'DELETE' AND EXISTS"
        f" (SELECT FROM audit_change WHERE id = change AND kind = '{Change.Kind.PRUNE}') THEN\n"
        "    RETURN NULL;\n"
        "  END IF;\n"
        "  RAISE EXCEPTION 'history is append-only: % on % refused', TG_OP, TG_TABLE_NAME;\nEND\n"
    )
    # TRUNCATE fires no row or transition trigger, so the tracked table refuses it as well.
    for name, guarded, events in (
        (f"{history_table}_append_only", history_table, "INSERT OR UPDATE OR DELETE OR TRUNCATE"),
        (f"{table}_no_truncate", table, "TRUNCATE"),
    ):
        yield Trigger(
            name,
            guarded,
            f"CREATE TRIGGER {name} BEFORE {events} ON {guarded} FOR EACH STATEMENT"
            " EXECUTE FUNCTION audit_refuse()",
            "audit_refuse",
            refuse,
        )
    name = f"{history_table}_pruned"
    yield Trigger(
        name,
        history_table,
        f"CREATE TRIGGER {name} AFTER DELETE ON {history_table} REFERENCING OLD TABLE AS rows_deleted"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent()",
        "audit_refuse_recent",
        "\nDECLARE\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "BEGIN\n"
        "  IF EXISTS (SELECT FROM rows_deleted WHERE (at <\n"
        "    (SELECT (data ->> 'horizon')::timestamptz FROM audit_change WHERE id = change)) IS NOT TRUE)\n"
        "  THEN\n"
        "    RAISE EXCEPTION 'history is append-only: % of rows that are not to be pruned on % refused',\n"
        "      TG_OP, TG_TABLE_NAME;\n"
        "  END IF;\n"
        "  RETURN NULL;\nEND\n",
    )


# --- changes -------------------------------------------------------------------------------------


@register
def change_triggers(vendor: str) -> Iterable[Trigger]:
    """Let only ``touched`` change, and delete only changes that wrote nothing or are pruned.

    A change that records a pruning stays, because it is what allows the deletion of history.
    """
    table = Change._meta.db_table
    fixed = ", ".join(str(f.column) for f in Change._meta.concrete_fields if f.name != "touched")
    prune = f"kind = '{Change.Kind.PRUNE}'"
    if vendor == "sqlite":
        pruning = f"(SELECT 1 FROM audit_current JOIN {table} c ON c.id = change_id WHERE c.{prune})"
        yield _sqlite_guard(f"{table}_no_update", table, f"BEFORE UPDATE OF {fixed}", what="the audit log")
        kept = f"OLD.{prune} OR (OLD.touched > 0 AND NOT EXISTS {pruning})"
        yield _sqlite_guard(f"{table}_no_delete", table, "BEFORE DELETE", kept, what="the audit log")
        return
    function = f"{table}_refuse"
    body = (
        "\nDECLARE\n"
        "  change bigint := nullif(current_setting('audit.change', true), '')::bigint;\n"
        "BEGIN\n"
        f"  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND OLD.kind <> '{Change.Kind.PRUNE}' AND EXISTS\n"
        f"    (SELECT FROM {table} WHERE id = change AND {prune}) THEN\n"
        "    RETURN OLD;\n"
        "  END IF;\n"
        "  RAISE EXCEPTION 'the audit log is append-only: % on % refused', TG_OP, TG_TABLE_NAME;\nEND\n"
    )
    for name, on in (
        ("no_update", f"BEFORE UPDATE OF {fixed} ON {table} FOR EACH STATEMENT"),
        ("no_delete", f"BEFORE DELETE ON {table} FOR EACH ROW WHEN (OLD.{prune} OR OLD.touched > 0)"),
        ("no_truncate", f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"),
    ):
        yield Trigger(
            f"{table}_{name}",
            table,
            f"CREATE TRIGGER {table}_{name} {on} EXECUTE FUNCTION {function}()",
            function,
            body,
        )


# --- seals ---------------------------------------------------------------------------------------


@register
def seal_triggers(vendor: str) -> Iterable[Trigger]:
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
            "  RAISE EXCEPTION 'the chain of seals is append-only: % on % refused',"
            " TG_OP, TG_TABLE_NAME;\nEND\n",
        )
        return
    for event in ("UPDATE", "DELETE"):
        yield _sqlite_guard(
            f"{table}_no_{event.lower()}", table, f"BEFORE {event}", what="the chain of seals"
        )

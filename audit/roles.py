"""Two roles of PostgreSQL: an owner, for migrations and prunings, and one for the application.

The application's role reads and writes records, but creates no tables, and can't write, change or delete
history and seals: history is written by triggers, which run as the owner. The owner is named by
``OWNER_DATABASE_URL``, the application's role by ``DATABASE_URL``. Without the former, one role is both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.history import TRACKED
from audit.models import Change, Seal

ALL = "SELECT, INSERT, UPDATE, DELETE"
FUNCTIONS = ("audit_lock_history(text[])", "dids_index_key(anyelement)", "jobs_analyze(text[])")
# Nobody but the owner calls a function that runs as the owner, unless it is granted.
CLOSE_FUNCTIONS = """
DO $do$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE prosecdef AND pronamespace = current_schema()::regnamespace
           AND proowner = current_user::regrole
  LOOP EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f); END LOOP;
END $do$
"""


@contextmanager
def as_owner() -> Iterator[None]:
    """Connect as the owner for this block, outside of any transaction; nothing changes without an owner."""
    application = connection.settings_dict
    if settings.OWNER_DATABASE is None:
        yield
        return
    connection.close()
    connection.settings_dict = application | settings.OWNER_DATABASE
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = application


def owns_tables() -> bool:
    """Return whether the role of the connection may act as the owner of our tables, if there are any."""
    with connection.cursor() as cursor:
        table = Change._meta.db_table
        cursor.execute(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(%s)", [table]
        )
        return bool(cursor.fetchone() != (False,))


def role_exists(role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return cursor.fetchone() is not None


def grants(database: BaseDatabaseWrapper, role: str) -> list[str]:
    """Return the statements that give ``role`` what the application needs and nothing else.

    The owner of the tables runs them, again after each migration, which may have created tables.
    """
    quote = database.ops.quote_name
    name, schema, owner = quote(role), *(quote(value) for value in _schema_and_owner(database))
    rights = _rights()
    statements = [
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {name}",
        f"REVOKE TEMPORARY ON DATABASE {quote(database.settings_dict['NAME'])} FROM PUBLIC, {name}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
    ]
    for table in database.introspection.table_names():
        statements.append(f"REVOKE ALL ON TABLE {quote(table)} FROM PUBLIC, {name}")
        statements.append(f"GRANT {rights.get(table, ALL)} ON TABLE {quote(table)} TO {name}")
    statements += [f"GRANT EXECUTE ON FUNCTION {function} TO {name}" for function in FUNCTIONS]
    # Tables of a later migration are readable until these statements run again.
    statements.append(
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {name}"
    )
    return statements


def excess(database: BaseDatabaseWrapper, role: str) -> list[str]:
    """Return what ``role`` may do although the application must not, such as "is a superuser"."""
    history = [past._meta.db_table for past in TRACKED.values()]
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT rolsuper, pg_has_role(%(role)s, current_user, 'MEMBER'),
                   has_schema_privilege(%(role)s, current_schema(), 'CREATE'),
                   has_database_privilege(%(role)s, current_database(), 'TEMPORARY'),
                   EXISTS (SELECT FROM unnest(%(tables)s::text[]) AS t
                           WHERE has_table_privilege(%(role)s, t, 'UPDATE, DELETE, TRUNCATE, TRIGGER')),
                   EXISTS (SELECT FROM unnest(%(history)s::text[]) AS t
                           WHERE has_table_privilege(%(role)s, t, 'INSERT'))
            FROM pg_roles WHERE rolname = %(role)s
            """,
            {"role": role, "tables": [*history, Seal._meta.db_table], "history": history},
        )
        found = cursor.fetchone() or ()
    problems = (
        "is a superuser",
        "is a member of the owner",
        "may create tables in the schema",
        "may create temporary tables",
        "may change history or seals",
        "may insert history",
    )
    return [problem for problem, applies in zip(problems, found, strict=False) if applies]


def _rights() -> dict[str, str]:
    rights = {past._meta.db_table: "SELECT" for past in TRACKED.values()}
    return rights | {
        Seal._meta.db_table: "SELECT, INSERT",
        Change._meta.db_table: "SELECT, INSERT, UPDATE (touched), DELETE",
        "django_migrations": "SELECT",
    }


def _schema_and_owner(database: BaseDatabaseWrapper) -> Any:
    with database.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        return cursor.fetchone()


def after_migrate(sender: Any, *, using: str, **_: Any) -> None:
    """Give the application's role its rights on new tables, once, where there are two roles."""
    if sender.name == "audit" and apps.ready and settings.OWNER_DATABASE is not None:
        role = settings.DATABASES[using]["USER"]
        if role != settings.OWNER_DATABASE["USER"] and role_exists(role):
            with connection.cursor() as cursor:
                for statement in grants(connection, role):
                    cursor.execute(statement)

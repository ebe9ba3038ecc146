"""The roles under which tests run on PostgreSQL: the application's, and the owner's if marked ``owner``.

Both belong to one connection, so that a test sees in its transaction what it did in the other role.
"""

from contextlib import contextmanager
from importlib import import_module

from django.db import connection
from psycopg.pq import TransactionStatus

PASSWORD = "application"  # with which other processes connect as that role
made = []  # the name of the application's role, where the server lets us make one


def make_application_role():
    role = f"{connection.settings_dict['NAME']}_application"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {connection.ops.quote_name(role)}")
        cursor.execute(f"CREATE ROLE {connection.ops.quote_name(role)} LOGIN PASSWORD '{PASSWORD}'")
    made.append(role)
    grant()


def grant():
    """Give the application's role, if there is one, its rights on all tables, also on those made since."""
    for role in made:
        with connection.cursor() as cursor:
            # tests.kills imports this module before Django is set up.
            for statement in import_module("audit.roles").grants(connection, role):
                cursor.execute(statement)


def drop_application_role():
    role = connection.ops.quote_name(made.pop())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {role}")
        cursor.execute(f"DROP ROLE {role}")


def as_application_wanted(test):
    """Return whether a test is to run as the application's role, and that role exists."""
    return bool(made) and test.get_closest_marker("owner") is None


def application_role():
    """Return the role that connections assume now, None for the owner."""
    return (
        connection.settings_dict["OPTIONS"].get("assume_role") if connection.vendor == "postgresql" else None
    )


@contextmanager
def as_application():
    """Be the application in this block, on this connection and on new ones."""
    if application_role():
        yield
        return
    connection.settings_dict["OPTIONS"]["assume_role"] = made[0]
    _set_role(connection.ops.quote_name(made[0]))
    try:
        yield
    finally:
        connection.settings_dict["OPTIONS"].pop("assume_role")
        _set_role("NONE")


@contextmanager
def as_owner():
    """Be the owner of the tables in this block, on this connection and on new ones."""
    role = application_role()
    if role is None:
        yield
        return
    options = connection.settings_dict["OPTIONS"]
    del options["assume_role"]
    _set_role("NONE")
    try:
        yield
    finally:
        options["assume_role"] = role
        _set_role(connection.ops.quote_name(role))


def _set_role(role):
    """Set the role, unless the connection is closed, or its transaction has failed and will roll it back."""
    server = connection.connection
    if server and (server.closed or server.info.transaction_status == TransactionStatus.INERROR):
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {role}")

"""On PostgreSQL the application's role writes records, and history only through triggers."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import SYSTEM, roles
from audit.history import TRACKED
from dids.models import DID, DIDHistory
from tests.audit.forging import days_ago, on
from tests.carrier import carrier, numbers_in
from tests.roles import made

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
]


@pytest.fixture(autouse=True)
def two_roles(db):
    if not made:
        pytest.skip("the server does not let us make a role")


def refused(sql):
    with (
        pytest.raises(DatabaseError, match="permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


@pytest.mark.parametrize("table", [past._meta.db_table for past in TRACKED.values()])
def test_the_application_only_reads_history(table):
    numbers_in("active", ["100"], carrier())

    for statement in (
        "UPDATE {} SET at = now()",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {} SELECT * FROM {}",
    ):
        refused(statement.replace("{}", table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_seal SET digest = 'x'",
        "DELETE FROM audit_seal",
        "TRUNCATE audit_seal",
        "UPDATE audit_change SET label = 'x'",
        "TRUNCATE audit_change CASCADE",
        "UPDATE django_migrations SET name = 'x'",
        "DROP TRIGGER dids_didhistory_append_only ON dids_didhistory",
        "ALTER TABLE dids_did DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        "CREATE TABLE x (id int)",
        "CREATE TEMPORARY TABLE x (id int)",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE audit_seal",
    ],
)
def test_the_application_may_not(statement):
    refused(statement)


@pytest.mark.owner
def test_whoever_can_make_a_table_can_not_attach_the_triggers_that_write_history():
    with connection.cursor() as cursor:
        role = connection.ops.quote_name(f"{connection.settings_dict['NAME']}_application")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        cursor.execute(f"SET ROLE {role}")
        cursor.execute("CREATE TABLE forged (LIKE dids_did)")
        refused(
            "CREATE TRIGGER forge AFTER INSERT ON forged REFERENCING NEW TABLE AS rows_written"
            " FOR EACH STATEMENT EXECUTE FUNCTION dids_didhistory_write()"
        )
        cursor.execute("SET ROLE NONE")


# --- two roles that sign in ------------------------------------------------------------------------------


@pytest.fixture
def installation(transactional_db, settings, monkeypatch):
    """Configure an owner and a role of the application that does not exist yet; return its name."""
    role, database = f"{connection.settings_dict['NAME']}_made", connection.settings_dict
    assumed = database["OPTIONS"].pop("assume_role")
    connection.close()
    settings.OWNER_DATABASE = {name: database[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")}
    with monkeypatch.context() as patch:
        patch.setitem(database, "USER", role)
        yield role
        connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            cursor.execute(f"DROP OWNED BY {connection.ops.quote_name(role)}")
            cursor.execute(f"DROP ROLE {connection.ops.quote_name(role)}")
    connection.close()
    database["OPTIONS"]["assume_role"] = assumed


def give_password(role):
    with roles.as_owner(), connection.cursor() as cursor:
        name = connection.ops.quote_name(role)
        cursor.execute(f"ALTER ROLE {name} PASSWORD '{connection.settings_dict['PASSWORD']}'")


def database_roles(*options):
    out = StringIO()
    call_command("database_roles", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_makes_a_role_that_the_application_works_with(installation, tmp_path):
    printed = database_roles()
    assert f'CREATE ROLE "{installation}" LOGIN;' in printed
    assert f'GRANT SELECT ON TABLE "dids_didhistory" TO "{installation}";' in printed

    output = database_roles("--apply")
    give_password(installation)

    assert "may read and write records, and only read history" in output
    with on(days_ago(300)):
        numbers_in("instock", ["100"], carrier())
    with on(days_ago(200)):
        DID.objects.all().edit(by=SYSTEM, notes="x")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, session_user")
        assert cursor.fetchone() == (installation, installation)
    refused("DELETE FROM dids_didhistory")
    call_command(
        "prune_history",
        "--before",
        f"{days_ago(100):%Y-%m-%d}",
        "--export",
        str(tmp_path / "out"),
        stdout=StringIO(),
    )
    assert DIDHistory.objects.count() == 1
    call_command("migrate", verbosity=0)
    assert DID.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_command_refuses_a_role_that_may_do_more(installation):
    database_roles("--apply")
    with roles.as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {connection.ops.quote_name(installation)} SUPERUSER")

    with pytest.raises(CommandError, match="is a superuser.* History is not protected from it"):
        database_roles("--apply")


def test_the_command_needs_two_roles(settings):
    with pytest.raises(CommandError, match="Set OWNER_DATABASE_URL"):
        database_roles()
    settings.OWNER_DATABASE = {"USER": connection.settings_dict["USER"]}
    with pytest.raises(CommandError, match="name the same role"):
        database_roles()

"""What history keeps of users, roles and API tokens: records that triggers of their tables keep up to date.

A record holds what a user, a role or a token is and may do, with the names of roles and permissions in one
row, and neither passwords, secrets nor sign-ins. It is tracked like any other model, so a write to users,
roles, their members, their permissions or to tokens is in the audit log whoever made it: a page, a command or
a statement in the database.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import connection, models

import audit
from audit import history, triggers
from audit.models import Change
from audit.seals.failures import count_and_name
from audit.triggers import Trigger
from clients.models import BranchQuerySet, Reseller
from didmgmt.clock import SQLITE_CLOCK


class PermissionsField(models.TextField):
    """Permissions such as "dids.delete_did, dids.view_did", sorted."""


class InstallationQuerySet(models.QuerySet):
    """Rows that belong to no reseller, and that only users without a reseller may see."""

    branch = None

    def visible_to(self, user):
        return self if user.is_authenticated and user.reseller_id is None else self.none()


class StaffRecord(models.Model):
    """A user; ``id`` is the user's."""

    id = models.BigIntegerField(primary_key=True)
    # No constraint: history outlives resellers, and the user's own key protects them.
    reseller = models.ForeignKey(
        Reseller, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    name = models.CharField("user name", max_length=150)
    person = models.CharField("name", max_length=301, blank=True)
    email = models.CharField(max_length=254, blank=True)
    roles = models.TextField(blank=True)
    permissions = PermissionsField("further permissions", blank=True)
    active = models.BooleanField()
    staff_admin = models.BooleanField()
    superuser = models.BooleanField()
    password_set_at = models.DateTimeField("password set", null=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        verbose_name = "user"
        default_permissions = ()

    def __str__(self):
        return self.name


class RoleRecord(models.Model):
    """A role; ``id`` is the group's."""

    id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=150)
    permissions = PermissionsField(blank=True)

    objects = InstallationQuerySet.as_manager()

    class Meta:
        verbose_name = "role"
        default_permissions = ()

    def __str__(self):
        return self.name


class TokenRecord(models.Model):
    """An API token without its secret and its use; ``id`` is the token's, ``reseller`` its owner's."""

    id = models.BigIntegerField(primary_key=True)
    reseller = models.ForeignKey(
        Reseller, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    name = models.CharField(max_length=100)
    owner = models.CharField(max_length=150)
    key = models.CharField("begins with", max_length=16)
    scopes = models.TextField()
    only_reseller = models.ForeignKey(
        Reseller,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        verbose_name="limited to",
    )
    networks = models.TextField(blank=True)
    expires_at = models.DateTimeField("expires")
    revoked_at = models.DateTimeField("revoked", null=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        default_permissions = ()

    def __str__(self):
        return self.name


StaffRecordHistory = history.track(StaffRecord)
RoleRecordHistory = history.track(RoleRecord, has_rows_of_migrations=True)
TokenRecordHistory = history.track(TokenRecord)


# --- from the tables to the records -------------------------------------------------------------------

_CLOCK = {"postgresql": "clock_timestamp()", "sqlite": SQLITE_CLOCK}
_PERMISSION = "ct.app_label || '.' || p.codename"
_GRANTED = (
    "auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id"
    " JOIN {table} m ON m.permission_id = p.id WHERE m.{owner} = s.id"
)


@dataclass(frozen=True)
class _Projection:
    """How the rows of ``record`` follow from the table ``source``.

    ``columns``: {column of the record: SQL about the row ``s`` of the source}; ``first``: {column: SQL} of
    those that are set by the insert only.
    """

    record: type[models.Model]
    source: str
    columns: dict[str, str]
    first: dict[str, str]

    def differing(self, vendor):
        """Return SQL for the ids whose record is missing, different or left over."""
        table = self.record._meta.db_table
        return (
            f"SELECT found.id FROM ({self._select()}) AS found LEFT JOIN {table} ON {table}.id = found.id"
            f" WHERE {table}.id IS NULL OR {self._changed(vendor)}"
            f" UNION ALL SELECT {table}.id FROM {table}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {self.source} s WHERE s.id = {table}.id)"
        )

    def statements(self, vendor, only=""):
        """Return the statements that make the records equal to the source; ``only``: SQL that limits ids."""
        table, names = self.record._meta.db_table, [*self.columns]
        new = ", ".join(f"{name} = found.{name}" for name in names)
        first = "".join(f", {sql}" for sql in self.first.values())
        limit = f"id {only} AND " if only else ""
        update = (
            f"UPDATE {table} SET {new} FROM ({self._select(only)}) AS found"
            f" WHERE found.id = {table}.id AND ({self._changed(vendor)})"
        )
        insert = (
            f"INSERT INTO {table} ({', '.join(['id', *names, *self.first])}) {self._select(only, first)}"
            f" AND NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.id = s.id)"
        )
        delete = (
            f"DELETE FROM {table}"
            f" WHERE {limit}NOT EXISTS (SELECT 1 FROM {self.source} s WHERE s.id = {table}.id)"
        )
        return [*self._recordings(vendor, only), update, insert, delete]

    def _recordings(self, vendor, only):
        """Return the statement that records what a migration has written before it changes, or none."""
        if self.record not in history.OF_MIGRATIONS:
            return []
        table, past = self.record._meta.db_table, history.TRACKED[self.record]._meta.db_table
        record = (
            f"UPDATE {table} SET name = {table}.name FROM ({self._select(only)}) AS found"
            f" WHERE found.id = {table}.id AND ({self._changed(vendor)})"
            f" AND NOT EXISTS (SELECT 1 FROM {past} WHERE {past}.object_id = {table}.id)"
        )
        return [record]

    def _changed(self, vendor):
        table, differs = self.record._meta.db_table, _differs(vendor)
        return " OR ".join(f"{table}.{name} {differs} found.{name}" for name in self.columns)

    def _select(self, only="", more=""):
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self.columns.items())
        condition = f"s.id {only}" if only else "1 = 1"
        return f"SELECT s.id, {columns}{more} FROM {self.source} s WHERE {condition}"


def _differs(vendor):
    return "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"


def _joined(vendor, text, rows):
    """Return SQL that joins the texts of ``rows`` (SQL from FROM on), sorted by their bytes."""
    if vendor == "postgresql":
        ordered = f"""string_agg({text}, ', ' ORDER BY {text} COLLATE "C")"""
        return f"coalesce((SELECT {ordered} FROM {rows}), '')"
    return f"coalesce((SELECT group_concat(t, ', ') FROM (SELECT {text} AS t FROM {rows} ORDER BY 1)), '')"


def _projections(vendor):
    staff = {
        "reseller_id": "s.reseller_id",
        "name": "s.username",
        "person": "trim(s.first_name || ' ' || s.last_name)",
        "email": "s.email",
        "roles": _joined(
            vendor,
            "g.name",
            "auth_group g JOIN staff_user_groups m ON m.group_id = g.id WHERE m.user_id = s.id",
        ),
        "permissions": _joined(
            vendor,
            _PERMISSION,
            _GRANTED.format(table="staff_user_user_permissions", owner="user_id"),
        ),
        "active": "s.is_active",
        "staff_admin": "s.is_staff",
        "superuser": "s.is_superuser",
    }
    roles = {
        "name": "s.name",
        "permissions": _joined(
            vendor,
            _PERMISSION,
            _GRANTED.format(table="auth_group_permissions", owner="group_id"),
        ),
    }
    tokens = {
        "reseller_id": "(SELECT u.reseller_id FROM staff_user u WHERE u.id = s.owner_id)",
        "name": "s.name",
        "owner": "(SELECT u.username FROM staff_user u WHERE u.id = s.owner_id)",
        "key": "s.key",
        "scopes": "s.scopes",
        "only_reseller_id": "s.reseller_id",
        "networks": "s.networks",
        "expires_at": "s.expires_at",
        "revoked_at": "s.revoked_at",
    }
    # "!" begins a password that nobody can enter.
    password = f"CASE WHEN substr(s.password, 1, 1) IN ('', '!') THEN NULL ELSE {_CLOCK[vendor]} END"
    return (
        _Projection(StaffRecord, "staff_user", staff, {"password_set_at": password}),
        _Projection(RoleRecord, "auth_group", roles, {}),
        _Projection(TokenRecord, "staff_token", tokens, {}),
    )


_USER_COLUMNS = "username, first_name, last_name, email, reseller_id, is_active, is_staff, is_superuser"
# Without the last use of the token, which is no change
_KEPT_COLUMNS = "name, owner_id, scopes, reseller_id, networks, expires_at, revoked_at"
_OF_USER, _OF_ROLE, _OF_TOKEN = 0, 1, 2  # indexes of ``_projections``
_MEMBERS = "(SELECT user_id FROM staff_user_groups WHERE group_id = {row}.id)"
_TOKENS = "(SELECT id FROM staff_token WHERE owner_id = {row}.id)"
# Tables whose writes change records: (projection, table, columns whose update matters or "" for all, events,
# SQL that limits the ids of the source to those that a written row is about).
_TABLES = (
    (_OF_USER, "staff_user", _USER_COLUMNS, "INSERT UPDATE DELETE", "= {row}.id"),
    (_OF_USER, "staff_user_groups", "", "INSERT UPDATE DELETE", "= {row}.user_id"),
    (_OF_USER, "staff_user_user_permissions", "", "INSERT UPDATE DELETE", "= {row}.user_id"),
    (_OF_USER, "auth_group", "name", "UPDATE", f"IN {_MEMBERS}"),
    (_OF_ROLE, "auth_group", "name", "INSERT UPDATE DELETE", "= {row}.id"),
    (_OF_ROLE, "auth_group_permissions", "", "INSERT UPDATE DELETE", "= {row}.group_id"),
    (_OF_TOKEN, "staff_token", _KEPT_COLUMNS, "INSERT UPDATE DELETE", "= {row}.id"),
    (_OF_TOKEN, "staff_user", "username, reseller_id", "UPDATE", f"IN {_TOKENS}"),
)


@triggers.register
def record_triggers(vendor: str) -> Iterator[Trigger]:
    """Keep the records; PostgreSQL compares all of these small tables after each statement."""
    generate = _postgresql if vendor == "postgresql" else _sqlite
    yield from generate(_projections(vendor))


def _postgresql(projections):
    for kind, table, columns, events, _ in _TABLES:
        projection = projections[kind]
        function = f"{projection.record._meta.db_table}_write"
        on = " OR ".join(_event(event, columns) for event in events.split())
        name = f"{table}_{projection.record._meta.model_name}"
        yield Trigger(
            name,
            table,
            f"CREATE TRIGGER {name} AFTER {on} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
            function,
            _body(projection.statements("postgresql")),
            needs=projection.record._meta.db_table,
        )
    yield Trigger(
        "staff_user_password",
        "staff_user",
        "CREATE TRIGGER staff_user_password AFTER UPDATE OF password ON staff_user FOR EACH ROW"
        " WHEN (OLD.password IS DISTINCT FROM NEW.password) EXECUTE FUNCTION staff_user_password_write()",
        "staff_user_password_write",
        _body([_password_set("postgresql")]),
        needs="staff_staffrecord",
    )
    for table in dict.fromkeys(table for _, table, *_ in _TABLES):  # TRUNCATE fires no other trigger
        yield Trigger(
            f"{table}_no_truncate",
            table,
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION staff_refuse()",
            "staff_refuse",
            "\nBEGIN\n  RAISE EXCEPTION '% on % refused: it is not recorded', TG_OP, TG_TABLE_NAME;\nEND\n",
        )


def _body(statements):
    lines = "".join(f"  {statement};\n" for statement in statements)
    return f"\nBEGIN\n{lines}  RETURN NULL;\nEND\n"


def _sqlite(projections):
    for kind, table, columns, events, only in _TABLES:
        projection = projections[kind]
        for event in events.split():
            rows = {"INSERT": ["NEW"], "DELETE": ["OLD"], "UPDATE": ["OLD", "NEW"]}[event]
            if only.startswith("IN"):
                rows = rows[-1:]
            statements = [
                statement
                for row in rows
                for statement in projection.statements("sqlite", only.format(row=row))
            ]
            name = f"{table}_{projection.record._meta.model_name}_{event.lower()}"
            yield Trigger(
                name,
                table,
                f"CREATE TRIGGER {name} AFTER {_event(event, columns)} ON {table} FOR EACH ROW BEGIN"
                f" {'; '.join(statements)}; END",
                needs=projection.record._meta.db_table,
            )
    yield Trigger(
        "staff_user_password",
        "staff_user",
        "CREATE TRIGGER staff_user_password AFTER UPDATE OF password ON staff_user FOR EACH ROW"
        f" WHEN OLD.password IS NOT NEW.password BEGIN {_password_set('sqlite')}; END",
        needs="staff_staffrecord",
    )


def _event(event, columns):
    return f"UPDATE OF {columns}" if event == "UPDATE" and columns else event


def _password_set(vendor):
    return f"UPDATE staff_staffrecord SET password_set_at = {_CLOCK[vendor]} WHERE id = NEW.id"


# --- what no trigger has seen ----------------------------------------------------------------------------


def differing_sql():
    """Return {record model: SQL for the ids of users or roles that differ from their record}."""
    vendor = connection.vendor
    return {projection.record: projection.differing(vendor) for projection in _projections(vendor)}


def catch_up():
    """Record what no trigger has seen, as the system's: what existed before, or what a migration changed."""
    if not any(map(count_and_name, differing_sql().values())):
        return
    with (
        audit.change(Change.Kind.STAFF, by=audit.SYSTEM, label="Users and roles as found"),
        connection.cursor() as cursor,
    ):
        for projection in _projections(connection.vendor):
            for statement in projection.statements(connection.vendor):
                cursor.execute(statement)


def after_migrate(*, using, **_):
    """Catch up after a migration: SQLite has no triggers while migrations run."""
    tables = connection.introspection.table_names() if using == connection.alias else ()
    if apps.ready and RoleRecord._meta.db_table in tables:
        catch_up()

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction

from audit import roles


class Command(BaseCommand):
    help = (
        "Print the statements that give the application’s role (DATABASE_URL) what it needs on the tables of"
        " the owner (OWNER_DATABASE_URL), and nothing else. migrate runs them too."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--apply", action="store_true", help="run them as the owner; create the role if the owner may"
        )

    def handle(self, *, apply: bool, **_: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: whoever can write its file can change everything.")
        if settings.OWNER_DATABASE is None:
            raise CommandError(
                "Set OWNER_DATABASE_URL to the role that owns the tables, and DATABASE_URL to another role"
                " for the application."
            )
        role, owner = settings.DATABASES["default"]["USER"], settings.OWNER_DATABASE["USER"]
        if role == owner:
            raise CommandError(
                f"DATABASE_URL and OWNER_DATABASE_URL name the same role, {role}. Choose another one for the"
                " application."
            )
        with roles.as_owner():
            self._handle(role, apply=apply)

    def _handle(self, role: str, *, apply: bool) -> None:
        statements = roles.grants(connection, role)
        if not roles.role_exists(role):
            statements.insert(0, f"CREATE ROLE {connection.ops.quote_name(role)} LOGIN")
        if not apply:
            self.stdout.write("".join(f"{statement};\n" for statement in statements), ending="")
            return
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        except DatabaseError as error:
            raise CommandError(
                f"Nothing was changed: {str(error).splitlines()[0]}. Run the statements that are printed"
                " without --apply as an administrator of the server."
            ) from None
        if problems := roles.excess(connection, role):
            raise CommandError(
                f"The role {role} {', '.join(problems)}. History is not protected from it: take these rights"
                " away as an administrator of the server, or choose another role."
            )
        self.stdout.write(
            f"The role {role} may read and write records, and only read history and add seals."
            " If it is new, give it a password: \\password in psql."
        )

import shutil
import sqlite3
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from audit import roles, triggers
from didmgmt.management import archive
from didmgmt.text import count_noun


class Command(BaseCommand):
    help = "Restore a file of “manage.py backup” into the database and VAR_DIR. Stop the product first."
    requires_system_checks = ()  # an empty database lacks the triggers that a check asks for

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="replace the data that exists")

    def handle(self, *, file, **options):
        with roles.as_owner():
            self._handle(file, **options)

    def _handle(self, file, *, replace, **options):
        began = time.monotonic()
        try:
            archive.verify(file)
            with tarfile.open(file) as tar:
                manifest = archive.read_manifest(tar)
                self._check_target(manifest, replace)
                with tempfile.TemporaryDirectory(prefix="restore.", dir=settings.VAR_DIR) as folder:
                    tar.extractall(folder, filter="data")
                    rows = self._restore(Path(folder), manifest)
        except tarfile.TarError:
            raise CommandError(f"{file} is no archive of “manage.py backup”, or it is cut off.") from None
        except OSError as error:
            raise CommandError(f"{file} was not restored: {error.strerror}.") from None
        call_command("migrate", interactive=False, verbosity=0)
        if missing := triggers.missing(connection):
            raise CommandError(f"Restored, but: {archive.lacks_triggers(missing)}")
        members = manifest["sha256"]
        stored = sum(name.startswith(f"{archive.FILES}/") for name in members)
        key = " and the secret key" if archive.SECRET_KEY in members else ""
        self.stdout.write(
            f"Restored the backup of {manifest['made'][:19]} UTC in {time.monotonic() - began:.1f} s:"
            f" {sum(rows.values()):,} rows in {len(rows)} tables, {count_noun(stored, 'file')}{key}."
            " The history triggers are in place."
        )
        role = settings.DATABASES["default"].get("USER", "")
        if settings.OWNER_DATABASE is not None and not roles.role_exists(role):
            self.stdout.write(f"There is no role {role} yet: run “manage.py database_roles --apply”.")
        if archive.SECRET_KEY not in members:
            self.stdout.write("The secret key was in SECRET_KEY: set it to the same value here.")

    # --- the target

    def _check_target(self, manifest, replace):
        if manifest["engine"] != connection.vendor:
            raise CommandError(
                f"The backup is of {manifest['engine']}, but DATABASE_URL names {connection.vendor}."
            )
        if connection.vendor == "postgresql":
            archive.require_owner()
        if not replace and (connection.introspection.table_names() or any(archive.stored_files())):
            raise CommandError(
                "The database or the folder of uploads is not empty. Empty both, or add --replace."
            )
        if self._is_in_use():
            raise CommandError("The database is in use. Stop the web servers and workers, then try again.")

    def _is_in_use(self):
        """Return whether another process is connected."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                return cursor.fetchone() is not None
        connection.close()
        path = Path(connection.settings_dict["NAME"])
        if not path.exists():
            return False
        with closing(sqlite3.connect(path, timeout=1)) as database:
            try:
                # Leaving WAL needs every other connection closed; it also empties the files next to it.
                return database.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete"
            except sqlite3.OperationalError:
                return True

    # --- what is written

    def _restore(self, folder, manifest):
        """Restore the extracted ``folder``; return the rows of each table, which are those of the backup."""
        member = folder / archive.DATABASE[connection.vendor]
        if connection.vendor == "sqlite":
            rows = self._compared(archive.check_sqlite(member), manifest)
            connection.close()
            shutil.move(member, connection.settings_dict["NAME"])
        else:
            # The roles of this server may have other names. migrate gives them their rights again.
            options = ("--clean", "--if-exists", "--no-owner", "--no-privileges")
            connection.close()
            archive.run_postgresql(
                "pg_restore", *options, "--single-transaction", "--exit-on-error", str(member)
            )
            with connection.cursor() as cursor:
                cursor.execute(roles.CLOSE_FUNCTIONS)
            rows = self._compared(archive.count_rows(connection), manifest)
        shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
        if (folder / archive.FILES).exists():
            shutil.move(folder / archive.FILES, settings.MEDIA_ROOT)
        if (folder / archive.SECRET_KEY).exists():
            (folder / archive.SECRET_KEY).replace(settings.VAR_DIR / archive.SECRET_KEY)
        return rows

    def _compared(self, rows, manifest):
        if rows != manifest["rows"]:
            raise CommandError("The restored rows differ in number from those that were backed up.")
        return rows

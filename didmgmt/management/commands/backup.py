import io
import json
import os
import tarfile
import tempfile
import time
from pathlib import Path

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import connection, transaction

from audit import roles, triggers
from didmgmt import clock
from didmgmt.management import archive
from didmgmt.text import count_noun


class Command(BaseCommand):
    help = (
        "Back up the database, the uploaded files and the secret key into one file, while the product runs."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="a new file; only its owner can read it")

    def handle(self, *, file, **options):
        began = time.monotonic()
        if file.exists():
            raise CommandError(f"{file} exists already. Name a new file.")
        if not file.absolute().parent.is_dir():
            raise CommandError(f"There is no folder {file.absolute().parent}. Create it first.")
        try:
            parent = file.absolute().parent
            with roles.as_owner(), tempfile.TemporaryDirectory(prefix=f"{file.name}.", dir=parent) as folder:
                draft = Path(folder) / "archive"
                manifest = self._write(draft, Path(folder))
                archive.verify(draft)
                draft.rename(file)
        except OSError as error:
            raise CommandError(f"{file} was not written: {error.strerror}.") from None
        rows, tables, members = sum(manifest["rows"].values()), len(manifest["rows"]), manifest["sha256"]
        stored = sum(name.startswith(f"{archive.FILES}/") for name in members)
        key = "the secret key" if archive.SECRET_KEY in members else "no secret key, which is in SECRET_KEY"
        self.stdout.write(
            f"Backed up {rows:,} rows in {tables} tables, {count_noun(stored, 'file')} and {key}"
            f" in {time.monotonic() - began:.1f} s. {file} ({archive.size(file)}) was read again and checked."
        )

    def _write(self, draft, folder):
        """Write the archive; the database comes first, so that every job in it has its files."""
        member = archive.DATABASE[connection.vendor]
        rows = self._dump(folder / member)
        manifest = {
            "engine": connection.vendor,
            "made": clock.now().isoformat(),
            "rows": rows,
            "sha256": {},
        }
        private = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(private, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            self._add(tar, folder / member, member, manifest)
            (folder / member).unlink()
            for path, name in archive.stored_files():
                self._add(tar, path, name, manifest)
            if not os.environ.get("SECRET_KEY"):
                self._add(tar, settings.VAR_DIR / "secret_key", archive.SECRET_KEY, manifest)
            content = json.dumps(manifest).encode()
            entry = tarfile.TarInfo(archive.MANIFEST)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            file.flush()
            os.fsync(file.fileno())
        return manifest

    def _dump(self, target):
        """Copy the database to ``target``; return the rows of each table in the copy."""
        if connection.vendor == "sqlite":
            archive.copy_sqlite(connection.settings_dict["NAME"], target)
            return archive.check_sqlite(target)
        archive.require_owner()
        if missing := triggers.missing(connection):
            raise CommandError(archive.lacks_triggers(missing))
        with transaction.atomic(), connection.cursor() as cursor:
            # pg_dump reads the same snapshot as the counts.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
            archive.run_postgresql("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={target}")
            return archive.count_rows(connection)

    def _add(self, tar, path, name, manifest):
        """Add a file, unless it was deleted meanwhile."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            entry = tar.gettarinfo(arcname=name, fileobj=file)
            entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = 0o600, 0, 0, "", ""
            reader = archive.HashingReader(file)
            tar.addfile(entry, reader)
            manifest["sha256"][name] = reader.sha256.hexdigest()

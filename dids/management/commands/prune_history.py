from datetime import date, datetime, time, timedelta
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

import audit
from audit import pruning, seals
from audit.models import Change


class Command(BaseCommand):
    help = (
        "Export history that is older than a day and delete it. Of everything that is still there its newest"
        " state before that day stays."
    )

    def add_arguments(self, parser):
        parser.add_argument("--before", required=True, metavar="YYYY-MM-DD", help="what is of that day stays")
        parser.add_argument("--export", metavar="DIR", help="a new folder, for a file of each table")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")

    def handle(self, *, before, export, dry_run, **options):
        before = _moment(before)
        if dry_run:
            for table, rows in pruning.prunable(before).items():
                self.stdout.write(f"{table}: {rows.count():,} rows would be deleted.")
            return
        if not export:
            raise CommandError(
                "Say by --export DIR where to write what is deleted: nothing is deleted without."
                " --dry-run only counts."
            )
        folder = Path(export).absolute()
        label = pruning.label(before, folder)
        if len(label) > Change._meta.get_field("label").max_length:
            raise CommandError("The path of --export is too long to be recorded. Give a shorter one.")
        for finding in seals.whole_before_pruning():
            raise CommandError(
                f"{finding} Nothing was deleted: what is left would be sealed anew, which would hide it. See"
                " manage.py verify_history."
            )
        counts = _export(before, folder)
        for table, count in counts.items():
            self.stdout.write(f"{table}: {count:,} rows exported.")
        deleted = 0
        with audit.origin("prune_history"):
            for change in pruning.delete(before, folder, by=audit.SYSTEM, label=label):
                deleted = change.touched
        self.stdout.write(f"{deleted:,} rows are in {folder} and deleted.")
        if ranges := seals.seal_anew():
            self.stdout.write(f"{ranges:,} ranges of sealed history are sealed anew.")


def _moment(text):
    """The beginning of a day in the system's time zone."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--before must be a day such as 2026-01-31, not {text!r}.") from None
    newest = timezone.localdate() - timedelta(days=settings.DID_REUSE_DAYS)
    if day > newest:
        raise CommandError(
            f"--before must be {newest} or earlier: picking numbers warns of those that another client left"
            f" less than {settings.DID_REUSE_DAYS} days ago (DID_REUSE_DAYS), and history tells which."
        )
    return timezone.make_aware(datetime.combine(day, time.min))


def _export(before, folder):
    try:
        return pruning.export(before, folder)
    except FileExistsError:
        raise CommandError(f"{folder} is there already. Give a folder that is new or empty.") from None
    except OSError as error:
        raise CommandError(f"The export can't be written: {error}. Nothing was deleted.") from None

from datetime import date, datetime, time, timedelta
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

import audit
from audit import pruning
from audit.models import Change
from audit.roles import as_owner
from audit.seals.verifying import verify_complete_spans
from audit.seals.writing import reseal_pruned_spans
from didmgmt import clock


class Command(BaseCommand):
    help = (
        "Export history from before a day and delete it. The last state before that day is kept for"
        " everything that still exists."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--before", required=True, metavar="YYYY-MM-DD", help="history from this day on is kept"
        )
        parser.add_argument("--export", metavar="DIR", help="a new folder, for one file per table")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")

    def handle(self, *, before, export, dry_run, **_):
        before = _start_of_day(before)
        if dry_run:
            for table, rows in pruning.prunable(before).items():
                self.stdout.write(f"{table}: {rows.count():,} rows would be deleted.")
            return
        if not export:
            raise CommandError(
                "Name a folder for the export with --export DIR: nothing is deleted without one."
                " --dry-run only counts."
            )
        folder = Path(export).absolute()
        label = pruning.label(before, folder)
        if len(label) > Change._meta.get_field("label").max_length:
            raise CommandError("The path of --export is too long to be recorded. Choose a shorter one.")
        for failure in verify_complete_spans():
            raise CommandError(
                f"{failure} Nothing was deleted, because sealing the remaining rows again would hide this."
                " Run manage.py verify_history for all failures."
            )
        with as_owner():
            self._prune(before, folder, label)

    def _prune(self, before, folder, label):
        counts = _export(before, folder)
        for table, count in counts.items():
            self.stdout.write(f"{table}: {count:,} rows exported.")
        deleted = 0
        with audit.origin("prune_history"):
            for change in pruning.delete(before, folder, by=audit.SYSTEM, label=label):
                deleted = change.touched
        self.stdout.write(f"{deleted:,} rows were exported to {folder} and deleted.")
        if ranges := reseal_pruned_spans():
            self.stdout.write(f"{ranges:,} {'range' if ranges == 1 else 'ranges'} of history sealed again.")


def _start_of_day(text):
    """Return midnight of a day in the system's time zone."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--before must be a day such as 2026-01-31, not {text!r}.") from None
    newest = timezone.localdate(clock.now()) - timedelta(days=settings.DID_REUSE_DAYS)
    if day > newest:
        raise CommandError(
            f"--before must be {newest} or earlier: history is needed to warn when another client released"
            f" a number less than {settings.DID_REUSE_DAYS} days ago (DID_REUSE_DAYS)."
        )
    return timezone.make_aware(datetime.combine(day, time.min))


def _export(before, folder):
    try:
        return pruning.export(before, folder)
    except FileExistsError:
        raise CommandError(f"{folder} already exists. Choose a folder that is new or empty.") from None
    except OSError as error:
        raise CommandError(f"The export can’t be written: {error}. Nothing was deleted.") from None

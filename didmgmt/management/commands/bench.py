import argparse
import json

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from bench import jobs, lists, steps, writes
from bench.scratch import Scratch
from dids.models import DID
from staff.models import User


class Command(BaseCommand):
    help = (
        "Measure list pages and set-wise writes on the numbers that are there, and jobs on databases made for"
        " it; nothing of it stays."
    )

    def add_arguments(self, parser):
        parser.add_argument("--writes", type=int, default=20_000, help="numbers written (default: 20,000)")
        parser.add_argument(
            "--rows",
            type=int,
            default=20_000,
            help="numbers imported, made and exported by jobs (default: 20,000; 0: no jobs)",
        )
        parser.add_argument(
            "--edits",
            type=int,
            default=10_000,
            help="numbers changed by a job, at most half of the rows (default: 10,000)",
        )
        parser.add_argument("--only-jobs", action="store_true", help="no lists and no writes in a request")
        parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)  # of bench.scratch.Scratch.run

    def handle(self, *, rows, edits, only_jobs, step, **options):
        if step:
            self.stdout.write(json.dumps(steps.STEPS[step[0]](**json.loads(step[1]))))
            return
        if rows and not 0 < 2 * edits <= rows:
            raise CommandError("--edits is from 1 to half of --rows; the raw work has the other half.")
        call_command("collectstatic", interactive=False, verbosity=0)  # pages name its files
        if not only_jobs:
            self._measure_inventory(options["writes"])
        if rows:
            self._measure_jobs(rows, edits)

    def _measure_jobs(self, rows, edits):
        with Scratch() as scratch:
            empty = jobs.prepare(scratch, rows)
            columns = ("ours", "raw", "ratio", "memory", "first_byte", "first_rows")
            self._table(jobs.measure(scratch, empty, rows, edits), columns)
            self._table(jobs.meanwhile(scratch, empty, rows), ("times", "p50", "p95", "max"))

    def _measure_inventory(self, count):
        if not DID.objects.exists():
            raise CommandError("There are no numbers to list; load some first: manage.py demo_data.")
        user = User.objects.filter(is_superuser=True, is_active=True).first()
        if user is None:
            raise CommandError(
                "There is nobody to list as; make an administrator: manage.py createsuperuser."
            )
        # The test client visits under this name.
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
        settings.SECURE_SSL_REDIRECT = False
        self._table(lists.measure(user), ("p50", "p95", "cpu", "raw_p50", "admin_p50", "queries"))
        self._table(writes.measure(count), ("ours", "raw", "ratio"))

    def _table(self, measured, columns):
        """One JSON line each as it comes, then all of them as a table."""
        rows = []
        for row in measured:
            self.stdout.write(json.dumps(row))
            self.stdout.flush()
            cells = [row.get(column) for column in columns]
            rows.append([row["scenario"], *("–" if cell is None else f"{cell:,}" for cell in cells)])
        self.stdout.write("\n" + " | ".join(["", *columns]))
        for row in rows:
            self.stdout.write(" | ".join(row))
        self.stdout.write("")

import argparse
import json
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from bench import (
    api,
    cpu,
    finding,
    growth,
    idle,
    jobs,
    lists,
    load,
    pages,
    past,
    report,
    steps,
    uploads,
    writes,
)
from bench.scratch import Scratch
from dids.models import DID
from dids.numbering.search import MAX_LISTED
from staff.models import User

LARGEST = 20_000_000  # numbers that demo_data can create


class Command(BaseCommand):
    help = (
        "Measure list pages and set-based writes on the existing numbers, and jobs on temporary databases; or"
        " measure the list at several sizes (--lists), concurrent users (--mixed) or requests during a job"
        " (--meanwhile) on temporary databases. Nothing is kept."
    )
    requires_system_checks = ()  # each step is a process, which would repeat them

    def add_arguments(self, parser):
        parser.add_argument("--writes", type=int, default=20_000, help="numbers written (default: 20,000)")
        parser.add_argument(
            "--rows",
            type=int,
            default=20_000,
            help="numbers imported, created and exported by jobs (default: 20,000; 0: no jobs)",
        )
        parser.add_argument(
            "--edits",
            type=int,
            default=10_000,
            help="numbers changed by a job, at most half of the rows (default: 10,000)",
        )
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--only-jobs", action="store_true", help="skip lists and writes in a request")
        only.add_argument(
            "--lists",
            type=int,
            nargs="*",
            metavar="N",
            help=f"compare the list’s pages at {pages.BASE:,} and at each N numbers",
        )
        parser.add_argument(
            "--large-operator",
            action="store_true",
            help="give one operator 35 %% of the numbers of --lists, In Stock and higher than all others",
        )
        only.add_argument(
            "--mixed",
            type=int,
            metavar="SECONDS",
            help="measure lists, number pages and edits of concurrent users",
        )
        only.add_argument(
            "--meanwhile", action="store_true", help="measure pages and edits during jobs of --rows numbers"
        )
        only.add_argument(
            "--minimal",
            action="store_true",
            help="compare an import and mass edits with a schema of two tables and their keys",
        )
        only.add_argument(
            "--indexes",
            nargs="*",
            metavar="NAME",
            help="measure the cost of these indexes (default: all of DIDs and history) in an import",
        )
        only.add_argument(
            "--marks",
            type=int,
            metavar="TIMES",
            help="compare imports of --rows numbers with and without pattern marks",
        )
        only.add_argument(
            "--who-had-it",
            type=int,
            metavar="N",
            help=f"measure who had N of the existing numbers at a time (at most {MAX_LISTED:,})",
        )
        only.add_argument(
            "--find",
            type=int,
            metavar="N",
            help="measure the one search on the existing numbers with N clients, accounts and jobs more",
        )
        only.add_argument(
            "--growth", action="store_true", help="measure how requests grow with what they send"
        )
        only.add_argument("--cpu", action="store_true", help="measure the processor time of a few pages")
        only.add_argument(
            "--api", action="store_true", help="measure the processor time of requests to the API"
        )
        only.add_argument(
            "--upload",
            type=int,
            metavar="TIMES",
            help="measure imports of --rows numbers from the upload to the result, over HTTP",
        )
        only.add_argument(
            "--idle", type=int, metavar="SECONDS", help="measure the CPU of a worker that has nothing to do"
        )
        only.add_argument(
            "--plots",
            action="store_true",
            help="write the tables and plots of bench/README.md from bench/results",
        )
        parser.add_argument("--runs", type=int, default=lists.RUNS, help="runs of each page (default: 20)")
        parser.add_argument(
            "--numbers", type=int, default=100_000, help="numbers of --mixed (default: 100,000)"
        )
        parser.add_argument("--clients", type=int, default=16, help="users of --mixed (default: 16)")
        parser.add_argument(
            "--at",
            nargs="+",
            metavar="URL",
            help="existing databases for --lists (the others are compared with the first) or --mixed",
        )
        parser.add_argument("--keep", action="store_true", help="keep the databases, for --at")
        parser.add_argument(
            "--save", type=Path, metavar="FILE", help="also write the JSON lines to this file"
        )
        parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)  # used by bench.scratch

    def handle(self, *, rows, step, **options):
        if step:
            self._step(step[0], **json.loads(step[1]))
            return
        _check(rows=rows, **options)
        if options["plots"]:
            report.write()
            return
        call_command("collectstatic", interactive=False, verbosity=0)  # pages refer to its files
        self.saved = []
        if options["lists"] is not None:
            self._measure_lists(**options)
        elif options["mixed"] is not None:
            self._measure_mixed(**options)
        elif options["meanwhile"]:
            with Scratch() as scratch:
                self._measure_meanwhile(scratch, jobs.prepare(scratch, rows), rows)
        elif options["who_had_it"] is not None:
            columns = ("asked", "p50", "p95", "cpu", "queries", "raw_p50", "ratio")
            self._table(past.measure(_visitor(), options["who_had_it"], options["runs"]), columns)
        elif options["find"] is not None:
            columns = ("found", "p50", "p95", "cpu", "queries")
            self._table(finding.measure(_visitor(), options["find"], options["runs"]), columns)
        elif options["growth"]:
            self._measure_growth()
        elif options["cpu"]:
            self._measure_cpu(options["runs"])
        elif options["api"]:
            columns = ("cpu", "sql", "above", "queries", "bytes")
            self._table(api.measure(_visitor(), options["runs"]), columns)
        elif options["upload"]:
            with Scratch() as scratch:
                made = uploads.measure(scratch, jobs.prepare(scratch, rows), rows, options["upload"])
                self._table(made, ("rows", "seconds", "cpu", "polls"))
        elif options["idle"]:
            with Scratch() as scratch:
                url = pages.fill(scratch, pages.BASE)
                self._table(idle.measure(scratch, url, options["idle"]), ("worker", "database", "both"))
        elif options["minimal"]:
            with Scratch() as scratch:
                made = jobs.minimal(scratch, jobs.prepare(scratch, rows), rows, options["edits"])
                self._table(made, ("ours", "raw", "ratio", "cpu", "raw_cpu", "cpu_ratio"))
        elif options["marks"]:
            with Scratch() as scratch:
                made = jobs.marks(scratch, jobs.prepare(scratch, rows), rows, options["marks"])
                self._table(made, ("cpu", "without", "cost", "geography", "heads"))
        elif options["indexes"] is not None:
            names = options["indexes"] or jobs.index_names()
            with Scratch() as scratch:
                columns = ("with_all", "without", "cost", "spread")
                self._table(jobs.indexes(scratch, jobs.prepare(scratch, rows), rows, names), columns)
        else:
            if not options["only_jobs"]:
                self._measure_inventory(options["writes"])
            if rows:
                self._measure_jobs(rows, options["edits"])
        if options["save"]:
            options["save"].write_text("".join(f"{line}\n" for line in self.saved))
        self._fail_on_broken_pages()

    def _step(self, name, **arguments):
        result = steps.STEPS[name](**arguments)
        if result is None or isinstance(result, dict):
            self.stdout.write(json.dumps(result))
            return
        # The parent process requests each measurement with a line.
        while sys.stdin.readline() and (one := next(result, None)):
            self.stdout.write(json.dumps(one))
            self.stdout.flush()

    def _measure_lists(self, *, lists, at, runs, keep, large_operator, **_):
        with Scratch(keep=keep) as scratch:
            sizes = sorted({pages.BASE, *(lists or ())})
            urls = at or [pages.fill(scratch, size, large_operator=large_operator) for size in sizes]
            self._print_kept(scratch)
            columns = ("rows", "p50", "p95", "cpu", "queries", "ratio", "grows")
            self._table(pages.measure(scratch, urls, runs), columns)

    def _measure_mixed(self, *, mixed, at, numbers, clients, keep, **_):
        with Scratch(keep=keep) as scratch:
            (url,) = at or [pages.fill(scratch, numbers)]
            self._print_kept(scratch)
            columns = ("times", "per_second", "p50", "p95", "p99", "max")
            self._table(load.measure(scratch, url, mixed, clients), columns)

    def _measure_jobs(self, rows, edits):
        with Scratch() as scratch:
            empty = jobs.prepare(scratch, rows)
            columns = (
                "ours",
                "raw",
                "ratio",
                "cpu",
                "raw_cpu",
                "cpu_ratio",
                "memory",
                "first_byte",
                "preview",
            )
            self._table(jobs.measure(scratch, empty, rows, edits), columns)
            self._measure_meanwhile(scratch, empty, rows)

    def _measure_meanwhile(self, scratch, empty, rows):
        columns = ("times", "p50", "p95", "max", "idle", "ratio", "worker_begun", "worker_most")
        self._table(jobs.meanwhile(scratch, empty, rows), columns)

    def _measure_inventory(self, count):
        self._table(lists.measure(_visitor()), ("p50", "p95", "cpu", "raw_p50", "admin_p50", "queries"))
        self._measure_cpu(lists.RUNS)
        self._table(writes.measure(count), ("ours", "raw", "ratio"))
        self._measure_growth()

    def _measure_cpu(self, runs):
        self._table(cpu.measure(_visitor(), runs), ("web", "db", "cpu", "bytes"))

    def _measure_growth(self):
        columns = ("size", *(f"ms_{times}" for times in growth.TIMES), "grows", "status")
        self._table(growth.measure(_visitor()), columns)

    def _table(self, measured, columns):
        """Print a JSON line for each row as it is measured, then all rows as a table."""
        rows = []
        for row in measured:
            self.saved.append(json.dumps(row, ensure_ascii=False))
            self.stdout.write(self.saved[-1])
            self.stdout.flush()
            rows.append([row["scenario"], *(_cell(row.get(column)) for column in columns)])
        self.stdout.write("\n" + " | ".join(["", *columns]))
        for row in rows:
            self.stdout.write(" | ".join(row))
        self.stdout.write("")

    def _print_kept(self, scratch):
        if scratch.keep and scratch.made:
            self.stdout.write(f"Kept, for --at: {' '.join(scratch.made)}")

    def _fail_on_broken_pages(self):
        # Requests without an answer have status 0.
        broken = [one for one in map(json.loads, self.saved) if not 0 < one.get("status", 200) < 500]
        if broken:
            times = sum(one["times"] for one in broken)
            raise CommandError(f"{times:,} requests failed or got no answer. See the lines above.")


def _visitor():
    """Return the user for the test client. Raises CommandError without an administrator or numbers."""
    if not DID.objects.exists():
        raise CommandError("There are no numbers to list. Load some first: manage.py demo_data.")
    user = User.objects.filter(is_superuser=True, is_active=True).first()
    if user is None:
        raise CommandError("There is no administrator. Create one: manage.py createsuperuser.")
    # The test client uses this host name.
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    settings.SECURE_SSL_REDIRECT = False
    return user


def _check(
    *,
    rows,
    edits,
    lists,
    mixed,
    meanwhile,
    indexes,
    at,
    keep,
    runs,
    numbers,
    clients,
    who_had_it,
    find,
    marks,
    plots,
    growth,
    cpu,
    api,
    large_operator,
    save,
    **_,
):
    """Raise CommandError for options that do not fit together."""
    made = lists is not None or mixed is not None
    if (at or keep) and not made:
        raise CommandError("--at and --keep apply to --lists and --mixed only. Add one of these.")
    if at and keep:
        raise CommandError("Databases given with --at are never dropped. Remove --keep.")
    if at and lists:
        raise CommandError("Give sizes for --lists or databases with --at, not both.")
    if large_operator and not lists:
        raise CommandError("--large-operator applies to --lists with sizes. Give the sizes.")
    if lists == [] and not at:
        raise CommandError("Give the sizes: manage.py bench --lists 100000 1000000.")
    if mixed is not None and at and len(at) > 1:
        raise CommandError("--mixed takes one database.")
    for url in at or ():
        if not url.startswith(("sqlite:///", "postgres://")):
            raise CommandError(
                f"{url!r} is not the URL of a database. Write postgres://… or sqlite:////path."
            )
        if url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:///")).is_file():
            raise CommandError(f"There is no file {url.removeprefix('sqlite:///')}.")
    sizes = [*(lists or ()), numbers]
    if not all(1 <= size <= LARGEST for size in sizes):
        raise CommandError(f"Sizes must be from 1 to {LARGEST:,} numbers.")
    if runs < 1 or clients < 1 or (mixed is not None and mixed < 1):
        raise CommandError("--runs, --clients and --mixed must be at least 1.")
    if save and not save.parent.is_dir():
        raise CommandError(f"There is no folder {save.parent}.")
    if unknown := set(indexes or ()) - set(jobs.index_names()):
        raise CommandError(
            f"There is no index {', '.join(sorted(unknown))}. Choose from {', '.join(jobs.index_names())}."
        )
    if (meanwhile or indexes is not None) and rows < 1:
        raise CommandError("--meanwhile and --indexes need --rows of at least 1.")
    if who_had_it is not None and not 1 <= who_had_it <= MAX_LISTED:
        raise CommandError(f"--who-had-it takes 1 to {MAX_LISTED:,} numbers.")
    if find is not None and find < 1:
        raise CommandError("--find must be at least 1.")
    if marks is not None and (marks < 1 or rows < 1):
        raise CommandError("--marks and its --rows must be at least 1.")
    other = (made, meanwhile, indexes is not None, plots, growth, cpu, api, who_had_it, find, marks)
    writes = not any(other)
    if writes and rows and not 0 < 2 * edits <= rows:
        raise CommandError("--edits must be from 1 to half of --rows; plain SQL changes the other half.")


def _cell(value):
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "◄" if value else ""
    return f"{value:,}"

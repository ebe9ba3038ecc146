"""The check of an import: stage the file, validate every row, count the verdicts.

Nothing but staging is written, so a check may be repeated. It runs in a job: each ``yield`` ends a
transaction, and a check that lost its worker continues from ``job.cursor``.
"""

from itertools import islice
from operator import lt

from django.conf import settings
from django.db import connection

from didmgmt.clock import database_now
from dids.imports.by_id import name_records
from dids.imports.capacity import (
    count_places,
    fits,
    frees_places,
    refuse_classes,
    refuse_over_limit,
    refuse_tags,
)
from dids.imports.cells import CellRules
from dids.imports.create_missing import describe
from dids.imports.lookalikes import refuse_lookalikes, spell_tags
from dids.imports.options import Options
from dids.imports.parse import RowParser, too_many_numbers
from dids.imports.resolve import resolve
from dids.imports.tally import BLOCK, Tally
from dids.imports.upload import Upload
from dids.imports.validate import refuse_duplicates, validate
from dids.lifecycle import statuses as st
from dids.models.staging import ImportBatch, ImportGroup, ImportRow, bulk_load, count_in_groups
from jobs.kinds import JobError
from jobs.models import SMALL
from jobs.statistics import analyze
from sheets import SheetError

CHUNK = 10_000  # rows staged or validated in one transaction
COUNT_CHUNK = 100_000  # rows counted in one transaction


class Check:
    """Check the rows of an import ``job``.

    ``rows()`` yields them; without it they are those of its uploaded file, and pages will show them.
    """

    def __init__(self, job, rows=None):
        self.job, self.cursor = job, job.cursor
        self.read, self.is_shown = rows or Upload(job).rows, rows is None

    def run(self):
        """Stage and validate all rows; a generator that leaves counts and sentences in ``job.result``."""
        job, cursor = self.job, self.cursor
        if "batch" not in cursor:
            for old in job.batches.all():
                old.erase()
            cursor |= {"batch": ImportBatch.objects.create(job=job).pk, "line": 0, "part": 0}
            cursor |= {"rows": 0, "groups": 0, "latest": None, "ascending": True, "validated": None}
        batch, now = ImportBatch.objects.get(pk=cursor["batch"]), database_now()
        if cursor["validated"] is None:
            yield from self._stage(batch)
            options = Options.of(job)
            spell_tags(batch, options)
            if job.params.get("strict"):
                name_records(batch, options, now)
            resolve(batch.first, batch.last, options, now)
            refuse_lookalikes(batch, options)
            yield
            if not cursor["ascending"]:
                yield from refuse_duplicates(batch.first, batch.last, options.by_id, cursor["rows"])
            cursor |= {"validated": 0, "faulty": batch.has_faulty_groups()}
            yield
        options = Options.of(job)
        while cursor["validated"] < cursor["rows"]:
            last = min(cursor["validated"] + job.at_once(CHUNK), cursor["rows"])
            first = batch.first + cursor["validated"] + 1
            validate(first, batch.first + last, options, now, faulty=cursor.get("faulty", True))
            cursor["validated"] = last
            job.done = (cursor["rows"] + last) // 2
            yield
        if "counted" not in cursor:
            cursor |= {"counted": 0, "tally": {}, "fitted": False}
        yield from self._count(batch)
        if not cursor["fitted"]:
            cursor["fitted"] = True
            if self._refuse_unfit(batch, options):
                batch.reset_counts()
                cursor |= {"counted": 0, "tally": {}}
            yield
            yield from self._count(batch)
        tally = Tally(cursor["tally"])
        job.result = {"counts": tally.counts, "missing": describe(batch)}
        job.result |= {
            "blocks": tally.data["blocks"],
            "rows": tally.data["rows"],
            "sample": tally.sample(),
            "places": self._places(batch, tally),
        }
        job.cursor = {"phase": "checked", "batch": batch.pk, "frees": cursor.get("frees", False)}

    def _stage(self, batch):
        """Write the rows of the file into the staging tables, a chunk a transaction, in flat memory."""
        job, cursor, limit = self.job, self.cursor, settings.IMPORT_ROWS
        rules = CellRules.of(job.params)
        parser = RowParser(batch, rules, rows=cursor["rows"] - cursor["part"], groups=cursor["groups"])
        skip, first_line = set(job.params["skip"]), cursor["line"]
        rows = (row for row in self._rows() if row.line >= first_line and row.line not in skip)
        staged = parser.parse(rows)
        # An earlier worker may have stopped within a range: skip the part of it that is staged.
        for _ in islice(staged, cursor["part"]):
            pass
        while chunk := list(islice(staged, job.at_once(CHUNK))):
            bulk_load(ImportGroup, parser.new_groups)
            parser.new_groups.clear()
            bulk_load(ImportRow, chunk)
            if parser.rows > limit:
                raise too_many_numbers(limit, chunk[-1][1])
            self._track_order(chunk)
            line = chunk[-1][1]
            part = sum(1 for row in reversed(chunk) if row[1] == line)
            part += cursor["part"] if part == len(chunk) and line == cursor["line"] else 0
            cursor |= {"line": line, "part": part, "rows": parser.rows, "groups": parser.group_count}
            job.done = min(parser.rows, job.total) // 2
            yield
        job.total = parser.rows
        if job.params["all_or_nothing"] and parser.rows > settings.REQUEST_LIMIT:
            choice, remedy = "“All or nothing”", "Import the valid rows instead, or split the file."
            if not self.is_shown:
                choice, remedy = "all_or_nothing=true", "Send all_or_nothing=false, or fewer rows at once."
            raise JobError(
                f"{choice} works for at most {settings.REQUEST_LIMIT:,} rows, because they are written in one"
                f" transaction. {remedy}"
            )
        if connection.vendor == "postgresql" and parser.rows > SMALL:
            # Not for few rows, which may be written in one transaction: others would wait for its end.
            analyze(["dids_importrow", "dids_importgroup"])  # the plans that follow depend on the size

    def _rows(self):
        """Yield the rows of the file; what was not read of it before may be too long."""
        try:
            yield from self.read()
        except SheetError as error:
            raise JobError(str(error)) from None

    def _track_order(self, chunk):
        """Note whether every number is above the one before: then the file has no duplicates."""
        cursor, key = self.cursor, "number" if "number" in self.job.params["mapping"] else "ref"
        index = ImportRow.STAGED.index(key)
        values = [row[index] for row in chunk if row[index] is not None]
        if not values or not cursor["ascending"]:
            return
        continues = cursor["latest"] is None or cursor["latest"] < values[0]
        cursor["ascending"] = continues and all(map(lt, values, values[1:]))
        cursor["latest"] = values[-1]

    def _count(self, batch):
        cursor = self.cursor
        while cursor["counted"] < cursor["rows"]:
            blocks = -(-self.job.at_once(COUNT_CHUNK) // BLOCK)
            counted = min(cursor["counted"] + blocks * BLOCK, cursor["rows"])
            first, last = batch.first + cursor["counted"] + 1, batch.first + counted
            count_in_groups(first, last)
            tally = Tally(cursor["tally"])
            if self.is_shown:
                tally.add(batch, first, last, self.job.params.get("written", ()))
            else:
                tally.count(first, last)
            cursor["counted"] = counted
            yield

    def _places(self, batch, tally):
        """Count the places that the rows to write take and free, see ``count_places``."""
        ends_use = tally.counts.get("updated") and batch.groups.exclude(status__in=st.IN_USE).exists()
        return count_places(
            batch.first, batch.last, assigned=bool(tally.data["assigned"]), updated=bool(ends_use)
        )

    def _refuse_unfit(self, batch, options):
        """Refuse counted rows that their package has no capacity for or does not allow; return how many."""
        if not batch.groups.filter(given__gt=0).exists():
            return 0
        first, last = batch.first, batch.last
        all_fit = not Tally(self.cursor["tally"]).data["assigned"] and fits(first, last)
        refused = refuse_tags(first, last, options) + refuse_classes(first, last)
        if all_fit:
            return refused
        self.cursor["frees"] = frees_places(first, last)
        return refused + refuse_over_limit(first, last)

"""Importing numbers from a file: upload, columns, check of all rows, apply.

An import is a ``Job`` of kind "import", done by a worker, or in the request when it is small. ``Import``
wraps the job; each step leaves in it what the next one needs, so that a reload, another browser or a killed
process goes on where it was:

* ``Import.start``   keeps the file and how it is read
* ``check``          reads the whole file into staged rows (``dids.models.staging``), has them judged
                     (``dids.imports.validate``), counts; writes nothing else, and may be repeated
* ``apply``          merges the staged rows, a chunk a transaction

``job.cursor["phase"]``: "check" while it is checked, then "checked", then "apply". Check and apply read the
same staged rows and judge them by the same SQL; what apply finds otherwise than the check is refused as
changed meanwhile.

**What a row means.** The number names the row's DID. An ID counts only where no column holds the
number; then nothing can be created. Where both are there the ID is not looked at, for it may be another
system's. A range in the number's cell, or one whose end or size has a column, is a row for each number.
Blank cells say nothing: a new number takes the defaults of the upload, and a number that exists keeps what
it has, or with "a blank cell empties" loses tags, notes and hold days (nothing else can be empty). Defaults
never change a number that exists. Rows of nothing but blanks are passed over.

A status moves by ``status.MOVES``. A new number may be Active, Blocked or Hold when client, account and
package are named: it is written in its final state, as if it had been assigned and moved on, with the
rights for each of these moves. In Stock becomes Active by naming the three; Hold becomes Active again by
naming them or with the client it had.

**All or nothing.** Then a single refused row keeps the import from being applied, and all is written in
one transaction, so that a row refused in the meantime takes back the others. That is for at most
``settings.REQUEST_LIMIT`` rows: on SQLite every other writer waits for it.

**Order.** Chunks follow the file. Within one, client packages are locked first, then the numbers that
exist by their ids, as every other writer locks them, then new numbers are inserted in ascending order. No
transaction holds locks of two chunks, so that writers wait for one another and never deadlock.
"""

import hashlib
from dataclasses import asdict
from itertools import islice, takewhile
from operator import lt
from pathlib import PurePath

from django.conf import settings
from django.core.files import File
from django.db import connection, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

import audit
import sheets
from audit import history
from audit.models import Change
from clients.models import Account, Client, Package, Reseller
from dids.imports import create_missing as missing
from dids.imports import mapping as columns
from dids.imports import reasons as refusals
from dids.imports.limits import import_limits
from dids.imports.parse import Stager
from dids.imports.validate import (
    CLEAR,
    Terms,
    have_places,
    judge,
    judge_changes_again,
    judge_new,
    refuse_duplicates,
    refuse_what_does_not_fit,
    resolve,
)
from dids.lifecycle import statuses as st
from dids.lists.sqlite_stats import plan_quickly
from dids.models import DID, ClientPackage, DIDHistory, written_since
from dids.models.staging import ImportBatch, ImportGroup, ImportRow, bulk_load
from dids.numbering.normalise import NumberError
from dids.numbering.ranges import parse_cell
from jobs.kinds import JobFailed, Kind, register
from jobs.models import SMALL, Job
from operators.models import Operator

HEAD = 20  # rows of the file by which the columns are chosen
CHUNK = 5_000  # rows merged in one transaction
BLOCK = 10_000  # rows staged, and judged, in one transaction
COUNTED = 100_000  # rows counted in one
LOOK_UP_AFTER = 60  # seconds after which names are looked up again though nothing seems to have changed
NAMED_LINES = 5
COUNTS = {"+": "created", "~": "updated", "=": "unchanged", "!": "refused", "?": "refused"}


class Import:
    """One import. Its state is that of its ``job``: see the keys in ``start``, ``check`` and ``apply``."""

    def __init__(self, job):
        self.job = job

    @classmethod
    def start(cls, user, upload, loaded, *, operator=None, **defaults):
        """Keep an uploaded file and how it is read: ``loaded`` is what ``sheets.load`` made of it.

        ``operator`` and ``defaults`` (status, after_hold, tags, notes): for new numbers where the file
        says nothing.
        """
        job = Job(kind=KIND.name, owner=user, label=f"Import of {upload.name}"[:200])
        job.params = {
            "name": upload.name,
            "operator": operator.pk if operator else None,
            "defaults": defaults,
        }
        upload.seek(0)
        job.file.save(f"{job.pk}{_suffix(upload.name)}", upload, save=False)
        one = cls(job)
        one._take(loaded, upload)
        job.save()
        return one

    def _take(self, loaded, given):
        """Remember how the file ``given`` is read; what was unpacked to read it is kept beside it."""
        params, storage = self.job.params, self.job.file.storage
        if params.get("table"):
            storage.delete(params.pop("table"))
        if loaded.file is not given:
            name = f"{self.job.file.name}.rows"
            params["table"] = storage.save(name, File(loaded.file))
        params["format"] = asdict(loaded.format)
        params["notes"] = loaded.notes
        params["damage"] = [damage.sentence for damage in loaded.damage]
        params["rows"] = self.job.total = loaded.rows

    def read_otherwise(self, **how):
        """Read the file by another ``delimiter``, ``encoding`` or ``sheet``; raises SheetError.

        What was chosen for its columns is forgotten. False when the import has gone on meanwhile.
        """
        with self.job.file.open("rb") as file:
            loaded = sheets.load(file, self.name, limits=import_limits(), **how)
            with loaded, transaction.atomic():
                self._lock()
                if not self.is_open:
                    return False
                for key in ("mapping", "skip"):
                    self.job.params.pop(key, None)
                self.job.cursor, self.job.result = {}, {}
                self._take(loaded, file)
                self.job.save(update_fields=["params", "cursor", "result", "total"])
        return True

    # --- what the file is

    @property
    def is_erased(self):
        """Whether its files are deleted; then only what came of it can be told."""
        return self.job.is_erased

    @property
    def name(self):
        return self.job.params["name"]

    @property
    def format(self):
        return sheets.Format(**self.job.params["format"])

    def rows(self):
        """The rows of the file in a stream."""
        table = self.job.params.get("table") or self.job.file.name
        with self.job.file.storage.open(table, "rb") as file:
            yield from sheets.read(file, self.format, import_limits())

    def head(self):
        return list(islice(self.rows(), HEAD))

    @property
    def phase(self):
        """ "" before the first check, then "check", "checked" or "apply"."""
        return self.job.cursor.get("phase", "")

    @property
    def checked(self):
        """The number of the batch that was checked, None before the first check has ended."""
        return self.job.cursor["batch"] if self.phase in ("checked", "apply") else None

    @property
    def is_applied(self):
        """Whether anything was written, or is about to be."""
        return self.phase == "apply" and (self.job.is_under_way or bool(self.job.result.get("applied")))

    @property
    def is_open(self):
        """Whether its columns can still be chosen."""
        return self.job.state in Job.AT_REST and not self.is_applied and not self.is_erased

    @property
    def all_or_nothing(self):
        return bool(self.job.params.get("all_or_nothing"))

    def terms(self):
        """What was chosen, with the rights that the owner has now."""
        params, user = self.job.params, self.job.owner
        operator = Operator.objects.visible_to(user).filter(pk=params["operator"]).first()
        return Terms(
            user=user,
            mapped=frozenset(key for key in params["mapping"] if key),
            existing=params["existing"],
            create=params["create"],
            operator=operator,
            defaults=params["defaults"],
        )

    def mapped_before(self, head):
        """(keys, index of the header in ``head``) as this person had it for a file with that header line.

        None when no row of the head was a header before.
        """
        digests = {_digest(row.cells): index for index, row in reversed(list(enumerate(head)))}
        before = Job.objects.filter(kind=KIND.name, owner=self.job.owner, params__header__in=list(digests))
        latest = before.exclude(pk=self.job.pk).order_by("-created_at").values_list("params", flat=True)
        params = latest.first()
        if params is None or len(params["mapping"]) != self.format.width:
            return None
        return params["mapping"], digests[params["header"]]

    # --- check and apply, asked for

    def check(self, *, mapping, skip, existing, create, all_or_nothing=False):
        """Have all rows read and judged. False when the import is under way or done already.

        ``mapping``: for each column a key of ``columns.LABELS`` or "". ``skip``: lines left out.
        ``existing`` and ``create``: see ``judging.Terms``.
        """
        with transaction.atomic():
            self._lock()
            if not self.is_open:
                return False
            job = self.job
            job.params |= {"mapping": mapping, "skip": skip, "existing": existing, "create": create}
            header = self._header()
            job.params |= {"all_or_nothing": all_or_nothing, "header": header and _digest(header)}
            job.cursor, job.result, job.done = {"phase": "check"}, {}, 0
            job.total = max(0, job.params["rows"] - len(skip))
            job.save(update_fields=["params", "cursor", "result", "done", "total"])
        return self._go()

    def apply(self, batch):
        """Have written what the check of ``batch`` wants written. False when it is under way or done.

        Twice is once: only who finds the import checked sets it going.
        """
        with transaction.atomic():
            self._lock()
            if self.job.state not in Job.AT_REST or self.checked != batch or self.is_applied:
                return False
            self.job.cursor, self.job.done = {"phase": "apply", "batch": batch}, 0
            self.job.total = sum(self.counts.values())
            self.job.save(update_fields=["cursor", "done", "total"])
        return self._go()

    def _lock(self):
        """Lock the job to the end of the transaction and read it anew."""
        self.job = Job.objects.select_for_update(of=("self",)).get(pk=self.job.pk)

    def _go(self):
        if self.job.params["rows"] > SMALL:
            return self.job.queue()
        # A range may make many of few rows; it is done all the same while somebody waits.
        return self.job.run_here()

    # --- check, done

    def work(self):
        """The generator of ``jobs.kinds.Kind.begin``."""
        if self.phase == "check":
            yield from self._check()
            return Job.State.DRAFT
        yield from self._apply()
        return Job.State.DONE

    def _check(self):
        """Nothing but staged rows is written."""
        cursor = self.job.cursor
        if "batch" not in cursor:
            for old in self.job.batches.all():
                old.erase()
            cursor |= {"batch": ImportBatch.objects.create(job=self.job).pk, "line": 0, "part": 0}
            cursor |= {"rows": 0, "groups": 0, "latest": None, "ascending": True, "judged": None}
        batch, now = ImportBatch.objects.get(pk=cursor["batch"]), timezone.now()
        if cursor["judged"] is None:
            yield from self._stage(batch)
            terms = self.terms()
            resolve(batch.first, batch.last, terms, now)
            yield
            if not cursor["ascending"]:
                yield from refuse_duplicates(batch.first, batch.last, terms.by_id, cursor["rows"])
            cursor["judged"] = 0
            yield
        terms = self.terms()
        while cursor["judged"] < cursor["rows"]:
            last = min(cursor["judged"] + BLOCK, cursor["rows"])
            judge(batch.first + cursor["judged"] + 1, batch.first + last, terms, now)
            cursor["judged"] = last
            self.job.done = (cursor["rows"] + last) // 2
            yield
        if "counted" not in cursor:
            cursor |= {"counted": 0, "counts": {}, "assigned": 0, "fitted": False}
        yield from self._count(batch)
        if not cursor["fitted"]:
            cursor["fitted"] = True
            if self._refuse_unfit(batch, terms):
                missing.forget_use(batch)
                cursor |= {"counted": 0, "counts": {}, "assigned": 0}
            yield
            yield from self._count(batch)
        self.job.result = {"counts": cursor["counts"], "missing": missing.sentences(batch)}
        self.job.cursor = {"phase": "checked", "batch": batch.pk}

    def _count(self, batch):
        cursor = self.job.cursor
        while cursor["counted"] < cursor["rows"]:
            last = min(cursor["counted"] + COUNTED, cursor["rows"])
            chunk = _Chunk(batch, batch.first + cursor["counted"] + 1, batch.first + last)
            missing.count_use(chunk.first, chunk.last)
            cursor |= {"counted": last, "counts": _added(cursor["counts"], chunk.counts)}
            cursor["assigned"] += chunk.assigned
            yield

    def _refuse_unfit(self, batch, terms):
        """Of rows counted already; returns how many are refused now."""
        if not batch.groups.filter(given__gt=0).exists():
            return 0
        fits = not self.job.cursor["assigned"] and have_places(batch.first, batch.last)
        return refuse_what_does_not_fit(batch.first, batch.last, terms, fits=fits)

    def _stage(self, batch):
        """Write the rows of the file into the staging table, a block a chunk. Flat memory."""
        params, cursor = self.job.params, self.job.cursor
        at = {key: index for index, key in enumerate(params["mapping"]) if key}
        stager = Stager(batch, at, rows=cursor["rows"], groups=cursor["groups"])
        skip, seen, limit = set(params["skip"]), cursor["line"], settings.IMPORT_ROWS
        rows = (row for row in self.rows() if row.line >= seen and row.line not in skip)
        staged = stager.staged(rows)
        # Of the row at which an earlier worker stopped so many are staged already.
        for _ in islice(staged, cursor["part"]):
            pass
        stager.rows = cursor["rows"]
        while block := list(islice(staged, BLOCK)):
            bulk_load(ImportGroup, stager.new_groups)
            stager.new_groups.clear()
            bulk_load(ImportRow, block)
            if stager.rows > limit:
                raise JobFailed(
                    f"The file makes more than {limit:,} numbers; as many can be imported in one go."
                    " Split it and import the parts."
                )
            self._see_order(block)
            line = block[-1][1]
            part = sum(1 for row in reversed(block) if row[1] == line)
            part += cursor["part"] if part == len(block) and line == cursor["line"] else 0
            cursor |= {"line": line, "part": part, "rows": stager.rows, "groups": stager.group_count}
            self.job.done = min(stager.rows, self.job.total) // 2
            yield
        self.job.total = stager.rows
        if self.all_or_nothing and stager.rows > settings.REQUEST_LIMIT:
            raise JobFailed(
                f"All or nothing works for at most {settings.REQUEST_LIMIT:,} rows, for they are written in"
                " one go. Import the good rows instead, or split the file."
            )
        if connection.vendor == "postgresql":
            with connection.cursor() as database:  # the plans that follow depend on its size
                database.execute("ANALYZE dids_importrow, dids_importgroup")

    def _see_order(self, block):
        """Whether each number is above the one before it, as in most files: then none can be there twice."""
        cursor, key = (
            self.job.cursor,
            ImportRow.STAGED.index("number" if "number" in self.job.params["mapping"] else "ref"),
        )
        keys = [row[key] for row in block if row[key] is not None]
        if not keys or not cursor["ascending"]:
            return
        begins = cursor["latest"] is None or cursor["latest"] < keys[0]
        cursor["ascending"] = begins and all(map(lt, keys, keys[1:]))
        cursor["latest"] = keys[-1]

    # --- apply, done

    def _apply(self):
        """The first chunk creates the missing names."""
        job, cursor = self.job, self.job.cursor
        batch = ImportBatch.objects.get(pk=cursor["batch"])
        if "after" not in cursor:
            if self.all_or_nothing and self.counts["refused"]:
                raise JobFailed(self._nothing_sentence())
            self._keep(self._create_missing(batch, self.terms(), timezone.now()))
            cursor |= {"after": batch.first, "names": [], "looked_up": 0}
            job.result |= {"applied": {}}
            if not self.all_or_nothing:
                yield
        while chunk := _Chunk.following(batch, cursor["after"]):
            self._keep(self._merge(chunk, self.terms(), timezone.now()))
            applied = _added(job.result["applied"], chunk.counts)
            job.result |= {"applied": applied}
            job.done = sum(applied.values())
            cursor["after"] = chunk.last
            if not self.all_or_nothing:
                yield
        if self.all_or_nothing and self.counts["refused"]:
            raise JobFailed(self._nothing_sentence())

    def _nothing_sentence(self):
        refused = self.counts["refused"]
        lines = ", ".join(f"{line:,}" for line in self.refused.values_list("line", flat=True)[:NAMED_LINES])
        rows = f"{refused:,} rows are refused (lines {lines})"
        if refused == 1:
            rows = f"1 row is refused (line {lines})"
        return (
            f"Nothing was imported: {rows} and you chose all or nothing."
            " Correct the file, or check it again and import the good rows."
        )

    def _keep(self, change):
        if change and change.pk:
            self.job.change = change

    def _create_missing(self, batch, terms, now):
        """Names and sets of tags that are new; the change leaves no trace where there are no names."""
        with audit.change(Change.Kind.IMPORT, by=terms.user, label=self.job.label) as change:
            change.touched += missing.create(batch, terms, now)
        return change

    def _merge(self, chunk, terms, now):
        """Judge the rows of a chunk again, their numbers being locked, and write what still holds."""
        if not chunk.to_write:
            return None
        first, last, rows = chunk.first, chunk.last, chunk.rows
        gives = _gives(chunk.batch, rows)
        if connection.features.has_select_for_update:
            _lock(chunk, gives)
        self._look_names_up_again(chunk, terms, now)
        if chunk.verdicts.get("~"):
            updates = rows.filter(verdict="~")
            since = written_since(OuterRef("seen"), number="did_id")
            updates.filter(since).update(verdict="?", reason="changed")
            DID.objects.filter(pk__in=updates.values("did")).release_overdue(now)
            judge_changes_again(first, last, terms, now)
        if gives:
            refuse_what_does_not_fit(first, last, terms, verdict="?")
        made, updated, change = DID.objects.merge_staged(
            first,
            last,
            by=terms.user,
            defaults=terms.defaults,
            clear_notes=terms.existing == CLEAR and "notes" in terms.mapped,
            label=self.job.label,
            now=now,
            resume=self.job.change,
        )
        if made + updated < chunk.to_write:
            _refuse_what_others_made(rows, change)
            chunk.count()
        return change

    def _look_names_up_again(self, chunk, terms, now):
        """When a thing with a name was written since the last time, as history tells, or it is long ago."""
        versions, at = _versions(), now.timestamp()
        known, looked_up = self.job.cursor["names"], self.job.cursor["looked_up"]
        if versions == known and at - looked_up < LOOK_UP_AFTER:
            return
        batch = chunk.batch
        resolve(batch.first, batch.last, terms, now)
        judge_new(chunk.first, batch.last, verdict="?")
        chunk.count()
        self.job.cursor |= {"names": versions, "looked_up": at}

    # --- what came of it

    @property
    def counts(self):
        """{created, updated, unchanged, refused}: of the check, once it is being applied of that."""
        result = self.job.result
        return dict.fromkeys(COUNTS.values(), 0) | result.get("applied", result.get("counts", {}))

    @property
    def refused(self):
        if not self.checked or self.is_erased:
            return ImportRow.objects.none()
        return self.job.batches.get(pk=self.checked).rows.filter(verdict__in=("!", "?")).order_by("pk")

    def refusals(self, limit):
        """The first refused rows as {line, column, value, reason}."""
        return refusals.explained(self.refused[:limit], self.job.owner)

    def refused_rows(self):
        """The header, then the refused rows as they stand, with the reason; imports again once corrected.

        Of a range those of its numbers that were refused, a row each.
        """
        params = self.job.params
        width = self.format.width
        header = self._header()
        names = header or [columns.LABELS.get(key, "") for key in params["mapping"]]
        # A reason from an earlier round gives way to the new one.
        kept = [index for index in range(width) if not columns.is_reason(_cell(names, index))]
        yield [*(_cell(names, index) for index in kept), columns.REASON]
        at = {key: index for index, key in enumerate(params["mapping"]) if key}
        rows, line, cells = self.rows(), None, []
        for refusal in self._all_refusals():
            if refusal["line"] != line:
                line = refusal["line"]
                cells = next(row.cells for row in rows if row.line == line)
            shown = _with_number(cells, at, refusal["number"])
            kept_cells = [sheets.unescape(_cell(shown, index)) for index in kept]
            yield [*kept_cells, *shown[width:], refusal["reason"]]

    def _header(self):
        """The cells of the row that names the columns, None where there is none.

        Of the skipped rows at the beginning the one with the most known names, else the last one.
        """
        skip = set(self.job.params["skip"])
        skipped = [row.cells for row in takewhile(lambda row: row.line in skip, self.head())]
        found = columns.find_header(skipped)
        return skipped[-1 if found is None else found] if skipped else None

    def _all_refusals(self):
        after = 0
        while some := list(self.refused.filter(pk__gt=after)[:BLOCK]):
            yield from refusals.explained(self.refused.filter(pk__gt=after)[:BLOCK], self.job.owner)
            after = some[-1].pk


def _suffix(name):
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= 6 else ".bin"


def _digest(header):
    """Names a header line, in whatever case and with whatever blanks it is written."""
    plain = "\n".join(" ".join(cell.split()).casefold() for cell in header)
    return hashlib.sha256(plain.encode()).hexdigest()


def _cell(cells, index):
    return cells[index] if index < len(cells) else ""


def _with_number(cells, at, number):
    """``cells`` of a row that names a range, cut down to one ``number`` of it; other rows as they are."""
    if number is None or "number" not in at:
        return cells
    ends = [at[key] for key in ("range_end", "range_size") if key in at and _cell(cells, at[key]).strip()]
    try:
        low, high = parse_cell(_cell(cells, at["number"]))
    except NumberError:
        return cells
    if low == high and not ends:
        return cells
    shown = list(cells)
    shown[at["number"]] = number
    for index in ends:
        shown[index] = ""
    return shown


def _gives(batch, rows):
    """Whether some of ``rows`` give a number to a client."""
    return batch.groups.filter(status__in=st.HELD).exists() or rows.filter(assigned=True).exists()


class _Chunk:
    """Some rows of a batch, in the order of the file: ids ``first`` to ``last``."""

    def __init__(self, batch, first, last):
        self.batch, self.first, self.last = batch, first, last
        self.rows = ImportRow.objects.filter(pk__range=(first, last))
        self.count()

    @classmethod
    def following(cls, batch, after):
        """The one behind the row ``after``, None at the end; the ids of a batch have no gaps."""
        some = ImportRow.objects.filter(pk__range=(after + 1, after + CHUNK))
        last = some.aggregate(last=Max("pk"))["last"]
        return cls(batch, after + 1, last) if last else None

    def count(self):
        """Count the rows by verdict; one query."""
        found = list(self.rows.order_by().values_list("verdict").annotate(Count("pk"), Count("assigned")))
        self.verdicts = {verdict: count for verdict, count, _ in found}
        self.assigned = sum(assigned for _, _, assigned in found)

    @property
    def to_write(self):
        return self.verdicts.get("+", 0) + self.verdicts.get("~", 0)

    @property
    def counts(self):
        """{created: n, …}"""
        counts = {}
        for verdict, count in self.verdicts.items():
            counts[COUNTS[verdict]] = counts.get(COUNTS[verdict], 0) + count
        return counts


def _added(one, other):
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}


def _lock(chunk, gives):
    """Lock the client packages that a chunk takes places of, then the numbers that it changes."""
    rows = chunk.rows
    if gives:
        theirs = Q(pk__in=rows.filter(verdict="~", assigned=True).values("client_package"))
        new = ImportGroup.objects.filter(pk__in=rows.filter(verdict="+").values("group"), status__in=st.HELD)
        packages = ClientPackage.objects.filter(theirs | Q(pk__in=new.values("client_package")))
        list(packages.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if chunk.verdicts.get("~"):
        numbers = DID.objects.filter(pk__in=rows.filter(verdict="~").values("did")).order_by("pk")
        list(numbers.select_for_update(no_key=True).values_list("pk"))


def _versions():
    """The newest history rows of everything that an import looks up by name."""
    named = (Reseller, Operator, Client, Account, Package, ClientPackage)
    return [history.TRACKED[model].objects.aggregate(newest=Max("pk"))["newest"] for model in named]


def _refuse_what_others_made(rows, change):
    """Somebody made a number between our judgement and our INSERT, which passed it over."""
    ours = DID.objects.filter(
        number=OuterRef("number"),
        pk__in=DIDHistory.objects.filter(change=change.pk, event="+").values("object_id"),
    )
    rows.filter(verdict="+").exclude(Exists(ours)).update(verdict="?", reason="made")


# --- as a job -------------------------------------------------------------------------------------


def _begin(job):
    work = Import(job).work()
    while True:
        plan_quickly()
        try:
            next(work)
        except StopIteration as end:
            return end.value
        yield


def _told(job):
    one = Import(job)
    counts = ", ".join(f"{count:,} {what}" for what, count in one.counts.items())
    if one.phase == "apply" and "applied" in job.result:
        return f"{counts}."
    return f"Checked: {counts}; not imported yet." if one.phase == "checked" else ""


def _url(job):
    step = {"": "columns", "apply": "result"}.get(Import(job).phase, "check")
    return reverse(f"dids:import_{step}", args=[job.pk])


KIND = register(Kind("import", "Import", _begin, _told, unit="rows", url=_url, url_label="Open the import"))

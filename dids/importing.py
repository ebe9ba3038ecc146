"""Importing numbers from a file: upload, columns, check of all rows, apply.

An import is a ``Job`` of kind "import"; each step leaves in it what the next one needs, so that a
reload, another browser or a killed process goes on where it was. ``Import`` wraps the job:

* ``Import.start``   keeps the file and how it is read
* ``check``          reads the whole file into staged rows (``dids.staging``), has them judged
                     (``dids.judging``), counts; writes nothing else, and may be repeated
* ``apply``          merges the staged rows, a chunk a transaction, in which the job's cursor and counts
                     are written too; who applies claims the job by a conditional UPDATE

**What a row means.** The number names the row's DID. An ID counts only where no column holds the
number; then nothing can be created. Where both are there the ID is not looked at, for it may be another
system's. Blank cells say nothing: a new number takes the defaults of the upload, and a number that
exists keeps what it has, or with "a blank cell empties" loses tags, notes and hold days (nothing else can
be empty). Defaults never change a number that exists. Rows of nothing but blanks are passed over.

A status moves by ``status.MOVES``. A new number may be Active, Blocked or Hold when client, account and
package are named: it is written in its final state, as if it had been assigned and moved on, with the
rights for each of these moves. In Stock becomes Active by naming the three; Hold becomes Active again by
naming them or with the client it had.

**Order.** Chunks follow the file. Within one, client packages are locked first, then the numbers that
exist by their ids, as every other writer locks them, then new numbers are inserted in ascending order. No
transaction holds locks of two chunks, so that writers wait for one another and never deadlock.
"""

import json
import uuid
from dataclasses import asdict
from datetime import timedelta
from itertools import islice

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

import audit
from audit import history
from audit.models import Change
from clients.models import HOLD_DAYS_MAX, Account, Client, Package, Reseller
from clients.tags import tag_label
from dids import columns, missing, refusals, sheets
from dids import status as st
from dids.judging import (
    CLEAR,
    Terms,
    judge,
    judge_changes_again,
    judge_new,
    refuse_duplicates,
    refuse_what_does_not_fit,
    resolve,
)
from dids.models import DID, ClientPackage, DIDHistory, written_since
from dids.numbers import MAX_DIGITS, NumberError, from_cell, shorten
from dids.staging import ImportBatch, ImportGroup, ImportRow, load
from jobs.models import Job
from operators.models import Operator

KIND = "import"
SUFFIXES = (".csv", ".txt", ".tsv")
HEAD = 20  # rows of the file by which the columns are chosen
CHUNK = 5_000  # rows merged in one transaction
BLOCK = 10_000  # rows staged by one statement
GROUPS_KNOWN = 20_000  # groups kept in memory while staging; a forgotten one is staged again, no harm
LEASE = timedelta(seconds=60)  # after that long without a chunk, another request may go on
COUNTS = {"+": "created", "~": "updated", "=": "unchanged", "!": "refused", "?": "refused"}
NAMES = ("reseller", "operator", "client", "account", "package")
GROUPED = (*NAMES, "status", "after_hold", "hold_days", "tags")  # columns that rows of a group share
NAME_MAX, NOTES_MAX = 100, 500


class Overtaken(Exception):
    """Another request goes on with this import."""


class Import:
    """One import. Its state is that of its ``job``: see the keys in ``start``, ``check`` and ``apply``."""

    def __init__(self, job):
        self.job = job

    @classmethod
    def start(cls, user, upload, *, format, rows, operator=None, **defaults):
        """Keep an uploaded file and how it is read: ``format`` as sniffed, ``rows`` as counted.

        ``operator`` and ``defaults`` (status, after_hold, tags, notes): for new numbers where the file
        says nothing.
        """
        job = Job(kind=KIND, owner=user, label=f"Import {upload.name}"[:200], total=rows)
        job.params = {
            "name": upload.name,
            "format": asdict(format),
            "operator": operator.pk if operator else None,
            "defaults": defaults,
        }
        job.file.save(f"{job.pk}.txt", upload)
        return cls(job)

    # --- what the file is

    @property
    def name(self):
        return self.job.params["name"]

    @property
    def format(self):
        return sheets.Format(**self.job.params["format"])

    def rows(self):
        """The rows of the file in a stream."""
        with self.job.file.open("rb") as file:
            yield from sheets.read(file, self.format)

    def head(self):
        return list(islice(self.rows(), HEAD))

    @property
    def checked(self):
        """The number of the batch that was checked, None before the first check."""
        return self.job.cursor.get("batch")

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

    # --- check

    def check(self, *, mapping, skip, existing, create):
        """Read all rows, judge them, count; nothing but staged rows is written. In one transaction.

        ``mapping``: for each column a key of ``columns.LABELS`` or "". ``skip``: lines left out.
        ``existing`` and ``create``: see ``judging.Terms``. False when the import is under way already.
        """
        with transaction.atomic():
            _plan_quickly()
            job = Job.objects.select_for_update(of=("self",)).get(pk=self.job.pk)
            if job.state != Job.State.DRAFT:
                return False
            for old in job.batches.all():
                old.erase()
            job.params |= {"mapping": mapping, "skip": skip, "existing": existing, "create": create}
            self.job = job
            now, terms, batch = timezone.now(), self.terms(), ImportBatch.objects.create(job=job)
            job.total = self._stage(batch)
            resolve(batch.first, batch.last, terms, now)
            refuse_duplicates(batch.first, batch.last, terms.by_id)
            judge(batch.first, batch.last, terms, now)
            refuse_what_does_not_fit(batch.first, batch.last, terms)
            missing.count_use(batch)
            job.cursor = {"batch": batch.pk}
            everything = _Chunk(batch, batch.first, batch.last)
            job.result = {"counts": everything.counts, "missing": missing.sentences(batch)}
            job.save(update_fields=["params", "cursor", "result", "total"])
        return True

    def _stage(self, batch):
        """Write the rows of the file into the staging table; returns how many. Flat memory."""
        params = self.job.params
        at = {key: index for index, key in enumerate(params["mapping"]) if key}
        stage = _Stage(batch, at)
        skip, count = set(params["skip"]), 0
        rows = (row for row in self.rows() if row.line not in skip)
        while block := list(islice(rows, BLOCK)):
            staged = [row for row in map(stage.row, block) if row]
            load(ImportGroup, stage.new_groups)
            stage.new_groups.clear()
            load(ImportRow, staged)
            count += len(staged)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:  # the plans that follow depend on its size
                cursor.execute("ANALYZE dids_importrow, dids_importgroup")
        return count

    # --- apply

    def apply(self, batch):
        """Merge what the check of ``batch`` wants written. True when this call brought it to its end.

        Twice is once: only who claims the job goes on, and each chunk commits with its cursor. After
        a kill the next call goes on behind the last chunk, as soon as the lease is over.
        """
        token = uuid.uuid4().hex
        if not self._claim(batch, token):
            return False
        try:
            while self.job.state != Job.State.DONE:
                self._step(token)
        except Overtaken:
            return False
        finally:
            # Not done: something went wrong, and whoever comes next need not wait.
            self._ours(token).update(lease_until=timezone.now())
            self.job.refresh_from_db()
        return True

    def _claim(self, batch, token):
        now = timezone.now()
        ready = Q(state=Job.State.DRAFT) | Q(state=Job.State.RUNNING, lease_until__lte=now)
        claimed = Job.objects.filter(ready, pk=self.job.pk, cursor__batch=batch).update(
            state=Job.State.RUNNING,
            worker=token,
            started_at=Coalesce(F("started_at"), now),
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
        )
        self.job.refresh_from_db()
        return bool(claimed)

    def _ours(self, token):
        return Job.objects.filter(pk=self.job.pk, worker=token, state=Job.State.RUNNING)

    @transaction.atomic
    def _step(self, token):
        """One chunk, with the job's cursor and counts. The first step creates the missing names."""
        _plan_quickly()
        job, now = self.job, timezone.now()
        batch, terms = ImportBatch.objects.get(pk=job.cursor["batch"]), self.terms()
        if "after" not in job.cursor:
            change = self._create_missing(batch, terms, now)
            written = {
                "cursor": job.cursor | {"after": batch.first, "names": [], "looked_up": 0},
                "result": job.result | {"applied": {}},
            }
        elif chunk := _Chunk.following(batch, job.cursor["after"]):
            change = self._merge(chunk, terms, now)
            applied = _added(job.result["applied"], chunk.counts)
            written = {
                "cursor": self.job.cursor | {"after": chunk.last},
                "result": job.result | {"applied": applied},
                "done": sum(applied.values()),
            }
        else:
            change, written = None, {"state": Job.State.DONE, "finished_at": now}
        if change and change.pk:
            written["change"] = change
        if not self._ours(token).update(lease_until=now + LEASE, **written):
            raise Overtaken
        for name, value in written.items():
            setattr(job, name, value)

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
        gives = chunk.assigned or chunk.batch.groups.filter(status__in=st.HELD).exists()
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
        if versions == known and at - looked_up < LEASE.total_seconds():
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
        return dict.fromkeys(COUNTS.values(), 0) | result.get("applied", result["counts"])

    @property
    def refused(self):
        return (
            ImportRow.objects.none()
            if not self.checked
            else (self.job.batches.get(pk=self.checked).rows.filter(verdict__in=("!", "?")).order_by("pk"))
        )

    def refusals(self, limit):
        """The first refused rows as {line, column, value, reason}."""
        return refusals.explained(self.refused[:limit], self.job.owner)

    def refused_file(self):
        """CSV of the refused rows as they stand, with the reason; imports again once corrected."""
        return sheets.write(self._refused_rows())

    def _refused_rows(self):
        params = self.job.params
        width, skip = self.format.width, set(params["skip"])
        header = columns.find_header([row.cells for row in self.head() if row.line in skip])
        skipped = [row.cells for row in self.head() if row.line in skip]
        names = (
            skipped[header]
            if header is not None
            else [columns.LABELS.get(key, "") for key in params["mapping"]]
        )
        # A reason from an earlier round gives way to the new one.
        kept = [index for index in range(width) if not columns.is_reason(_cell(names, index))]
        yield [*(_cell(names, index) for index in kept), columns.REASON]
        rows = self.rows()
        for refusal in self._all_refusals():
            cells = next(row.cells for row in rows if row.line == refusal["line"])
            kept_cells = [sheets.unescape(_cell(cells, index)) for index in kept]
            yield [*kept_cells, *cells[width:], refusal["reason"]]

    def _all_refusals(self):
        after = 0
        while some := list(self.refused.filter(pk__gt=after)[:BLOCK]):
            yield from refusals.explained(self.refused.filter(pk__gt=after)[:BLOCK], self.job.owner)
            after = some[-1].pk


def _cell(cells, index):
    return cells[index] if index < len(cells) else ""


class _Chunk:
    """Some rows of a batch, in the order of the file: ids ``first`` to ``last``."""

    def __init__(self, batch, first, last):
        self.batch, self.first, self.last = batch, first, last
        self.rows = ImportRow.objects.filter(pk__range=(first, last))
        self.count()

    @classmethod
    def following(cls, batch, after):
        """The one behind the row ``after``, None at the end."""
        some = batch.rows.filter(pk__gt=after).order_by("pk").values("pk")[:CHUNK]
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


def _plan_quickly():
    """PostgreSQL would compile each statement of a chunk anew, for longer than it takes to run it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")


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


# --- one row --------------------------------------------------------------------------------------


class _Stage:
    """Turns rows of the file into rows of the staging tables; ``new_groups`` are those not written yet."""

    def __init__(self, batch, at):
        self.first = batch.first
        self.at = at
        self.grouped = [(key, at[key]) for key in GROUPED if key in at]
        self.indexes = [index for _, index in self.grouped]
        self.number, self.ref, self.notes = at.get("number"), at.get("id"), at.get("notes")
        self.least = max(at.values()) + 1
        self.groups, self.new_groups, self.count = {}, [], 0

    def row(self, row):
        """The tuple to stage, None for a row of blanks."""
        line, cells, problem = row
        if len(cells) < self.least:
            cells = cells + [""] * (self.least - len(cells))
        if problem:
            return self._flawed(line, None, None, "", str(problem)) if any(map(str.strip, cells)) else None
        said = tuple([cells[index] for index in self.indexes])
        group = self.groups.get(said) or self._group(said)
        notes = cells[self.notes] if self.notes is not None else ""
        if notes:
            notes = sheets.unescape(notes) if notes.strip() else ""
            if len(notes) > NOTES_MAX:
                return self._flawed(line, group, "notes", notes, _too_long("notes", notes, NOTES_MAX))
        if self.number is None:
            ref = cells[self.ref].strip()
            if not (ref.isascii() and ref.isdigit() and len(ref) <= 18):
                if not any(map(str.strip, cells)):
                    return None
                return self._flawed(
                    line, group, "id", ref, "An ID is a whole number. Correct it or leave the row out."
                )
            return self.first + line, group, None, int(ref), notes, "+", None, None
        number = cells[self.number]
        if not (number.isdigit() and number.isascii() and len(number) <= MAX_DIGITS):
            try:
                number = from_cell(number)
            except NumberError as error:
                if not any(map(str.strip, cells)):
                    return None
                reason = f"{error.reason[0].upper()}{error.reason[1:]}. {error.remedy}"
                return self._flawed(line, group, "number", number, reason)
        return self.first + line, group, number, None, notes, "+", None, None

    def _flawed(self, line, group, column, value, sentence):
        flaw = json.dumps([column, shorten(value), sentence])
        return self.first + line, group, None, None, "", "!", "flaw", flaw

    def _group(self, cells):
        if len(self.groups) >= GROUPS_KNOWN:
            self.groups.clear()
        self.count += 1
        group = self.groups[cells] = self.first + self.count
        said = {
            key: text for (key, _), cell in zip(self.grouped, cells, strict=True) if (text := _said(cell))
        }
        values, flaw = _understood(said)
        self.new_groups.append(
            (group, *(values.get(key) for key in GROUPED), json.dumps(flaw) if flaw else None)
        )
        return group


def _said(cell):
    """The text of a cell, None when it is blank."""
    return sheets.unescape(cell).strip() or None


def _understood(said):
    """({column: value}, the first flaw or None): the texts of a group as values."""
    values, flaw = {}, None
    for key, text in said.items():
        try:
            values[key] = _READERS[key](text)
        except ValueError as error:
            flaw = flaw or [key, shorten(text), str(error)]
    return values, flaw


def _name(text):
    if len(text) > NAME_MAX:
        raise ValueError(_too_long("name", text, NAME_MAX))
    return text


def _too_long(what, text, limit):
    return f"The {what} has {len(text):,} characters; at most {limit} fit. Shorten it."


def _status(text):
    if key := st.parse(text):
        return key
    raise ValueError(f"There is no such status. Write one of {', '.join(st.LABELS.values())}.")


def _after_hold(text):
    if (key := st.parse(text)) in st.FREE:
        return key
    raise ValueError(
        f"After Hold is one of {', '.join(st.LABELS[key] for key in st.FREE)}. Write one of these."
    )


def _days(text):
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= HOLD_DAYS_MAX:
        return int(text)
    raise ValueError(f"Hold days are a whole number from 0 to {HOLD_DAYS_MAX}. Correct the number.")


def _tags(text):
    try:
        return tag_label([text]) or None
    except ValidationError as error:
        raise ValueError(error.message) from None


_READERS = dict.fromkeys(NAMES, _name) | {
    "status": _status,
    "after_hold": _after_hold,
    "hold_days": _days,
    "tags": _tags,
}

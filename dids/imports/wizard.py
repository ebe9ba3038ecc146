"""Import numbers from a file: upload, columns, check of all rows, apply.

An import is a ``Job`` of kind "import"; small ones run in the request, the others in a worker. Each step
leaves in the job what the next one needs, so that a reload, another browser or a killed process continues
where it was:

* ``Import.start`` stores the file and how it is read
* ``Import.survey`` reads it with a choice of columns and finds what to decide; ``Import.choose`` keeps the
  answers
* ``Import.check`` stages and validates the whole file (``dids.imports.check``); it may be repeated
* ``Import.apply`` merges the staged rows (``dids.imports.apply``)

``job.cursor["phase"]`` is "check", then "checked", then "apply".

**What a row means.** The number identifies the row's DID. An ID finds the number only where no
column holds it, and then nothing can be created. With both, a row whose ID is that of another number is
refused; an ID that nobody has is ignored, because it may be of a deleted number that the file restores.
A range in the number's cell, or with an end or size in a column of its own, counts as one row for each
number. A blank cell gives a new number the default of the upload and leaves an existing number as it is,
or clears its tags, notes and hold days if the user chose so; defaults never change an existing number.
Blank rows are skipped.

Statuses move by ``statuses.MOVES``. A new number may be Active, Blocked or on Hold if client, account
and package are named: it is created in its final status, as if it had been assigned and moved on, with
the permissions for each of these moves. In Stock becomes Active by naming all three; Hold becomes Active
again by naming them, or with the client it had.
"""

import hashlib

from django.db import transaction
from django.urls import reverse

from didmgmt.form_tokens import RepeatedError
from didmgmt.text import count_noun
from dids.imports import cells, mapping
from dids.imports.apply import Apply
from dids.imports.check import Check
from dids.imports.effects import Effects
from dids.imports.existing import existing_names
from dids.imports.options import KEEP
from dids.imports.reasons import explain
from dids.imports.refused import refused_rows
from dids.imports.survey import Survey
from dids.imports.upload import Upload, delete_files
from dids.lifecycle import statuses as st
from dids.models.staging import RESULTS, ImportRow
from jobs.kinds import JobKind, register
from jobs.models import Job

# What later files with the same header line take over.
IN_REQUEST = 11_000  # rows of a file whose import does not wait for a worker: 10,000 numbers take 0.3 s
REMEMBERED = ("mapping", "readings", "lost", "pad", "front", "values", "empty", "single")
# The choices of step 2 before its owner has chosen anything; see ``Import.choose``.
UNCHOSEN = {
    "existing": KEEP,
    "create": False,
    "all_or_nothing": False,
    "readings": {},
    "lost": cells.REFUSE,
    "pad": None,
    "front": "",
    "values": {},
    "empty": list(cells.EMPTY),
    "written": [],
    "without_operator": False,
    "single": False,
    "remember": True,
    "remembered": [],
}
AS_BEFORE = "before"  # the layout of a file whose columns were chosen before


class Import:
    """The import that a ``job`` holds."""

    def __init__(self, job):
        self.job = job

    @classmethod
    def start(cls, user, file, loaded, *, operator=None, **defaults):
        """Store an uploaded file; ``loaded`` is the result of ``sheets.load``.

        ``operator`` and ``defaults`` (status, after_hold, tags, notes) fill missing values of new numbers.
        """
        Job.objects.refuse_many_uploads(user, KIND.name)
        job = Job(kind=KIND.name, owner=user, label=f"Import of {file.name}"[:200])
        job.params = {"operator": operator.pk if operator else None, "defaults": defaults}
        upload = Upload(job)
        upload.store(file, loaded)
        try:
            job.save()
        except RepeatedError:
            upload.delete_table()
            raise
        return cls(job)

    def read_again(self, **how):
        """Read the file with another ``delimiter``, ``encoding`` or ``sheet``, or without ``hidden`` rows.

        Forgets its columns. Returns False if the import has continued in the meantime. Raises SheetError.
        """
        with self.job.file.open("rb") as file:
            loaded = self.upload.load(file, **how)
            with loaded, transaction.atomic():
                self._lock()
                if not self.is_open:
                    return False
                for key in ("mapping", "skip", "written", "typical", "remembered", "layout"):
                    self.job.params.pop(key, None)
                self.job.cursor, self.job.result = {}, {}
                self.upload.read_as(loaded, file)
                self.job.save(update_fields=["params", "cursor", "result", "total"])
        return True

    # --- state

    @property
    def upload(self):
        return Upload(self.job)

    @property
    def is_erased(self):
        """Whether its file and rows are deleted, so that only its counts remain."""
        return self.job.is_erased

    @property
    def phase(self):
        """The state: "" before the first check, then "check", "checked" or "apply"."""
        return self.job.cursor.get("phase", "")

    @property
    def checked(self):
        """The id of the checked batch, None before the first check has ended."""
        return self.job.cursor["batch"] if self.phase in ("checked", "apply") else None

    @property
    def is_applied(self):
        """Whether it has written numbers, or is about to."""
        return self.phase == "apply" and (self.job.is_unfinished or bool(self.job.result.get("applied")))

    @property
    def is_open(self):
        """Whether its columns can still be chosen."""
        return self.job.state in Job.STARTABLE and not self.is_applied and not self.is_erased

    @property
    def all_or_nothing(self):
        return bool(self.job.params.get("all_or_nothing"))

    @property
    def counts(self):
        """{result of ``staging.RESULTS``: number of rows} of the check, then of the apply."""
        result = self.job.result
        return dict.fromkeys(RESULTS.values(), 0) | result.get("applied", result.get("counts", {}))

    @property
    def sentence(self):
        """The counts as text, "480 created, 0 updated, 12 unchanged, 3 refused"; flagged rows only if any."""
        counts = self.counts
        left_out = counts.pop("flagged")
        texts = [f"{count:,} {result}" for result, count in counts.items()]
        return ", ".join([*texts, f"{left_out:,} left out"] if left_out else texts)

    @property
    def forecast(self):
        """What a checked import will do, as a sentence."""
        writes = self._phrases(
            "number", created="create {}", updated="update {}", unchanged="leave {} unchanged"
        )
        drops = self._phrases("row", refused="refuse {}", flagged="leave out {}")
        halves = [
            " and ".join([*filter(None, [", ".join(half[:-1])]), half[-1]])
            for half in (writes, drops)
            if half
        ]
        return (
            f"The import will {'; it will '.join(halves)}." if halves else "The file has no rows to import."
        )

    @property
    def places(self):
        """How many places in client packages a checked import will take and free, as sentences."""
        places, found = self.job.result.get("places", {}), []
        for fate in ("taken", "freed"):
            if count := places.get(fate):
                packages = count_noun(places[f"{fate}_in"], "client package")
                found.append(f"{count_noun(count, 'place')} in {packages} will be {fate}.")
        return found

    def _phrases(self, noun, **phrases):
        """Fill in the counts that are not 0; the first one has the noun."""
        found = []
        for result, phrase in phrases.items():
            if count := self.counts[result]:
                found.append(phrase.format(f"{count:,}" if found else count_noun(count, noun)))
        return found

    @property
    def headline(self):
        """What an applied import did: "1,118 numbers created, 96 updated"."""
        done = self._phrases("number", created="{} created", updated="{} updated")
        return ", ".join(done) or "No number was created or updated"

    @property
    def statuses(self):
        """{"created": "720 Active, 398 In Stock", "updated": …} of an applied import; both may lack."""
        return {
            result: ", ".join(f"{counts[key]:,} {label}" for key, label in st.LABELS.items() if key in counts)
            for result, counts in self.job.result.get("statuses", {}).items()
        }

    @property
    def refused(self):
        """The refused rows, as ``ImportRow``s in file order."""
        return self._rows_of("refused")

    @property
    def left_out(self):
        """The flagged rows that are not written, as ``ImportRow``s in file order."""
        return self._rows_of("left_out")

    def _rows_of(self, fate):
        if not self.checked or self.is_erased:
            return ImportRow.objects.none()
        return getattr(self.job.batches.get(pk=self.checked), fate)

    def effects(self, shown, page, size):
        """Return a page of what a checked import will do: see ``Effects``."""
        return Effects(self.job, shown, page, size)

    @property
    def reasons(self):
        """Why rows were refused, the most frequent reason first: see ``tally.refusal_reasons``."""
        return self.job.result.get("reasons", [])

    def file_of(self, rows):
        """Yield the ``refused`` or ``left_out`` rows with reasons, to be corrected and imported again."""
        return refused_rows(self.upload, rows, self.job.actor)

    def explained(self, rows):
        """Return why each of these rows is refused or left out: see ``reasons.explain``."""
        return explain(rows, self.job.actor)

    # --- columns

    def remembered(self, head):
        """Return (choices, index of the header in ``head``) that this user made for the same header line.

        ``choices``: the mapping, and how cells are read. None if no row of the head was a header before.
        """
        digests = {_digest(row.cells): index for index, row in reversed(list(enumerate(head)))}
        seen = Job.objects.visible_to(self.job.actor).filter(owner=self.job.owner_id)
        before = seen.filter(kind=KIND.name, params__header__in=list(digests))
        latest = before.exclude(pk=self.job.pk).order_by("-created_at").values_list("params", flat=True)
        params = latest.first()
        if params is None or len(params["mapping"]) != self.upload.format.width:
            return None
        return {key: params[key] for key in REMEMBERED if key in params}, digests[params["header"]]

    def guess(self, head, layout=""):
        """Return the ``mapping.Guess`` for the ``head`` of the file, as a list of this layout."""
        rows = [row.cells for row in head]
        existing = existing_names(rows, self.job.actor)
        return mapping.guess(rows, self.upload.format.width, layout=layout, existing=existing)

    def choices(self, head, guess):
        """Return the choices to begin with: those kept, else those remembered, else those of ``guess``."""
        params = self.job.params
        chosen = UNCHOSEN | {"operator": params["operator"], "defaults": params["defaults"]}
        chosen["layout"] = guess.layout or mapping.CONTENT
        if "mapping" in params:
            return chosen | {key: params[key] for key in (*chosen, "mapping", "skip") if key in params}
        if before := self.remembered(head):
            chosen |= before[0] | {"remembered": before[0]["mapping"], "layout": AS_BEFORE}
            header = before[1]
        else:
            chosen["mapping"], header = guess.keys, guess.header
        skip = [row.line for row in head[: header + 1]] if header is not None else []
        return chosen | {"skip": skip}

    def survey(self, guess, **choices):
        """Return the ``Survey`` of the file with these choices, which are those of ``choose``."""
        return Survey(self.upload, self.job.actor, self.job.params | choices, guess)

    def choose(self, **choices):
        """Keep the choices of step 2; a check made with other choices is forgotten.

        Returns False if the import has continued in the meantime. ``mapping``: for each column a key of
        ``mapping.LABELS`` or "". ``skip``: lines to leave out. ``existing`` and ``create``: see ``Options``.
        ``readings``, ``lost``, ``pad``, ``front``, ``values``, ``empty``, ``written`` and ``typical``: see
        ``CellRules``. ``operator`` (its id) and ``defaults``: see ``start``. ``without_operator``: refuse new
        numbers for which no operator is named. ``single``: rows name one number each, although a column may
        hold the end or the size of a range. ``remember``: whether ``remembered`` returns these choices
        for later files; the choice ``remembered`` is the mapping that it returned for this one. ``layout``:
        where the mapping began, AS_BEFORE, ``mapping.CONTENT`` or the name of a system.
        """
        with transaction.atomic():
            self._lock()
            if not self.is_open:
                return False
            job = self.job
            if any(job.params.get(key) != value for key, value in choices.items()):
                job.params |= choices
                job.cursor, job.result = {}, {}
                job.save(update_fields=["params", "cursor", "result"])
        return True

    # --- check and apply

    def check(self, *, all_or_nothing=False, **choices):
        """Start the check with the choices of ``choose``. Returns False if it is running or done already."""
        with transaction.atomic():
            if not self.choose(all_or_nothing=all_or_nothing, **choices):
                return False
            job = self.job
            header = self.upload.header() if job.params.get("remember", True) else None
            job.params |= {"header": header and _digest(header)}
            job.cursor, job.result, job.done = {"phase": "check"}, {}, 0
            job.total = max(0, job.params["rows"] - len(job.params["skip"]))
            job.save(update_fields=["params", "cursor", "result", "done", "total"])
            started = self._start()
        return started and self._run()

    def write_flagged(self, *, shown, ticked):
        """Check again with other flagged rows to write: of the lines ``shown``, those ``ticked``.

        Returns False if the import is running or done already.
        """
        written = set(self.job.params.get("written", ())) - set(shown) | set(ticked)
        return self.check(all_or_nothing=self.all_or_nothing, written=sorted(written))

    def discard(self):
        """Delete the file and the staged rows of an import that has written nothing.

        Returns False if it is running, has written numbers or is discarded already.
        """
        with transaction.atomic():
            self._lock()
            if not self.is_open:
                return False
            self.job.state = Job.State.CANCELLED
            self.job.result = {"error": "Discarded. Nothing was imported, and the file is deleted."}
            delete_files(self.job)
        return True

    def apply(self, batch):
        """Start writing what the check of ``batch`` found. Returns False if it is running or done already."""
        with transaction.atomic():
            self._lock()
            if not self.is_open or self.checked != batch:
                return False
            self.job.cursor = {"phase": "apply", "batch": batch, "frees": self.job.cursor.get("frees")}
            self.job.done = 0
            self.job.total = sum(self.counts.values())
            self.job.save(update_fields=["cursor", "done", "total"])
            started = self._start()
        return started and self._run()

    def _lock(self):
        """Lock and reload the job until the end of the transaction."""
        self.job = Job.objects.select_for_update(of=("self",)).get(pk=self.job.pk)

    @property
    def _is_small(self):
        """Whether it runs in the request, by rows of the file: a few that name large ranges do so as well."""
        return self.job.params["rows"] <= IN_REQUEST

    def _start(self):
        """Queue or claim the job in the transaction that has prepared it, so that no job stays behind."""
        return self.job.claim_here() if self._is_small else self.job.queue()

    def _run(self):
        if self._is_small:
            self.job.run_here()
        return True


def _digest(header):
    """Identify a header line regardless of case and blanks."""
    plain = "\n".join(" ".join(cell.split()).casefold() for cell in header)
    return hashlib.sha256(plain.encode()).hexdigest()


# --- the job --------------------------------------------------------------------------------------


class ImportJob(JobKind):
    name, label, unit, url_label = "import", "Import", "rows", "Open the import"

    def run(self, job):
        checks = Import(job).phase == "check"
        work = (Check if checks else Apply)(job).run()
        while True:
            try:
                next(work)
            except StopIteration:
                return Job.State.DRAFT if checks else Job.State.DONE
            yield

    def sentence(self, job):
        number_import = Import(job)
        if number_import.phase == "apply" and "applied" in job.result:
            return f"{number_import.sentence}."
        if number_import.phase == "checked":
            return f"Checked: {number_import.sentence}; not imported yet."
        return ""

    def url(self, job):
        step = {"": "columns", "apply": "result"}.get(Import(job).phase, "check")
        return reverse(f"dids:import_{step}", args=[job.pk])

    def discard_url(self, job):
        return reverse("dids:import_discard", args=[job.pk]) if Import(job).is_open else ""


KIND = register(ImportJob())

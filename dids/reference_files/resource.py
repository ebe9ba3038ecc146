"""Import and export of reference tables with django-import-export.

These tables are small, so a row-by-row check in a transaction that is rolled back is fast enough.
``ReferenceResource`` changes four defaults of the library:

- It validates with three queries a row. Here all rows that a file can touch are fetched and locked at once,
  and the database has the last word (an IntegrityError).
- It saves row by row in savepoints. Here rows are written in bulk after all of them were checked.
- It collects every exception in its result. Here exceptions other than refusals are raised.
- It sets PostgreSQL's sequence to the highest id afterwards, which breaks concurrent transactions. Nothing
  here writes an id.

An import is all or nothing. It creates rows and updates their own columns. It never moves a row to another
reseller or client, and never closes, archives or deletes one: changes with consequences for numbers are made
on the screens that show them. For the same reason, hold days changed here apply only to holds that start
later.
"""

from collections import defaultdict
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.results import RowResult
from tablib import Dataset

import audit
import sheets
from audit.models import Change
from clients.models import Reseller
from clients.names import keys, lookalike_exists
from didmgmt.streams import stream
from didmgmt.text import parse_whole, shorten
from dids.imports import names as column_names
from dids.reference_files.fields import NameWidget, read_only
from dids.reference_files.parsed_file import cell_text
from dids.reference_files.result import ChangedSinceCheckError, FileResult, RowChange

CHUNK = 1_000  # rows written at a time
LINE = "line"  # the dataset's column with the row's line in the file


class ReferenceResource(ModelResource):
    """Import and export the rows of a table that ``by`` may see.

    A row of a file matches the row with the same reseller (and client) and name. If there is none, its ID may
    name the row to rename. An unknown or invisible ID is ignored, so that a file also goes into an empty
    system. ``known_as`` and ``words`` map headers of other systems to keys of ``fields``.
    """

    id = read_only("pk", "ID")
    name = Field("name", "Name", widget=NameWidget())
    reseller = read_only("reseller__name", "Reseller")

    parent = "reseller"  # the foreign key within which a name is unique
    related = "reseller"  # fetched with select_related, so that no row costs a query
    only_exported: tuple[str, ...] = ()
    known_as = {"reseller": "reseller"}
    words = {}
    about = []  # (column, description) for the page, in addition to the columns of all tables
    note = ""  # which columns are only exported, and why

    class Meta:
        clean_model_instances = True
        use_transactions = True
        use_bulk = True
        batch_size = CHUNK
        skip_unchanged = True
        report_skipped = True
        skip_html_diff = True
        store_instance = True
        import_id_fields = ("name",)

    def __init__(self, by):
        super().__init__()
        self.by = by
        self.zone = timezone.get_current_timezone()  # a file is streamed after the request has ended

    # --- columns

    @classmethod
    def nouns(cls):
        return cls._meta.model._meta.verbose_name, cls._meta.model._meta.verbose_name_plural

    @classmethod
    def label(cls, key):
        return cls.fields[key].column_name if key in cls.fields else ""

    @classmethod
    def find_header(cls, rows):
        """Return (index, keys) of the row with the most known headers; an unknown header's key is "".

        Raises ``SheetError`` when no row has a header for the name.
        """
        candidates = [(index, cls._keys_of(cells)) for index, cells in enumerate(rows)]
        index, keys = max(
            ((index, keys) for index, keys in candidates if "name" in keys),
            key=lambda candidate: sum(map(bool, candidate[1])),
            default=(0, None),
        )
        if keys is None:
            raise sheets.SheetError(
                f"No column holds the name of the {cls.nouns()[0]}."
                " Name the columns in the first row, one of them “Name”."
            )
        return index, keys

    @classmethod
    def _keys_of(cls, cells):
        """Return the keys of columns with these headers. Our own headers win over those of other systems."""
        own = {column_names.compact(field.column_name): key for key, field in cls.fields.items()}
        words = {
            column_names.compact(word): key for key, text in cls.words.items() for word in text.split(";")
        }
        headers = [column_names.compact(cell_text(cell)) for cell in cells]
        keys, taken = [""] * len(headers), set(cls.only_exported)
        for known in (own.get, words.get, lambda header: cls.known_as.get(column_names.key_of(header))):
            for index, header in enumerate(headers):
                key = known(header)
                if key and not keys[index] and key not in taken:
                    keys[index] = key
                    taken.add(key)
        return keys

    # --- export

    def listed(self):
        """Return all rows that ``by`` may see, with all that ``rows`` needs, by reseller and name."""
        return self.get_queryset().order_by(f"{self.related}__name", f"{self.parent}__name", "name", "pk")

    def rows(self, queryset):
        """Yield the header, then a tuple of texts, whole numbers and None for each row of ``queryset``.

        The queryset must select ``related`` and annotate computed columns (``did_count``).
        """
        yield self.get_export_headers()
        fields = self.get_export_fields()
        for row in stream(queryset):
            yield tuple(self._exported(field.get_value(row)) for field in fields)

    def _exported(self, value):
        if isinstance(value, datetime):
            return timezone.localtime(value, self.zone).isoformat(" ", "seconds")
        return value

    # --- import

    def check(self, file):
        """Return the ``FileResult`` of importing this ``ParsedFile``, without writing anything."""
        return self._run(file, dry_run=True)

    def apply(self, file, expected):
        """Import the file in a change of its own and return the result.

        ``expected`` is the digest of the result that was checked. Raises ``ChangedSinceCheckError`` when the
        result differs from it now, and IntegrityError when another transaction has just written the same
        names. Nothing is written then.
        """
        label = f"Import of {self.nouns()[1]} from {file.name}"
        with audit.change(Change.Kind.IMPORT, by=self.by, label=label) as change:
            self._meta.model.lock_names()
            result = self._run(file, dry_run=False)
            if result.digest != expected:
                raise ChangedSinceCheckError(result)
            change.touched += result.written
        return result

    def _run(self, file, *, dry_run):
        labels = [self.label(key) for key in file.keys]
        dataset = Dataset(*map(tuple, file.rows), headers=[LINE, *labels])
        result = self.import_data(dataset, dry_run=dry_run, rollback_on_validation_errors=True)
        for error in (*result.base_errors, *(one for row in result.error_rows for one in row.errors)):
            raise error.error
        rows = list(zip(file.rows, result.rows, strict=True))
        changes = [self._row_change(line, row) for (line, *_), row in rows if row.is_new() or row.is_update()]
        refusals = list(file.flaws)
        for row in result.invalid_rows:
            line, *texts = file.rows[row.number - 1]
            refusals += self._refusals(line, dict(zip(labels, texts, strict=True)), row.error)
        counts = {
            "created": result.totals[RowResult.IMPORT_TYPE_NEW],
            "updated": result.totals[RowResult.IMPORT_TYPE_UPDATE],
            "unchanged": result.totals[RowResult.IMPORT_TYPE_SKIP],
            "refused": len(result.invalid_rows) + len(file.flaws),
        }
        refusals.sort(key=lambda refusal: refusal["line"])
        return FileResult(self.nouns(), counts, changes, refusals)

    def _row_change(self, line, row):
        if row.is_new():
            return RowChange(line, row.instance.name, None, [])
        values = [(f, f.get_value(row.original), f.get_value(row.instance)) for f in self._written_fields()]
        changes = [(f.column_name, before, after) for f, before, after in values if before != after]
        return RowChange(line, row.instance.name, row.instance.pk, changes)

    def _refusals(self, line, texts, error):
        """Yield the refusals of a row; ``texts`` are its cells by column."""
        for key, errors in error.error_dict.items():
            column = self.label(key)
            for one in errors:
                reason = " ".join(one.messages)
                if one.code in ("null", "blank"):
                    reason = f"A new {self.nouns()[0]} needs a value. Fill it in."
                yield {
                    "line": line,
                    "column": column,
                    "value": shorten(texts.get(column, "")),
                    "reason": reason,
                }

    # --- import: hooks of the library, in the order of its calls

    def get_queryset(self):
        return super().get_queryset().visible_to(self.by).select_related(self.related)

    def before_import(self, dataset, **_kwargs):
        """Fetch all rows that the file can touch, so that no row costs a query.

        Rows are locked by ascending id, so that concurrent imports can't deadlock.
        """
        ids = {pk for text in self._texts(dataset, "id") if (pk := parse_whole(text)) is not None}
        named = Q(name__in=self._texts(dataset, "name")) | Q(pk__in=ids)
        rows = list(
            self.get_queryset().filter(named).select_for_update(no_key=True, of=("self",)).order_by("pk")
        )
        self._by_name = {(self._parent_id(row), row.name): row for row in rows}
        self._by_id = {row.pk: row for row in rows}
        self._resellers = {one.name: one for one in Reseller.objects.visible_to(self.by)}
        self._first_lines = {}
        self._lookalikes = self._find_lookalikes(dataset)

    def _find_lookalikes(self, dataset):
        """Return {(parent's id, key of a name): names that have this key}, for the names in the file."""
        wanted = {key for name in self._texts(dataset, "name") for key in keys(name)}
        found = defaultdict(set)
        for parent, name in stream(self._siblings(dataset).values_list(f"{self.parent}_id", "name")):
            for key in keys(name) & wanted:
                found[parent, key].add(name)
        return found

    def _siblings(self, _dataset):
        """Return the rows that may be alike those in the file."""
        return self._meta.model.objects.visible_to(self.by)

    def _texts(self, dataset, key):
        """Return the distinct texts of a column; the empty set if the file doesn't have the column."""
        label = self.label(key)
        return set(dataset[label]) if label in dataset.headers else set()

    def _parent_id(self, row):
        return getattr(row, f"{self.parent}_id")

    def get_or_init_instance(self, _instance_loader, row):
        parent = self._parent_of(row)
        if not row["Name"]:
            return self._new(parent), True
        self._refuse_repeated((parent.pk, row["Name"]), row)
        match = self._by_name.get((parent.pk, row["Name"]))
        if not match:
            match = self._renamed(parent, row)
            self._refuse_lookalike(parent, row["Name"], match)
        if not match:
            return self._new(parent), True
        self._refuse_repeated(match.pk, row)
        return match, False

    def _new(self, parent):
        return self._meta.model(**{self.parent: parent})

    def _refuse_lookalike(self, parent, name, renamed):
        """Refuse a new name that a person would take for another one; ``renamed``: the row that gets it."""
        for key in sorted(keys(name)):
            others = self._lookalikes[parent.pk, key] - {name, renamed and renamed.name}
            if others:
                exists = lookalike_exists(self.nouns()[0], min(others), name)
                raise refusal("name", f"{exists} Write it so, or add “{name}” by hand first.")
        for key in keys(name):
            self._lookalikes[parent.pk, key].add(name)

    def _refuse_repeated(self, key, row):
        first = self._first_lines.setdefault(key, row[LINE])
        if first != row[LINE]:
            raise refusal("name", f"Duplicate of line {first:,}, which is used.")

    def _renamed(self, parent, row):
        """Return the row with this ID, which the file renames, or None."""
        text = row.get("ID", "")
        if text and parse_whole(text) is None:
            raise refusal("id", "An ID is a whole number. Correct it, or leave it empty.")
        match = self._with_id(row)
        if match and self._parent_id(match) != parent.pk:
            raise refusal(
                "id",
                f"The {self.nouns()[0]} with this ID is “{match}” of {getattr(match, self.parent)}. An import"
                " can’t move it; leave the ID empty to create a new one.",
            )
        return match

    def _with_id(self, row):
        return self._by_id.get(parse_whole(row.get("ID", "")))

    def _parent_of(self, row):
        return self._reseller_of(row)

    def _reseller_of(self, row):
        if name := row.get("Reseller", ""):
            if match := self._resellers.get(name):
                return match
            if self.by.reseller_id:
                raise refusal(
                    "reseller",
                    f"You work for {self.by.reseller} and can’t see a reseller with this name."
                    " Remove the column.",
                )
            raise refusal(
                "reseller",
                "There is no reseller with this name. Correct it, or ask an administrator to add it.",
            )
        if len(self._resellers) == 1:
            return next(iter(self._resellers.values()))
        if match := self._with_id(row):
            return match.reseller
        if self._resellers:
            raise refusal("reseller", "There are several resellers. Name one in the Reseller column.")
        raise refusal("reseller", "There is no reseller yet. Ask an administrator to add one.")

    def validate_instance(self, instance, import_validation_errors=None, _validate_unique=True):
        """Validate without queries: parent and name are checked above, and ranges have validators."""
        errors = dict(import_validation_errors or {})
        try:
            instance.full_clean(
                exclude={*errors, self.parent}, validate_unique=False, validate_constraints=False
            )
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def _written_fields(self):
        return [one for one in self.get_import_fields() if not one.readonly]

    def get_bulk_update_fields(self):
        return [one.attribute for one in self._written_fields()]

    def after_import(self, _dataset, _result, **_kwargs):
        """Leave PostgreSQL's sequence unchanged; see the module docstring."""


def refusal(key, sentence):
    return ValidationError({key: sentence})

"""Operators, clients, accounts and packages as files, both ways, by django-import-export.

These tables are small, so the library's way is good enough: it goes row by row, checks in a transaction
that is rolled back, and keeps a result for each row. Four of its habits are not ours and are set right in
``ReferenceResource``:

- it validates by three queries a row; here all that a file can touch is fetched and locked at once, and the
  database has the last word (an IntegrityError);
- it saves row by row in savepoints; here rows are written in bulk, after all of them were judged;
- it swallows every exception into its result; here what is no refusal is raised;
- it sets PostgreSQL's sequence to the highest id afterwards, which takes ids away from transactions under
  way; nothing here writes an id.

An import is all or nothing. It makes rows and changes their own columns; it never moves one to another
reseller or client, never closes, archives or deletes: what has consequences for numbers is done on the
screens that show them. For the same reason hold days changed here count for holds that begin later only.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.results import RowResult
from import_export.widgets import Widget
from tablib import Dataset

import audit
import sheets
from audit.models import Change
from clients.models import HOLD_DAYS_MAX, Account, Client, Package, Reseller
from clients.tags import split_tags, tag_label
from didmgmt.text import parse_whole, shorten
from dids.imports import mapping as columns
from dids.imports.parse import NAME_MAX
from operators.models import Operator

HEAD = 20  # rows of a file among which the header is looked for
LIMIT = 5_000  # rows of one file
CHUNK = 1_000  # rows fetched or written at a time
LINE = "line"  # the column of the library's dataset that says where in the file a row stands
DID_LIMIT_MAX = 2_147_483_647


# --- what a file says -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """A file as it was read: ``keys`` of its columns and ``rows`` of (line, a text for each key).

    ``flaws``: refusals of rows that can't be read at all. ``ignored``: headers of columns that mean nothing
    here, or are only exported. ``name``: of the file.
    """

    name: str
    keys: list
    rows: list
    flaws: list = field(default_factory=list)
    ignored: list = field(default_factory=list)

    @classmethod
    def of(cls, resource, rows, name):
        """Of the ``rows`` of ``sheets``; those above the header, and blank ones, are left out.

        Raises ``SheetError`` when no column is the name, and for more rows than LIMIT.
        """
        rows = iter(rows)
        head = list(islice(rows, HEAD))
        at, keys = resource.find_header([row.cells for row in head])
        wanted = {key: index for index, key in enumerate(keys) if key}
        found, flaws = [], []
        for row in (*head[at + 1 :], *rows):
            texts = [_said(row.cells[i]) if i < len(row.cells) else "" for i in wanted.values()]
            if not any(texts):
                continue
            if row.problem:
                flaws.append({"line": row.line, "column": "", "value": "", "reason": str(row.problem)})
            else:
                found.append([row.line, *texts])
            if len(found) + len(flaws) > LIMIT:
                raise sheets.SheetError(
                    f"The file has more than {LIMIT:,} rows; as many can be imported in one go."
                    " Split it and import the parts."
                )
        if not found and not flaws:
            raise sheets.SheetError("The file has a header and no rows. Choose the file that holds the rows.")
        named = [(key, _said(cell)) for key, cell in zip(keys, head[at].cells, strict=True)]
        return cls(name, list(wanted), found, flaws, [said for key, said in named if said and not key])


def _said(cell):
    return sheets.unescape(cell).replace("\0", "").strip()


# --- what becomes of it ---------------------------------------------------------------------------


class Step(NamedTuple):
    """What is written for the row on ``line``; ``changes``: (column, before, after), none of a new row."""

    line: int
    name: str
    pk: int | None
    changes: list


@dataclass
class Outcome:
    """``counts`` by created, updated, unchanged, refused; ``steps`` of the first two, and ``refusals``.

    A refusal is {line, column, value, reason}; a row may have several.
    """

    nouns: tuple
    counts: dict
    steps: list
    refusals: list

    @property
    def written(self):
        return self.counts["created"] + self.counts["updated"]

    @property
    def sentence(self):
        return (
            f"{self.count(self.counts['created'])} created, {self.counts['updated']:,} updated,"
            f" {self.counts['unchanged']:,} unchanged."
        )

    def count(self, number):
        return f"{number:,} {self.nouns[number != 1]}"

    @property
    def digest(self):
        """The same for two outcomes that write the same over the same."""
        said = json.dumps([self.counts, self.steps, self.refusals], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


class Differs(Exception):
    """What was checked is not what would be written now; ``outcome`` is. Nothing was written."""

    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome


# --- cells ----------------------------------------------------------------------------------------


class Name(Widget):
    def clean(self, value, row=None, **kwargs):
        if not value:
            raise ValueError("A row needs a name. Fill it in, or leave the row out.")
        if len(value) > NAME_MAX:
            raise ValueError(f"The name has {len(value):,} characters; at most {NAME_MAX} fit. Shorten it.")
        return value


class Whole(Widget):
    """A whole number from 0 to ``most``; blank says nothing. ``what`` is as a sentence begins."""

    def __init__(self, what, most):
        super().__init__()
        self.what, self.most = what, most

    def clean(self, value, row=None, **kwargs):
        if not value:
            return None
        if (number := parse_whole(value, most=self.most)) is not None:
            return number
        raise ValueError(f"{self.what} a whole number from 0 to {self.most:,}. Correct the number.")


class Tags(Widget):
    def clean(self, value, row=None, **kwargs):
        try:
            return tag_label(split_tags(value)) or None
        except ValidationError as error:
            raise ValueError(error.message) from None


def _kept(attribute, label, widget):
    """A column whose blank cells keep what is there, or the model's default."""
    return Field(attribute, label, widget=widget, saves_null_values=False)


def _shown(attribute, label):
    """A column that is exported, and on import tells at most which row is meant."""
    return Field(attribute, label, readonly=True)


def _hold_days():
    return _kept("hold_days", "Hold days", Whole("Hold days are", HOLD_DAYS_MAX))


# --- tables ---------------------------------------------------------------------------------------


class ReferenceResource(ModelResource):
    """A table as a file, of what ``by`` may see.

    A row of a file is the one of its reseller (and client) and name. Where there is none, its ID may say
    which one is renamed; an ID that nothing visible has says nothing, so that a file goes into an empty
    system too. ``known_as`` and ``words`` translate headers of other systems into keys of ``fields``.
    """

    id = _shown("pk", "ID")
    name = Field("name", "Name", widget=Name())
    reseller = _shown("reseller__name", "Reseller")

    parent = "reseller"  # the foreign key within which a name is unique
    related = "reseller"  # what is fetched along, so that no row costs a query
    only_exported = ()
    known_as = {"reseller": "reseller"}
    words = {}
    about = []  # (column, what it holds) for the page, beside those of all tables
    note = ""  # what only an export holds, and why

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
        self.zone = timezone.get_current_timezone()  # a streamed file is written when the request is over

    # --- columns

    @classmethod
    def nouns(cls):
        return cls._meta.model._meta.verbose_name, cls._meta.model._meta.verbose_name_plural

    @classmethod
    def label(cls, key):
        return cls.fields[key].column_name if key in cls.fields else ""

    @classmethod
    def find_header(cls, rows):
        """(index, keys): of ``rows`` the one with the most names of columns, and what each column is or "".

        Raises ``SheetError`` when none of them names the column of names.
        """
        read = [(index, cls._keys_of(cells)) for index, cells in enumerate(rows)]
        index, keys = max(
            ((index, keys) for index, keys in read if "name" in keys),
            key=lambda found: sum(map(bool, found[1])),
            default=(0, None),
        )
        if keys is None:
            noun = cls.nouns()[0]
            raise sheets.SheetError(
                f"No column is the name of the {noun}. Name the columns in the first row, one of them “Name”."
            )
        return index, keys

    @classmethod
    def _keys_of(cls, cells):
        """What each column with these headers is. Our own names of columns go before those of others."""
        own = {columns.normalise(f.column_name): key for key, f in cls.fields.items()}
        words = {columns.normalise(word): key for key, said in cls.words.items() for word in said.split(";")}
        headers = [columns.normalise(_said(cell)) for cell in cells]
        keys, taken = [""] * len(headers), set(cls.only_exported)
        for known in (own.get, words.get, lambda header: cls.known_as.get(columns.key_of(header))):
            for index, header in enumerate(headers):
                key = known(header)
                if key and not keys[index] and key not in taken:
                    keys[index] = key
                    taken.add(key)
        return keys

    # --- export

    def listed(self):
        """All rows that ``by`` may see, with what ``rows`` shows of them, by reseller and name."""
        return self.get_queryset().order_by(f"{self.related}__name", f"{self.parent}__name", "name", "pk")

    def rows(self, queryset):
        """The header, then a tuple for each row of ``queryset``: text, whole numbers, None for nothing.

        The queryset fetches ``related`` along, and brings what it annotates (``did_count``).
        """
        yield self.get_export_headers()
        fields = self.get_export_fields()
        for row in queryset.iterator(chunk_size=CHUNK):
            yield tuple(self._exported(field.get_value(row)) for field in fields)

    def _exported(self, value):
        if isinstance(value, datetime):
            return timezone.localtime(value, self.zone).isoformat(" ", "seconds")
        return value

    # --- import

    def check(self, sheet):
        """The ``Outcome`` of importing this sheet; nothing is written."""
        return self._run(sheet, dry_run=True)

    def apply(self, sheet, expected):
        """Import it in a change of its own. ``expected``: the digest of the outcome that was checked.

        Returns the outcome. Raises ``Differs`` when it is another one by now, and IntegrityError when
        somebody wrote the same names at the same moment; nothing is written then.
        """
        label = f"Import of {self.nouns()[1]} from {sheet.name}"
        with audit.change(Change.Kind.IMPORT, by=self.by, label=label) as change:
            outcome = self._run(sheet, dry_run=False)
            if outcome.digest != expected:
                raise Differs(outcome)
            change.touched += outcome.written
        return outcome

    def _run(self, sheet, *, dry_run):
        labels = [self.label(key) for key in sheet.keys]
        dataset = Dataset(*map(tuple, sheet.rows), headers=[LINE, *labels])
        result = self.import_data(dataset, dry_run=dry_run, rollback_on_validation_errors=True)
        for error in (*result.base_errors, *(one for row in result.error_rows for one in row.errors)):
            raise error.error
        rows = list(zip(sheet.rows, result.rows, strict=True))
        steps = [self._step(line, row) for (line, *_), row in rows if row.is_new() or row.is_update()]
        refusals = list(sheet.flaws)
        for row in result.invalid_rows:
            line, *texts = sheet.rows[row.number - 1]
            refusals += self._refusals(line, dict(zip(labels, texts, strict=True)), row.error)
        counts = {
            "created": result.totals[RowResult.IMPORT_TYPE_NEW],
            "updated": result.totals[RowResult.IMPORT_TYPE_UPDATE],
            "unchanged": result.totals[RowResult.IMPORT_TYPE_SKIP],
            "refused": len(result.invalid_rows) + len(sheet.flaws),
        }
        return Outcome(self.nouns(), counts, steps, sorted(refusals, key=lambda refusal: refusal["line"]))

    def _step(self, line, row):
        if row.is_new():
            return Step(line, row.instance.name, None, [])
        pairs = [(f, f.get_value(row.original), f.get_value(row.instance)) for f in self._written_fields()]
        changes = [(f.column_name, before, after) for f, before, after in pairs if before != after]
        return Step(line, row.instance.name, row.instance.pk, changes)

    def _refusals(self, line, said, error):
        """Of the row on ``line``, of which ``said`` are the texts by column."""
        for key, errors in error.error_dict.items():
            column = self.label(key)
            for one in errors:
                reason = " ".join(one.messages)
                if one.code in ("null", "blank"):
                    reason = f"A new {self.nouns()[0]} needs it. Fill it in."
                yield {
                    "line": line,
                    "column": column,
                    "value": shorten(said.get(column, "")),
                    "reason": reason,
                }

    # --- import: the hooks of the library, in the order in which it calls them

    def get_queryset(self):
        return super().get_queryset().visible_to(self.by).select_related(self.related)

    def before_import(self, dataset, **kwargs):
        """Fetch all that the file can touch, so that no row costs a query.

        Rows are locked against whoever edits them, in one order for all.
        """
        ids = {pk for text in self._texts(dataset, "id") if (pk := parse_whole(text)) is not None}
        meant = Q(name__in=self._texts(dataset, "name")) | Q(pk__in=ids)
        rows = list(self.get_queryset().filter(meant).select_for_update(of=("self",)).order_by("pk"))
        self._by_name = {(self._parent_id(row), row.name): row for row in rows}
        self._by_id = {row.pk: row for row in rows}
        self._resellers = {one.name: one for one in Reseller.objects.visible_to(self.by)}
        self._first_lines = {}

    def _texts(self, dataset, key):
        """The distinct texts of a column, none when the file hasn't got it."""
        label = self.label(key)
        return set(dataset[label]) if label in dataset.headers else set()

    def _parent_id(self, row):
        return getattr(row, f"{self.parent}_id")

    def get_or_init_instance(self, instance_loader, row):
        parent = self._parent_of(row)
        if not row["Name"]:
            return self._new(parent), True
        self._refuse_repeated((parent.pk, row["Name"]), row)
        found = self._by_name.get((parent.pk, row["Name"])) or self._renamed(parent, row)
        if not found:
            return self._new(parent), True
        self._refuse_repeated(found.pk, row)
        return found, False

    def _new(self, parent):
        return self._meta.model(**{self.parent: parent})

    def _refuse_repeated(self, what, row):
        first = self._first_lines.setdefault(what, row[LINE])
        if first != row[LINE]:
            raise _refusal("name", f"The same {self.nouns()[0]} stands on line {first:,}; that one counts.")

    def _renamed(self, parent, row):
        """The row that is called otherwise and has this ID, or None."""
        said = row.get("ID", "")
        if said and parse_whole(said) is None:
            raise _refusal("id", "An ID is a whole number. Correct it, or leave it out.")
        found = self._by_id.get(parse_whole(said))
        if found and self._parent_id(found) != parent.pk:
            raise _refusal(
                "id",
                f"The {self.nouns()[0]} with this ID is “{found}” of {getattr(found, self.parent)}. An import"
                " renames it there but doesn't move it; leave the ID out to make a new one.",
            )
        return found

    def _parent_of(self, row):
        return self._reseller_of(row)

    def _reseller_of(self, row):
        if said := row.get("Reseller", ""):
            if found := self._resellers.get(said):
                return found
            if self.by.reseller_id:
                raise _refusal(
                    "reseller",
                    f"You work for {self.by.reseller} and can't see a reseller of this name."
                    " Leave the column out.",
                )
            raise _refusal(
                "reseller",
                "There is no reseller of this name. Correct it, or ask an administrator to add it.",
            )
        if len(self._resellers) == 1:
            return next(iter(self._resellers.values()))
        if found := self._by_id.get(parse_whole(row.get("ID", ""))):
            return found.reseller
        if self._resellers:
            raise _refusal("reseller", "There are several resellers. Say whose it is in the Reseller column.")
        raise _refusal("reseller", "There is no reseller yet. Ask an administrator to add one.")

    def validate_instance(self, instance, import_validation_errors=None, validate_unique=True):
        """Without the queries a row: its parent was found above, its name is free, ranges have validators."""
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

    def after_import(self, dataset, result, **kwargs):
        """Leaves PostgreSQL's sequence alone: see the top of this module."""


def _refusal(key, sentence):
    return ValidationError({key: sentence})


class OperatorResource(ReferenceResource):
    hold_days = _hold_days()
    did_count = _shown("did_count", "DID's count")

    only_exported = ("did_count",)
    known_as = ReferenceResource.known_as | {"operator": "name", "hold_days": "hold_days"}
    words = {"id": "operator id; provider id; carrier id"}
    about = [("Hold days", "Days of rest after use, 0 to 365. Blank: as the reseller says.")]
    note = "DID's count is only exported: the numbers themselves make it."

    class Meta:
        model = Operator
        fields = ("id", "name", "reseller", "hold_days", "did_count")


class ClientResource(ReferenceResource):
    closed_at = _shown("closed_at", "Closed at")

    only_exported = ("closed_at",)
    known_as = ReferenceResource.known_as | {"client": "name"}
    words = {"id": "client id; customer id"}
    note = "Closed at is only exported: closing a client puts its numbers on hold, which a file can't show."

    class Meta:
        model = Client
        fields = ("id", "name", "reseller", "closed_at")


class AccountResource(ReferenceResource):
    client = _shown("client__name", "Client")
    reseller = _shown("client__reseller__name", "Reseller")

    parent, related = "client", "client__reseller"
    known_as = ReferenceResource.known_as | {"account": "name", "client": "client"}
    words = {"id": "account id; trunk id"}
    about = [("Client", "Whose account it is; the client exists already.")]

    class Meta:
        model = Account
        fields = ("id", "name", "client", "reseller")

    def before_import(self, dataset, **kwargs):
        super().before_import(dataset, **kwargs)
        self._clients = defaultdict(list)
        named = Client.objects.visible_to(self.by).filter(name__in=self._texts(dataset, "client"))
        for client in named.select_related("reseller").order_by("reseller__name"):
            self._clients[client.name].append(client)

    def _parent_of(self, row):
        known = self._by_id.get(parse_whole(row.get("ID", "")))
        if not (said := row.get("Client", "")):
            if known:
                return known.client
            raise _refusal("client", "An account belongs to a client. Fill in the client.")
        reseller = self._reseller_of(row) if row.get("Reseller") else None
        found = [one for one in self._clients[said] if reseller in (None, one.reseller)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise _refusal(
                "client", "There is no client of this name. Correct it, or import the client first."
            )
        several = ", ".join(one.reseller.name for one in found)
        raise _refusal(
            "client",
            f"Several resellers have a client of this name: {several}. Say which one in the Reseller column.",
        )

    def _new(self, parent):
        if parent.closed_at:
            raise _refusal("client", "This client is closed. Choose another client.")
        return super()._new(parent)


class PackageResource(ReferenceResource):
    did_limit = _kept("did_limit", "DID limit", Whole("The DID limit is", DID_LIMIT_MAX))
    allowed_tags = _kept("allowed_tags", "Allowed tags", Tags())
    hold_days = _hold_days()
    archived_at = _shown("archived_at", "Archived at")

    only_exported = ("archived_at",)
    known_as = ReferenceResource.known_as | {
        "package": "name",
        "hold_days": "hold_days",
        "tags": "allowed_tags",
    }
    words = {
        "id": "package id; plan id",
        "did_limit": "limit; dids; max dids; number limit; numbers; max numbers; did count",
    }
    about = [
        ("DID limit", "How many numbers may be picked; a new package needs it."),
        ("Allowed tags", "Tags joined by commas; a number fits with one of them. Blank: any number."),
        ("Hold days", "Days of rest after use, 0 to 365. Blank: as the operator says."),
    ]
    note = "Archived at is only exported: archiving takes a package out of the choice for clients."

    class Meta:
        model = Package
        fields = ("id", "name", "reseller", "did_limit", "allowed_tags", "hold_days", "archived_at")


TABLES = {
    "operators": OperatorResource,
    "clients": ClientResource,
    "accounts": AccountResource,
    "packages": PackageResource,
}

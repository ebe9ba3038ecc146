"""Staging tables of imports: the rows of a file, the ids resolved for them and each row's verdict.

Rows with the same values (an operator, a status, a client …) share a **group**, so cells are parsed
and names looked up once for each group. Number, ID and notes stay with the row.

A **batch** is one reading of a file with one choice of columns, and owns a range of ids: its rows and
groups have the ids ``first + n`` in file order; a row that names a range of numbers is staged once for
each number. The primary key is therefore the only index, a chunk of a file is a range of ids, and two
imports never touch the same rows. Staging has no history and no foreign key constraints: its rows are
temporary, and a record deleted between check and apply is found when the rows are validated again.
"""

from itertools import groupby

from django.db import connection, models
from django.db.models import Count, Max, Q

from dids.lifecycle import statuses as st
from jobs.models import Job

IDS_PER_BATCH = 2**32  # more than any file has rows
RESULTS = {
    "+": "created",
    "~": "updated",
    "=": "unchanged",
    "!": "refused",
    "?": "refused",
    "f": "flagged",
}
REFUSED = [verdict for verdict, result in RESULTS.items() if result == "refused"]
LEFT_OUT = "f"


class ImportBatch(models.Model):
    """One reading of a file; the progress is kept in the job's ``cursor``."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="batches")

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"batch {self.pk}"

    @property
    def first(self):
        return self.pk * IDS_PER_BATCH

    @property
    def last(self):
        return self.first + IDS_PER_BATCH - 1

    @property
    def rows(self):
        return ImportRow.objects.filter(pk__range=(self.first, self.last))

    @property
    def groups(self):
        return ImportGroup.objects.filter(pk__range=(self.first, self.last))

    @property
    def refused(self):
        """The refused rows, in file order."""
        return self.rows.filter(verdict__in=REFUSED).order_by("pk")

    @property
    def left_out(self):
        """The flagged rows that were not ticked, in file order."""
        return self.rows.filter(verdict=LEFT_OUT).order_by("pk")

    def chunk_after(self, row_id, size):
        """Return the next ``RowChunk`` of at most ``size`` rows, None at the end; ids have no gaps."""
        rows = ImportRow.objects.filter(pk__range=(row_id + 1, row_id + size))
        last = rows.aggregate(last=Max("pk"))["last"]
        return RowChunk(self, row_id + 1, last) if last else None

    def has_faulty_groups(self):
        """Return whether a group has a problem that refuses new numbers; reads the groups up to it."""
        return self.groups.filter(Q(problem__isnull=False) | Q(new_problem__isnull=False)).exists()

    def reset_counts(self):
        """Clear the counts of the groups, after rows were refused that are counted in them."""
        self.groups.update(used=None, given=None)

    def erase_unused_groups(self):
        """Delete the groups that no row has any more."""
        used = self.rows.exclude(group=None).values("group")
        self.groups.exclude(pk__in=used)._raw_delete(self.groups.db)

    def erase(self):
        """Delete the batch with its rows and groups in three statements."""
        self.rows._raw_delete(self.rows.db)
        self.groups._raw_delete(self.groups.db)
        self.delete()


def _ref(to):
    return models.ForeignKey(
        to, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )


class StagedValues(models.Model):
    """The values to write to a number; fields are named as on DID, so its expressions work here too.

    A group holds the values of a new number, None where the file has none; a row holds the values of
    an existing number that changes. ``hold_until`` is None for a hold of zero days, which goes straight
    to After Hold.
    """

    operator = _ref("operators.Operator")
    status = models.CharField(max_length=10, null=True)
    after_hold = models.CharField(max_length=10, null=True)
    hold_days = models.SmallIntegerField(null=True)
    tag_set = _ref("dids.TagSet")
    account = _ref("clients.Account")
    client_package = _ref("dids.ClientPackage")
    hold_from = models.DateTimeField(null=True)
    hold_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class ImportGroup(StagedValues):
    """Values that rows of a file share, with the ids that their names resolved to.

    ``flaw`` is an unreadable cell as JSON: [column, value, sentence, kind of a ``NumberError``]. The
    problems are codes of ``dids.imports.reasons``: ``problem`` refuses every row, ``new_problem`` rows with
    a new number and ``assign_problem`` rows that assign a number to the client.
    """

    id = models.BigIntegerField(primary_key=True)
    reseller_name = models.CharField(max_length=100, null=True)
    operator_name = models.CharField(max_length=100, null=True)
    client_name = models.CharField(max_length=100, null=True)
    account_name = models.CharField(max_length=100, null=True)
    package_name = models.CharField(max_length=100, null=True)
    tags = models.CharField(max_length=1000, null=True)
    flaw = models.TextField(null=True)
    reseller = _ref("clients.Reseller")
    client = _ref("clients.Client")
    package = _ref("clients.Package")
    problem = models.CharField(max_length=30, null=True)
    new_problem = models.CharField(max_length=30, null=True)
    assign_problem = models.CharField(max_length=30, null=True)
    used = models.IntegerField(null=True, help_text="Rows that would be written")
    given = models.IntegerField(null=True, help_text="Of these, rows that give a number to the client")

    class Meta:
        default_permissions = ()

    STAGED = (
        "id", "reseller_name", "operator_name", "client_name", "account_name", "package_name",
        "status", "after_hold", "hold_days", "tags", "flaw",
    )  # fmt: skip


class ImportRow(StagedValues):
    """A row of a file with its verdict.

    ``verdict``: + created (the initial value), ~ updated, = unchanged, ! refused by the check,
    ? refused by the apply because something changed after the check, f flagged: doubtful, so it is left
    out unless its owner ticks it, d done: updated before the other rows to free a place for them. A flagged
    row has the ``number`` that it would write, if any, and as ``flaw`` why it is doubtful. Where the
    package is full, ``flaw`` has figures: see ``dids.imports.capacity.refuse_over_limit``.

    ``did`` is the existing number and ``seen`` its newest history row at the time of the check.
    ``assigned`` marks an existing number that is assigned to a client; for a new number the status of
    its group tells.
    """

    id = models.BigIntegerField(primary_key=True)
    group = models.ForeignKey(
        ImportGroup,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="rows",
    )
    line = models.BigIntegerField(help_text="Where the row begins in the file")
    number = models.CharField(max_length=20, null=True)
    cell = models.TextField(
        null=True, help_text="The number in the file if written differently; empty if it is of the row before"
    )
    nth = models.IntegerField(null=True, help_text="Its place among the numbers of its line")
    named = models.IntegerField(null=True, help_text="How many numbers its line names, if several")
    ref = models.BigIntegerField(null=True, help_text="The ID in the file")
    notes = models.CharField(max_length=500)
    verdict = models.CharField(max_length=1)
    reason = models.CharField(max_length=30, null=True)
    flaw = models.TextField(null=True)
    first_line = models.BigIntegerField(null=True, help_text="Of the row with the same number")
    did = _ref("dids.DID")
    seen = models.BigIntegerField(null=True)
    assigned = models.BooleanField(null=True)

    class Meta:
        default_permissions = ()

    # The last ones are None in most rows.
    STAGED = (
        "id", "line", "group_id", "number", "notes", "verdict", "ref", "cell", "nth", "named", "reason",
        "flaw",
    )  # fmt: skip


class RowChunk:
    """Rows of a batch with adjoining ids, ``first`` to ``last``, counted by verdict."""

    def __init__(self, batch, first, last):
        self.batch, self.first, self.last = batch, first, last
        self.rows = ImportRow.objects.filter(pk__range=(first, last))
        self.count()

    def count(self):
        """Count the rows by verdict; one query."""
        self.verdicts = dict(self.rows.order_by().values_list("verdict").annotate(Count("pk")))

    @property
    def to_write(self):
        return self.verdicts.get("+", 0) + self.verdicts.get("~", 0)

    @property
    def counts(self):
        """The rows by result: {"created": n, …}; "d" was counted when it was written."""
        counts = {}
        for verdict, count in self.verdicts.items():
            if verdict != "d":
                counts[RESULTS[verdict]] = counts.get(RESULTS[verdict], 0) + count
        return counts

    def erase_written(self):
        """Delete all rows but those that were refused or left out."""
        self.rows.exclude(verdict__in=[*REFUSED, LEFT_OUT])._raw_delete(self.rows.db)


def count_in_groups(first, last):
    """Add the rows from id to id to the counts of their groups: rows to write, and rows that assign."""
    held = ", ".join(f"'{status}'" for status in st.HELD)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE dids_importgroup AS g SET used = coalesce(g.used, 0) + f.used,
                given = coalesce(g.given, 0)
                    + CASE WHEN g.status IN ({held}) THEN f.made ELSE 0 END + f.assigned
            FROM (SELECT group_id, count(*) AS used, count(assigned) AS assigned,
                      sum(CASE WHEN verdict = '+' THEN 1 ELSE 0 END) AS made
                  FROM dids_importrow
                  WHERE id BETWEEN %(first)s AND %(last)s AND verdict IN ('+', '~')
                  GROUP BY group_id) f
            WHERE f.group_id = g.id
            """,
            {"first": first, "last": last},
        )


def bulk_load(model, rows):
    """Insert ``rows``, a list of tuples of ``model.STAGED``, by COPY or executemany.

    A tuple may end before values that are None, as most do: to bind None costs SQLite's driver ten times as
    much as other values.
    """
    for length, some in groupby(sorted(rows, key=len), key=len):
        _load(model._meta.db_table, model.STAGED[:length], some)


def _load(table, columns, rows):
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def add_counts(one, other):
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}

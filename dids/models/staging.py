"""Staged rows of imports: what a file says, what was found to it, and the verdict on each row.

Rows that say the same of their numbers share a **group** (an operator, a status, a client …), so that
text is parsed and names are looked up once a group; a row keeps what is its own: number, ID, notes.

A **batch** is one reading of one file with one choice of columns. It names a range of ids: rows and
groups have ``first + n``, in the order of the file; a row of the file that names a range of numbers is
staged as one row for each. The primary key is so the only index, a chunk of a file is a range of ids,
and two imports never touch the same rows. Nothing here has history or foreign
key constraints: staged rows are scaffolding, and a name may be deleted between check and apply, which
the second judgement notices.
"""

from django.db import connection, models

from jobs.models import Job

SPAN = 2**32  # ids of a batch; a file makes fewer rows


class ImportBatch(models.Model):
    """One reading of a file; ``dids.imports.wizard`` says how far it is in the job's ``cursor``."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="batches")

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"batch {self.pk}"

    @property
    def first(self):
        return self.pk * SPAN

    @property
    def last(self):
        return self.first + SPAN - 1

    @property
    def rows(self):
        return ImportRow.objects.filter(pk__range=(self.first, self.last))

    @property
    def groups(self):
        return ImportGroup.objects.filter(pk__range=(self.first, self.last))

    def erase(self):
        """Delete it with its rows and groups; three statements."""
        self.rows._raw_delete(self.rows.db)
        self.groups._raw_delete(self.groups.db)
        self.delete()


def _ref(to):
    return models.ForeignKey(
        to, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )


class Image(models.Model):
    """What a number will be. The fields bear the names of the DID's, so that its expressions fit here.

    In a group: of a new number, and None where the file says nothing. In a row: of a number that
    exists and changes. ``hold_until`` is None on a Hold of no days, which is After Hold at once.
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


class ImportGroup(Image):
    """What rows of one file say alike, and what was found to the names in it.

    ``flaw``: a cell that can't be understood, as JSON: [column, value, sentence]. ``problem`` is the code of
    a refusal (see ``dids.imports.reasons``) of every row, ``new_problem`` of rows with new numbers,
    ``assign_problem`` of rows that would give a number to a client.
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


class ImportRow(Image):
    """One row of a file. ``verdict``: + created (and so every row is staged), ~ updated, = unchanged,
    ! refused by the check, ? refused when it was applied, because something had changed by then.

    ``did`` is the number it found, ``seen`` that number's newest history row when it was checked.
    ``assigned``: a number that exists is given to a client; new ones are by the status of their group.
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
    ref = models.BigIntegerField(null=True, help_text="The ID in the file, where it names no number")
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

    STAGED = ("id", "line", "group_id", "number", "ref", "notes", "verdict", "reason", "flaw")


def load(model, rows):
    """Write ``rows`` (tuples of ``model.STAGED``, in a list) the quickest way: COPY or executemany."""
    if not rows:
        return
    table, columns = model._meta.db_table, ", ".join(model.STAGED)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(model.STAGED))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

"""Change: one action of one actor. History rows (see ``audit.history``) point at it."""

from django.conf import settings
from django.db import connection, models
from django.utils import timezone

from audit import history


class ChangeQuerySet(models.QuerySet):
    def visible_to(self, user):
        """The changes that ``user`` may list: all, or those made by people of the same reseller."""
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        return self.filter(actor__reseller=user.reseller_id)


class Change(models.Model):
    """One action of one actor: who, when, what kind, how many things, from where."""

    class Kind(models.TextChoices):
        CREATE = "create", "New"
        EDIT = "edit", "Edit"
        MASS_EDIT = "mass_edit", "Mass edit"
        DELETE = "delete", "Delete"
        IMPORT = "import", "Import"
        ASSIGN = "assign", "Assign"
        BLOCK = "block", "Block"
        UNBLOCK = "unblock", "Unblock"
        HOLD = "hold", "Hold"
        END_HOLD = "end_hold", "End of hold"
        PACKAGE = "package", "Client package"
        OPERATOR = "operator", "Operator"
        RESELLER = "reseller", "Reseller"
        UNDO = "undo", "Undo"
        PRUNE = "prune", "Old history deleted"

    class Actor(models.TextChoices):
        PERSON = "person", "Person"
        TOKEN = "token", "API token"
        SYSTEM = "system", "System"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=20, choices=Kind)
    label = models.CharField(max_length=200, blank=True)
    actor_kind = models.CharField(max_length=10, choices=Actor)
    # People who changed something are deactivated, never deleted.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="changes"
    )
    actor_name = models.CharField(max_length=150)
    source = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    touched = models.PositiveIntegerField(default=0, help_text="How many things it wrote")
    undo_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by"
    )

    objects = ChangeQuerySet.as_manager()

    class Meta:
        permissions = [("undo_change", "Can undo changes")]
        # Prunings are few, and asked for whenever it is told what is not known any more.
        indexes = [models.Index(fields=["at"], name="audit_change_pruned", condition=models.Q(kind="prune"))]

    # The moment its history rows bear when it is not the database's clock; of one transaction.
    written_at = None

    def __str__(self):
        return self.label or self.get_kind_display()

    def close(self):
        """Keep the count of what was written; a change that wrote nothing is taken back.

        One UPDATE; where no method counted, one query over the history tables decides.
        """
        if not self.touched:
            self.touched = history.count_rows(connection, self.pk)
        if self.touched:
            self.save(update_fields=["touched"])
        else:
            self.delete()


class Seal(models.Model):
    """One link of the chain that ``audit.seals`` makes and checks. Never changed: triggers refuse it.

    ``spans``: [{table, columns, first, last, blocks: [[rows, hash], …]}, …]. ``day``: the last day that was
    over when it was made. ``more``: there was more than one seal takes. ``digest`` covers all of these and
    the digest of the seal before, ``previous``; ``signature`` is of the digest.
    """

    number = models.BigIntegerField(primary_key=True)
    day = models.DateField()
    sealed_at = models.DateTimeField()
    more = models.BooleanField(default=False)
    spans = models.JSONField()
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"seal {self.number} of {self.day}"

    @property
    def rows(self):
        return sum(rows for span in self.spans for rows, _ in span["blocks"])

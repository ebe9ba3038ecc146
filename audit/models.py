"""Change: one action of one actor. History rows (see ``audit.history``) refer to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models

from audit import history
from didmgmt import clock
from didmgmt.clock import DatabaseClock

Rows = Counter[tuple[type[history.TrackedModel], int | None]]  # of history, by model and reseller
Follower = Callable[["Change", Rows], None]

_followers: list[Follower] = []


def at_close(function: Follower) -> Follower:
    """Register ``function(change, rows)`` to run last in each transaction of a change that wrote something.

    ``rows`` counts what this transaction wrote. What the function writes is committed with the change.
    """
    _followers.append(function)
    return function


class ChangeQuerySet(models.QuerySet["Change"]):
    def visible_to(self, user: history.Viewer) -> ChangeQuerySet:
        """Return the changes that ``user`` may open: all, or those that touched their reseller."""
        if not user.is_authenticated:
            return self.none()
        if user.reseller_id is None:
            return self
        own = Touched.objects.filter(change=models.OuterRef("pk"), reseller_id=user.reseller_id)
        return self.filter(models.Exists(own))

    def with_readable_label(self, viewer: history.Viewer) -> ChangeQuerySet:
        """Return the changes whose label ``viewer`` may read.

        A viewer bound to a reseller reads the labels of changes that touched nothing else. Those of imports
        and undos name files, so their actors must belong to the reseller as well.
        """
        if viewer.reseller_id is None:
            return self
        foreign = Touched.objects.filter(change=models.OuterRef("pk")).exclude(reseller_id=viewer.reseller_id)
        names_files = models.Q(kind__in=(Change.Kind.IMPORT, Change.Kind.UNDO))
        own = ~names_files | models.Q(actor__reseller=viewer.reseller_id)
        return self.filter(~models.Exists(foreign), own)


class Change(models.Model):
    """Record one action of one actor.

    ``label`` is for people only; what code reads back is in ``data``:

    - ``horizon`` of a pruning: ISO timestamp; history rows before it were deleted.
    - ``redo`` and ``undone`` of an undo: whether it undoes another undo, and the label of the original
      change.
    - ``recorded_at`` of a change that states another time, such as of a simulated past: ISO timestamp.
    - ``cause`` of a stopped client package: "ended" or "switched_off".
    - ``edited`` of a change without history rows: [[name of the field, earlier text, later text]].
    - ``override`` of what passed numbers on before their age: the reason, see ``dids.models.ageing``.
    - ``token_is`` of a change of an API token: "created" or "revoked".
    - ``token`` and ``owner`` of what was done by an API token: its id, and the user name of ``actor``.
    """

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
        RESERVE = "reserve", "Reservation"
        END_RESERVATION = "end_reservation", "End of reservation"
        PACKAGE = "package", "Client package"
        OPERATOR = "operator", "Operator"
        RESELLER = "reseller", "Reseller"
        STAFF = "staff", "Staff"
        WEBHOOK = "webhook", "Webhook"
        STOCK_LEVEL = "stock_level", "Stock level"
        AGEING_RULE = "ageing_rule", "Minimum hold"
        PATTERN_RULE = "pattern_rule", "Pattern rule"
        UNDO = "undo", "Undo"
        PRUNE = "prune", "Old history deleted"

    class Actor(models.TextChoices):
        PERSON = "person", "Person"
        TOKEN = "token", "API token"
        SYSTEM = "system", "System"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=DatabaseClock())
    kind = models.CharField(max_length=20, choices=Kind)
    label = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict, blank=True)
    actor_kind = models.CharField(max_length=10, choices=Actor)
    # Users who changed something are deactivated, never deleted.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="changes",
        db_index=False,
    )
    actor_name = models.CharField(max_length=150)
    source = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    touched = models.PositiveIntegerField(default=0, help_text="How many objects it wrote")
    undo_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by"
    )

    objects = ChangeQuerySet.as_manager()

    class Meta:
        permissions = [("undo_change", "Can undo changes")]
        # The audit log, newest first: all, by action, by person, by kind of actor.
        indexes = [
            models.Index(fields=["at", "id"], name="change_log"),
            models.Index(fields=["kind", "at", "id"], name="change_log_kind"),
            models.Index(fields=["actor", "at", "id"], name="change_log_actor"),
            models.Index(fields=["actor_kind", "at", "id"], name="change_log_actor_kind"),
        ]

    # Set for one transaction: the timestamp of its history rows if it is not the database's clock, and the
    # newest history rows that earlier transactions have counted.
    written_at: datetime | None = None
    counted: dict[type[history.TrackedModel], int] = {}
    without_history: Counter[int | None] | None = None  # objects by reseller, see ``count_object``

    def __str__(self) -> str:
        return self.label or self.get_kind_display()

    @property
    def who(self) -> str:
        """Return the name of the actor, of a token with its owner: "billing-sync, token of clara.okafor"."""
        owner = self.data.get("owner") if self.actor_kind == self.Actor.TOKEN else None
        return f"{self.actor_name}, token of {owner}" if owner else self.actor_name

    @classmethod
    def hide_labels(cls, changes: Iterable[Change | None], viewer: history.Viewer) -> None:
        """Blank the labels that ``viewer`` may not read, in these instances; one query for a bound viewer."""
        found = [change for change in changes if change]
        if not found or viewer.reseller_id is None:
            return
        readable = cls.objects.with_readable_label(viewer).filter(pk__in={change.pk for change in found})
        keys = set(readable.values_list("pk", flat=True))
        for change in found:
            if change.pk not in keys:
                change.label = ""
                hidden = ("undone", "edited", "override")
                change.data = {key: value for key, value in change.data.items() if key not in hidden}

    @property
    def never_undone(self) -> str:
        """Return a sentence why no change of its kind can be undone, "" if it may be possible."""
        if self.data.get("token_is") == "revoked":
            return "A revoked token stays revoked. Create another one."
        if self.data.get("token_is") == "created":
            return "A token can’t be taken back here. Revoke it under API."
        return _NEVER_UNDONE.get(self.kind, "")

    @property
    def undo_word(self) -> str:
        """Return "Redo" for an undo, "Undo" for any other change and for a redo."""
        return "Redo" if self.undo_data["redo"] else "Undo"

    @property
    def undo_label(self) -> str:
        """Return the label of the change that undoes this one, such as "Redo of Mass edit"."""
        return f"{self.undo_word} of {self.undo_data['undone']}"

    @property
    def undo_data(self) -> dict[str, Any]:
        """Return the ``data`` of the change that undoes this one."""
        return {
            "redo": self.kind == self.Kind.UNDO and not self.data.get("redo", False),
            "undone": self.data.get("undone", str(self)),
        }

    def count_object(self, *resellers: int | None) -> None:
        """Count an object without history rows, for each of the ``resellers`` that may know of it.

        Their people find the change in the audit log as they find changes of history rows.
        """
        self.touched += 1
        self.without_history = Counter({*resellers}) + (self.without_history or Counter())

    def close(self) -> None:
        """Store how many rows were written, also by reseller; delete a change that wrote nothing.

        A change that allowed the deletion of history stays in any case; triggers would refuse to delete it.
        One query counts the history rows of this transaction. They are also what the change touched, if no
        method has counted that.
        """
        added = history.count_rows(connection, self.pk, self.counted)
        self.touched = self.touched or sum(added.values())
        if self.touched:
            self.save(update_fields=["touched"])
            Touched.add(self, added)
            Touched.add_without_history(self)
            for function in _followers:
                function(self, added)
        elif self.kind != self.Kind.PRUNE:
            self.delete()


WITHOUT_HISTORY = (Change.Kind.WEBHOOK, Change.Kind.STOCK_LEVEL)  # their objects have no history rows

_NEVER_UNDONE: dict[str, str] = {
    Change.Kind.PRUNE: "Deleted history can’t be restored. It is in the files that it was exported to.",
    Change.Kind.STAFF: "Changes of users and roles can’t be undone here. Edit them under People and roles.",
    Change.Kind.AGEING_RULE: "Changes of minimum holds can’t be undone here. Change the rule again.",
    Change.Kind.PATTERN_RULE: "Changes of pattern rules can’t be undone here. Change the rule again.",
    Change.Kind.STOCK_LEVEL: "Changes of stock levels can’t be undone here. Set the level again.",
    Change.Kind.WEBHOOK: "Changes of webhooks can’t be undone here. Edit the webhook.",
}


class Seal(models.Model):
    """One link of the chain of seals, see ``audit.seals``. Triggers refuse to change it.

    ``spans``: a list of ``audit.seals.hashing.Span``. ``until``: {table: last sealed key}. ``day``: the last
    day that was over. ``more``: more rows were due than one seal covers. ``digest`` covers all of these and
    ``previous``, the digest of the previous seal; ``signature`` covers the digest.
    """

    number = models.BigIntegerField(primary_key=True)
    day = models.DateField()
    sealed_at = models.DateTimeField()
    more = models.BooleanField(default=False)
    spans = models.JSONField()
    until = models.JSONField()
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"seal {self.number} of {self.day}"

    @property
    def rows(self) -> int:
        return sum(rows for span in self.spans for rows, _ in span["blocks"])


class SealDelivery(models.Model):
    """How far the seals were delivered to one place outside of the database, see ``audit.seals.delivery``.

    ``number`` and ``digest``: the newest seal delivered there. ``tried_at``: the attempt that is being
    made or has failed, None after a success. ``error`` and ``failing_since`` are those of failed attempts.
    """

    place = models.CharField(max_length=200, primary_key=True)
    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    tried_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.place

    @property
    def kind(self) -> str:
        """Return "log", "webhook" or "mail", without the host and path of a log."""
        return self.place.partition(" ")[0]

    @classmethod
    def failing(cls) -> models.QuerySet[SealDelivery]:
        """Return the places that seals can't be delivered to, of those that were tried within a day."""
        recent = clock.now() - timedelta(days=1)
        return cls.objects.filter(failing_since__isnull=False, tried_at__gt=recent).order_by("place")


class Touched(models.Model):
    """Count the history rows that a change wrote, by tracked model and reseller.

    An index over these counts finds the changes that touched a reseller, or a kind of object. ``kind``: the
    name of the tracked model, "" for objects without history. ``reseller_id``: whose the object was when it
    was written, None if unknown. ``at`` and ``action``: the timestamp and kind of the change.
    """

    id = models.BigAutoField(primary_key=True)
    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="by_branch")
    at = models.DateTimeField()
    action = models.CharField(max_length=20)
    kind = models.CharField(max_length=20)
    reseller_id = models.BigIntegerField(null=True)
    rows = models.PositiveBigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["kind", "at", "change"], name="touched_kind"),
            models.Index(fields=["reseller_id", "at", "change"], name="touched_branch"),
            models.Index(fields=["reseller_id", "kind", "at", "change"], name="touched_branch_kind"),
            models.Index(fields=["reseller_id", "action", "at", "change"], name="touched_branch_action"),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.rows} {self.kind}"

    @classmethod
    def add(cls, change: Change, added: Rows) -> None:
        """Add {(tracked, reseller's id): rows} to the counts of the change's earlier chunks."""
        known = {}
        if change.counted:
            stored = cls.objects.filter(change=change)
            known = {(counted.kind, counted.reseller_id): counted for counted in stored}
        new: list[Touched] = []
        for (tracked, reseller), rows in added.items():
            kind = str(tracked._meta.model_name)
            if counted := known.get((kind, reseller)):
                counted.rows += rows
                counted.save(update_fields=["rows"])
            else:
                fields = {"change": change, "at": change.at, "action": change.kind}
                new.append(cls(**fields, kind=kind, reseller_id=reseller, rows=rows))
        Touched.objects.bulk_create(new)

    @classmethod
    def add_without_history(cls, change: Change) -> None:
        fields = {"change": change, "at": change.at, "action": change.kind, "kind": ""}
        counted = (change.without_history or {}).items()
        Touched.objects.bulk_create(
            Touched(**fields, reseller_id=reseller, rows=rows) for reseller, rows in counted
        )

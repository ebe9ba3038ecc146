"""Notices: what people are told of, in the product and by mail, and what each of them wants to be told."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection, models
from django.db.models import Q

from didmgmt.clock import DatabaseClock
from dids.models import ClientPackage


class Kind(models.TextChoices):
    JOB = "job", "A job of yours is finished or has failed"
    PACKAGE_END = "package_end", "The package of a client ends soon"
    STOCK_LOW = "stock_low", "The stock falls below its level"


# Who is told, and reads it later: people with this permission, in the branch that it concerns.
RIGHTS = {
    Kind.JOB: "jobs.view_job",
    Kind.PACKAGE_END: "dids.change_clientpackage",
    Kind.STOCK_LOW: "dids.change_did",
}


def kinds_for(user):
    """Return the kinds that a user may be told of, in order."""
    return [kind for kind, right in RIGHTS.items() if user.has_perm(right)]


class NoticeQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Return the user's notices in the product; for one bound to a reseller, those about it alone.

        Not only by the reseller that the user had when they were written: whoever is bound to another one
        later sees nothing of the former.
        """
        if not user.is_authenticated:
            return self.none()
        return self.readable_by(user).filter(in_app=True)

    def readable_by(self, user):
        """Return the user's notices, also those that are only mailed, within the branch as above."""
        own = self.filter(user=user.pk)
        return own if user.reseller_id is None else own.filter(reseller_id=user.reseller_id)

    def unread(self):
        return self.filter(read_at=None)


class Mail(models.Model):
    """Notices on their way to one person, which are sent together. It keeps its ``pk`` in all tries.

    ``tries``: how often it was tried. ``error``: what the last try came to. ``sent_at``: None if it was not.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=DatabaseClock(), db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"mail {self.pk} to {self.user_id}"


class Notice(models.Model):
    """One thing that one person is told, as facts: the sentence is made when it is read.

    ``reseller_id``: the branch that it concerns; None: none alone. ``facts``: see ``notices.reading``.
    ``in_app``: whether it is shown in the product. ``mail_at``: when it is mailed, or tried again; None if it
    is not, or no longer. ``mail``: the one that it is in, once a worker has made it.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind)
    reseller_id = models.BigIntegerField(null=True)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=DatabaseClock())
    in_app = models.BooleanField(default=True)
    read_at = models.DateTimeField(null=True)
    mail_at = models.DateTimeField(null=True)
    mail = models.ForeignKey(Mail, null=True, on_delete=models.SET_NULL, related_name="notices")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = "notification"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "id"], name="notice_of_user"),
            models.Index(
                fields=["user", "kind"], name="notice_unread", condition=Q(read_at=None, in_app=True)
            ),
            models.Index(fields=["at"], name="notice_at"),
            models.Index(fields=["mail_at"], name="notice_mail_due", condition=Q(mail_at__isnull=False)),
        ]

    def __str__(self):
        return f"{self.kind} {self.pk}"


class Wish(models.Model):
    """Where a person wants to be told of notices of one kind; without one, in the product alone."""

    PLACES = {"in_app": "here", "by_mail": "by mail"}

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    in_app = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="wish_of_user")]

    def __str__(self):
        return f"{self.kind} of {self.user_id}"

    @staticmethod
    def places_for(user):
        """Return where this user can be told: by mail where it is set and the user has an address."""
        return ["in_app", "by_mail"] if settings.NOTICE_MAIL and user.email else ["in_app"]

    @classmethod
    def of(cls, user):
        """Return {kind: what the user wishes}, an unsaved default for kinds without a row."""
        stored = {wish.kind: wish for wish in cls.objects.filter(user=user.pk)}
        return {kind: stored.get(kind) or cls(user_id=user.pk, kind=kind) for kind in Kind}


class AnnouncedEnd(models.Model):
    """An end of a client package that people have been told of. Another end is told of again."""

    id = models.BigAutoField(primary_key=True)
    client_package = models.ForeignKey(
        ClientPackage, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["client_package", "ends_at"], name="announced_end_once")
        ]

    def __str__(self):
        return f"{self.client_package_id} {self.ends_at}"

    @classmethod
    def announce(cls, now, until, most):
        """Mark up to ``most`` ends between ``now`` and ``until`` as announced; return their client packages.

        Of several workers that do so at the same time, each end is returned to one.
        """
        table, given = cls._meta.db_table, ClientPackage._meta.db_table
        adapt = connection.ops.adapt_datetimefield_value
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO {table} (client_package_id, ends_at)
                SELECT id, ends_at FROM {given} AS given
                WHERE active AND ends_at > %s AND ends_at <= %s AND NOT EXISTS (
                    SELECT 1 FROM {table} AS told
                    WHERE told.client_package_id = given.id AND told.ends_at = given.ends_at)
                ORDER BY ends_at, id LIMIT %s
                ON CONFLICT DO NOTHING RETURNING client_package_id""",
                [adapt(now), adapt(until), most],
            )
            return [pk for (pk,) in cursor.fetchall()]


def keep_from(now):
    """Return the time before which notices are old."""
    return now - timedelta(days=settings.NOTICE_KEEP_DAYS)

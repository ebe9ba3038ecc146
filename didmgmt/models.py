import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Value
from django.db.models.functions import Concat

from didmgmt import clock


class SentForm(models.Model):
    """A form that has been carried out, see ``didmgmt.form_tokens``.

    ``key``: hash of its token, sender and content. ``location``: the URL of its result, "" until the request
    has finished. ``sentence``: the messages that the first request showed.
    """

    key = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField(default=clock.now, db_index=True)
    location = models.TextField(blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.key


class SentRequest(models.Model):
    """A request of a program that has been carried out, see ``api.idempotency``.

    ``key``: hash of its sender and its Idempotency-Key. ``digest``: hash of its content. ``status_code``,
    ``headers`` and ``body``: the answer, written in the transaction of the request.
    """

    KEPT = timedelta(hours=24)

    key = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField(default=clock.now, db_index=True)
    digest = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.key


def new_token():
    return secrets.token_urlsafe(16)


class _OwnedQuerySet(models.QuerySet):
    def delete_older(self, owner):
        """Delete what ``owner`` has beyond the newest ``MOST`` of the model."""
        older = self.filter(owner=owner).order_by("-expires_at").values_list("pk", flat=True)
        if old := list(older[self.model.MOST : 2 * self.model.MOST]):
            self.filter(pk__in=old).delete()


class StoredSearchQuerySet(_OwnedQuerySet):
    def store(self, owner, text):
        """Store ``text`` for ``owner`` for ``StoredSearch.KEPT`` and return its token.

        The same text has the same token. Only the newest ``StoredSearch.MOST`` of a person are kept.
        """
        digest = hashlib.sha256(text.encode()).hexdigest()
        fields = {"expires_at": clock.now() + StoredSearch.KEPT}
        stored, _ = self.update_or_create(
            owner=owner, digest=digest, defaults=fields, create_defaults=fields | {"text": text}
        )
        self.delete_older(owner)
        return stored.token

    def extend(self, owner, key, text):
        """Append ``text``, after a comma, to what ``owner`` has stored under ``key``; return its token."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        stored, created = self.get_or_create(
            owner=owner,
            digest=digest,
            defaults={"text": text, "expires_at": clock.now() + StoredSearch.KEPT},
        )
        if created:
            self.delete_older(owner)
        else:
            self.filter(pk=stored.pk).update(text=Concat("text", Value(f",{text}")))
        return stored.token

    def text_of(self, owner, token):
        """Return a text that ``owner`` has stored. Raises LookupError with a sentence for any other token."""
        found = self.filter(token=token, owner=owner, expires_at__gt=clock.now())
        if (text := found.values_list("text", flat=True).first()) is None:
            raise LookupError(
                "This pasted list is not available. A list is kept for"
                f" {StoredSearch.KEPT.days} days, for the person who pasted it alone. Paste it again."
            )
        return text


class StoredSearch(models.Model):
    """A long text that somebody has pasted into a search; the address of the list has its token."""

    KEPT = timedelta(days=30)
    MOST = 100  # of a person
    LONGEST = 1_000_000  # characters

    token = models.CharField(max_length=22, primary_key=True, default=new_token)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    text = models.TextField()
    expires_at = models.DateTimeField(db_index=True)

    objects = StoredSearchQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["owner", "digest"], name="stored_search_once")]

    def __str__(self):
        return self.token


class KeptFormQuerySet(_OwnedQuerySet):
    def store(self, owner, path, body):
        """Store the fields of a form (URL-encoded) and return its token, None if they are too long.

        Only the newest ``KeptForm.MOST`` of a user are kept.
        """
        if len(path) + len(body) > KeptForm.LONGEST:
            return None
        kept = self.create(owner_id=owner, path=path, body=body, expires_at=clock.now() + KeptForm.KEPT)
        self.delete_older(owner)
        return kept.token

    def take(self, token):
        """Return the form with this token and delete it; None if there is none or it has expired."""
        kept = self.filter(token=token).first()
        if kept is None or not self.filter(token=token).delete()[0]:
            return None
        return kept if kept.expires_at > clock.now() else None


class KeptForm(models.Model):
    """A form that was sent after its session had ended, see ``didmgmt.kept_forms``."""

    KEPT = timedelta(hours=1)
    MOST = 5  # of a user
    LONGEST = 256 * 1024  # characters

    token = models.CharField(max_length=22, primary_key=True, default=new_token)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.TextField()
    body = models.TextField()
    expires_at = models.DateTimeField(db_index=True)

    objects = KeptFormQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.path


class KeyFingerprint(models.Model):
    """A digest by which hosts find that their keys differ, see ``didmgmt.keys``."""

    name = models.CharField(max_length=30, primary_key=True)
    fingerprint = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.name


class OwnWrites(models.Model):
    """How often a person has written, compared between the primary and a replica, see ``didmgmt.replica``."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    writes = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"{self.writes} by {self.user_id}"

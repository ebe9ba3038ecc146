"""Endpoints of webhooks, the events that they get, and how far each delivery is."""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import contextmanager
from datetime import timedelta
from zlib import crc32

from django.conf import settings
from django.db import connection, models
from django.db.models import Q

import audit
from audit.models import Change
from clients.models import BranchQuerySet, Reseller
from didmgmt import clock
from didmgmt.clock import DatabaseClock
from events.catalogue import in_short

OVERLAP = timedelta(hours=24)  # for which the old secret signs as well
TRIES = 10


def new_event_id():
    return f"msg_{secrets.token_urlsafe(16)}"


class EndpointQuerySet(BranchQuerySet):
    def visible_to(self, user):
        """Return the kept endpoints that ``user`` may see."""
        return super().visible_to(user).kept()

    def kept(self):
        """Return the endpoints that nobody has deleted."""
        return self.filter(deleted_at=None)

    def for_branch(self, reseller):
        """Return the kept endpoints that get the events of ``reseller``, an id; None: those of everybody."""
        return self.kept().filter(reseller_id=reseller)


class Endpoint(models.Model):
    """A web address to which events are posted.

    ``reseller``: gets what concerns this reseller, counted from its rows alone; None: gets everything.
    ``active``: False while it is paused, or disabled for a ``reason``. ``failing_since`` and ``error`` are
    about the failures since the last success. ``sent`` and ``sent_at_once`` count deliveries, and those that
    took one try. ``lag``: seconds from the last delivered event to its delivery. ``last_change``: the id of
    the change that wrote it last.
    """

    id = models.BigAutoField(primary_key=True)
    url = models.URLField(
        "URL", max_length=500, help_text="Events are posted to this address. It must begin with https://."
    )
    description = models.CharField(max_length=200, blank=True)
    types = models.JSONField("events", default=list)
    reseller = models.ForeignKey(
        Reseller, null=True, blank=True, on_delete=models.PROTECT, related_name="endpoints"
    )
    active = models.BooleanField(default=True)
    reason = models.CharField(max_length=200, blank=True)
    disabled_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)
    sent = models.PositiveBigIntegerField(default=0)
    sent_at_once = models.PositiveBigIntegerField(default=0)
    lag = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=DatabaseClock())
    deleted_at = models.DateTimeField(null=True)
    last_change = models.BigIntegerField(db_default=0)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "change")

    def __str__(self):
        return self.shown_url.partition("://")[2]

    @property
    def shown_url(self):
        """The address without its query, which may hold a secret of the receiver: many read changes."""
        return self.url.partition("?")[0]

    @property
    def deleted_sentence(self):
        return f"Webhook to {self} deleted."

    @property
    def state(self):
        """Return "on", "failing", "paused", "disabled" or, before anything was sent, "new"."""
        if not self.active:
            return "disabled" if self.reason else "paused"
        if self.failing_since:
            return "failing"
        return "on" if self.sent else "new"

    @property
    def percent_at_once(self):
        """Return which part of its deliveries took one try, in percent; None before the first one."""
        return 100 * self.sent_at_once / self.sent if self.sent else None

    @property
    def types_in_short(self):
        return in_short(self.types)

    def create(self, *, by):
        """Insert it and return its secret, which is not shown again."""
        with self._change(by, f"Webhook to {self} created"):
            self.save()
            return self.secrets.create().value

    def edit(self, *, by, fields):
        """Update the named fields; for another reseller it starts again without what it got before."""
        if fields:
            was = Endpoint.objects.select_related("reseller").get(pk=self.pk)
            edited = self._edited(was)
            with self._change(by, f"Webhook to {self} edited", {"edited": edited}, was.reseller_id):
                if "reseller" in fields:
                    fields = [*fields, *self._forget_other_audiences()]
                self.save(update_fields=fields)

    def _forget_other_audiences(self):
        """Delete the deliveries of events that are not for its reseller; return the fields that this resets.

        Whoever is bound to the new reseller would read what they tell of the others.
        """
        hold_audiences(to_change=True)
        self.deliveries.exclude(event__reseller_id=self.reseller_id).delete()
        self.sent, self.sent_at_once, self.lag = 0, 0, None
        return "sent", "sent_at_once", "lag"

    def _edited(self, was):
        """Return what differs from ``was``, the stored endpoint, as ``edited`` of a change."""
        facts = zip(was._facts(), self._facts(), strict=True)
        return [[name, before, after] for (name, before), (_, after) in facts if before != after]

    def _facts(self):
        """Return (name, text) of what people edit."""
        return [
            ("URL", self.shown_url),
            ("Query of the URL", _hidden(self.url.partition("?")[2])),
            ("Description", self.description),
            ("Events", ", ".join(sorted(self.types))),
            ("Reseller", str(self.reseller or "All resellers")),
        ]

    def pause(self, *, by):
        """Stop sending: events that wait stay, and new ones are sent only by replaying them."""
        with self._change(by, f"Webhook to {self} paused"):
            self.stop("")

    def stop(self, reason):
        """Make it inactive; ``reason``: why the system does so, "" if a person did."""
        self.active, self.reason, self.disabled_at = False, reason, clock.database_now()
        self.save(update_fields=["active", "reason", "disabled_at"])
        self.deliveries.filter(state=Delivery.State.WAITING).update(next_try_at=None)

    def resume(self, *, by):
        """Send again, first what waits."""
        with self._change(by, f"Webhook to {self} resumed"):
            self.active, self.reason, self.disabled_at = True, "", None
            self.failing_since, self.error = None, ""
            self.save(update_fields=["active", "reason", "disabled_at", "failing_since", "error"])
            self.send_waiting()

    def send_waiting(self):
        """Make all deliveries due that wait for their next try."""
        now = clock.database_now()
        self.deliveries.filter(state=Delivery.State.WAITING).update(next_try_at=now)

    def rotate_secret(self, *, by):
        """Return a new secret; the newest of the old ones signs as well for ``OVERLAP``."""
        with self._change(by, f"Secret of the webhook to {self} replaced"):
            now = clock.database_now()
            newest = self.secrets.order_by("-pk").first()
            self.secrets.exclude(pk=newest.pk).delete()
            self.secrets.filter(pk=newest.pk).update(until=now + OVERLAP)
            return self.secrets.create().value

    def valid_secrets(self, now):
        """Return the secrets that sign at ``now``, newest first."""
        valid = self.secrets.filter(Q(until=None) | Q(until__gt=now)).order_by("-pk")
        return list(valid.values_list("value", flat=True))

    def remove(self, *, by):
        """Delete it; its deliveries follow bit by bit, see ``events.periodic``."""
        with self._change(by, f"Webhook to {self} deleted"):
            self.stop("")
            self.deleted_at = clock.database_now()
            self.save(update_fields=["deleted_at"])
            self.secrets.all().delete()

    @contextmanager
    def _change(self, by, label, data=None, *further_resellers):
        """Record who did it in the audit log of its reseller and of further ones, without history rows."""
        with audit.change(Change.Kind.WEBHOOK, by=by, label=label, data=data) as change:
            change.count_object(self.reseller_id, *further_resellers)
            yield
            self.last_change = change.pk
            Endpoint.objects.filter(pk=self.pk).update(last_change=change.pk)


def hold_audiences(*, to_change=False):
    """Keep the resellers of all endpoints as they are until the end of the transaction.

    Deliveries are stored for the audiences read after it. ``to_change``: wait for all who hold them, and make
    others wait, in order to change one. SQLite has one writer at a time.
    """
    if connection.vendor == "postgresql":
        function = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, 0)", [crc32(b"audiences of webhooks") - 2**31])


def new_secret():
    """Return a secret of the Standard Webhooks specification: whsec_ and 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Secret(models.Model):
    """A secret that signs what is sent to an endpoint; ``until``: None for the newest one."""

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    value = models.CharField(max_length=60, default=new_secret)
    until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"secret {self.pk}"


class Unpublished(models.Model):
    """History rows of a change of which no event tells yet; inserted in the transaction of the change.

    They are those after and until these ids. The rows of a job are published together at its end.
    """

    id = models.BigAutoField(primary_key=True)
    change_id = models.BigIntegerField(db_index=True)
    did_after = models.BigIntegerField()
    did_until = models.BigIntegerField(null=True)
    package_after = models.BigIntegerField()
    package_until = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return f"change {self.change_id}"


class Event(models.Model):
    """Something that happened, as it is sent: one row for each change, type and audience.

    ``reseller_id``: the branch whose rows it tells of; None: all of them. ``body``: the JSON that is posted.
    ``about``: what it is about, in short. ``at``: when it happened.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_event_id)
    type = models.CharField(max_length=40)
    reseller_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=DatabaseClock())
    change_id = models.BigIntegerField(null=True)
    about = models.CharField(max_length=100)
    body = models.TextField()

    class Meta:
        default_permissions = ()
        indexes = [
            # replay of a time span; deletion of old ones
            models.Index(fields=["created_at"], name="event_created"),
        ]

    def __str__(self):
        return f"{self.type} {self.id}"


class Delivery(models.Model):
    """An event on its way to one endpoint.

    ``next_try_at``: None when it is finished or the endpoint is not active. A worker that tries it sets it a
    little ahead, so that another one takes over if it dies. ``tries``: how often it was tried since it was
    sent or replayed last. ``log``: the last tries as {at, status, answer, took}, took in seconds.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        GIVEN_UP = "given_up", "Given up"

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, db_default=DatabaseClock())
    log = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["endpoint", "event"], name="delivery_once")]
        indexes = [
            models.Index(fields=["endpoint", "id"], name="delivery_newest"),
            models.Index(fields=["endpoint", "state", "id"], name="delivery_state"),
            models.Index(fields=["next_try_at"], name="delivery_due", condition=Q(next_try_at__isnull=False)),
            models.Index(
                fields=["endpoint", "next_try_at"],
                name="delivery_due_endpoint",
                condition=Q(next_try_at__isnull=False),
            ),
        ]

    def __str__(self):
        return f"{self.event_id} to {self.endpoint_id}"


def _hidden(text):
    """Return words for a text that is not shown, which differ if the text does."""
    return f"hidden, {hashlib.sha256(text.encode()).hexdigest()[:8]}" if text else "none"


def keep_from(now):
    """Return the time before which events are old."""
    return now - timedelta(days=settings.WEBHOOK_KEEP_DAYS)

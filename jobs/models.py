"""Job: a durable unit of long work, whose cursor is committed with its data."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from audit.models import Change


class JobQuerySet(models.QuerySet):
    def visible_to(self, user):
        """A person's own jobs, and for those who manage staff, the jobs of everybody in their branch."""
        if not user.is_authenticated:
            return self.none()
        if not user.has_perm("staff.change_user"):
            return self.filter(owner=user)
        if user.reseller_id is None:
            return self
        return self.filter(Q(owner=user) | Q(owner__reseller=user.reseller_id))


class Job(models.Model):
    """Long work: what to do, how far it is, what came of it.

    ``cursor`` says where to go on (a shape of the kind's own) and is written in the transaction of
    the chunk that it follows; ``lease_until`` is when another worker may take a running job over.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Being prepared"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=30)
    label = models.CharField(max_length=200, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    params = models.JSONField(default=dict, blank=True)
    cursor = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    file = models.FileField(upload_to="jobs/%Y/%m/", null=True, blank=True)
    change = models.ForeignKey(Change, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["state", "lease_until"], name="job_to_claim"),
            models.Index(fields=["owner", "-created_at"], name="job_of_owner"),
        ]

    def __str__(self):
        return self.label or self.kind


class WorkerBeat(models.Model):
    """The last sign of life of one worker process; ``/readyz`` asks for a recent one."""

    worker = models.CharField(max_length=100, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self):
        return self.worker

    @classmethod
    def beat(cls, worker):
        """Say that ``worker`` lives; forgets those silent for a day."""
        now = timezone.now()
        cls.objects.update_or_create(worker=worker, defaults={"seen_at": now})
        cls.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()

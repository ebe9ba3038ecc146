"""Job: a durable unit of long work, whose cursor is committed with its data."""

import logging
import time
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from audit.models import Change
from jobs.kinds import KINDS, JobError

ATTEMPTS = 5  # claims in a row in which not one chunk came to its end
SMALL = 2_000  # rows up to which work is done in the request, by the same code
SILENCE = timedelta(seconds=60)  # of a worker, after which it is taken for gone
AGAIN_AFTER = timedelta(seconds=2)  # an error that may pass, such as a deadlock
PATIENCE = 5  # seconds that a request does of a job that turns out to be long
YIELDED = 0.1  # of a chunk's time, in which SQLite's one write lock is left to others

log = logging.getLogger("jobs")


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

    def unfinished(self):
        """Waiting or running."""
        return self.filter(state__in=(Job.State.QUEUED, Job.State.RUNNING))

    def claimable(self, now):
        """Waiting, or running with a worker that has not been heard of since its lease ended."""
        waiting = Q(state=Job.State.QUEUED) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        left = Q(state=Job.State.RUNNING, lease_until__lte=now)
        return self.filter(waiting | left, kind__in=list(KINDS))

    def claim(self, worker):
        """The oldest claimable job, now ``worker``'s own until the lease ends; None when there is none.

        Of two workers one gets it: on PostgreSQL the other skips the locked row, on SQLite it waits for
        the write lock and looks after that.
        """
        with transaction.atomic():
            now = timezone.now()
            oldest = self.claimable(now).order_by("created_at", "pk")
            if connection.features.has_select_for_update_skip_locked:
                oldest = oldest.select_for_update(skip_locked=True, of=("self",))
            job = oldest.first()
            if job is None:
                return None
            job.state, job.worker, job.lease_until = Job.State.RUNNING, worker, now + Job.lease()
            job.started_at = job.started_at or now
            job.attempts += 1
            job.save(update_fields=["state", "worker", "lease_until", "started_at", "attempts"])
        return job


class Overtaken(Exception):
    """The job is not this worker's any more: its lease ended, or somebody ended the job."""


class Job(models.Model):
    """Long work: what to do, how far it is, what came of it.

    ``cursor`` says where to go on (a shape of the kind's own) and is written in the transaction of
    the chunk that it follows; ``lease_until`` is when another worker may take a running job over.

    **Once.** A chunk first locks its job's row and sees that the job is still its worker's; then come
    its writes, and with them cursor and counts, in one transaction. A worker that dies leaves the job as
    its last chunk left it. One that was only slow finds the job taken, and its chunk is undone.
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

    # What a chunk leaves on the job and the engine writes with it.
    KEPT = ("cursor", "done", "total", "result", "change", "file")
    OVER = (State.DONE, State.FAILED, State.CANCELLED)
    AT_REST = (State.DRAFT, State.FAILED, State.CANCELLED)  # and can be set going

    def __str__(self):
        return self.label or self.about.label

    def get_absolute_url(self):
        return reverse("jobs:detail", args=[self.pk])

    @staticmethod
    def lease():
        return timedelta(seconds=settings.JOB_LEASE)

    # --- what a person asks for

    def queue(self):
        """Leave it to the workers. False when it is waiting, running or done already."""
        return self._move(
            self.AT_REST,
            self.State.QUEUED,
            attempts=0,
            cancel_asked_at=None,
            lease_until=None,
            started_at=None,
            finished_at=None,
        )

    def ask_cancel(self):
        """End it after the chunk under way; what is written stays. False when it is over already."""
        now = timezone.now()
        if self._move((self.State.QUEUED,), self.State.CANCELLED, finished_at=now):
            return True
        return bool(
            Job.objects.filter(pk=self.pk, state=self.State.RUNNING).update(
                cancel_asked_at=Coalesce(F("cancel_asked_at"), now)
            )
        )

    def retry(self):
        """Go on behind the last chunk of a failed or cancelled job; False for any other."""
        return self.can_go_on and self.queue()

    def erase(self):
        """Delete its files; of a draft, which then can't go on, say so."""
        if self.file:
            self.file.delete(save=False)
        self.params["erased"] = True
        self.result.pop("file", None)
        if self.state == self.State.DRAFT:
            self.state = self.State.CANCELLED
            days = settings.JOB_FILES_DAYS
            self.result["error"] = f"Not finished within {days} days: its files are deleted. Begin anew."
        self.save(update_fields=["params", "file", "result", "state"])

    def run_here(self):
        """Do it at once, in this process: small work in a request. False when it is under way or done.

        What takes longer than somebody likes to wait for goes on with a worker.
        """
        worker = f"request:{uuid.uuid4().hex}"
        now = timezone.now()
        lease = {"worker": worker, "lease_until": now + self.lease(), "attempts": 1}
        lease |= {"started_at": now, "finished_at": None, "cancel_asked_at": None}
        if not self._move(self.AT_REST, self.State.RUNNING, **lease):
            return False
        patience = time.monotonic() + PATIENCE
        self.run(worker, lambda: time.monotonic() > patience)
        return True

    def _move(self, sources, target, **fields):
        """Change the state by a conditional UPDATE; True when it was in one of ``sources``."""
        moved = Job.objects.filter(pk=self.pk, state__in=sources).update(state=target, **fields)
        self.refresh_from_db()
        return bool(moved)

    # --- the engine

    def run(self, worker, stop=lambda: False):
        """Do the claimed job, chunk by chunk, until it is over, ``stop()`` says so or it is taken over.

        Stopped between chunks it waits for the next worker. What went wrong and may pass is tried again a
        little later; a ``JobError``, and an error that came ``ATTEMPTS`` times without a chunk done
        between, ends it with a sentence.
        """
        kind = self.about
        if self.attempts > ATTEMPTS:
            self._fail(worker, f"It was tried {ATTEMPTS} times and each time its worker ended.")
            return
        work = None
        try:
            while True:
                if stop():
                    self._ours(worker).update(state=self.State.QUEUED, worker="", lease_until=None)
                    break
                began = time.monotonic()
                work = self._chunk(worker, work, kind)
                if work is None:
                    break
                if connection.vendor == "sqlite":
                    time.sleep((time.monotonic() - began) * YIELDED)
        except Overtaken:
            log.info("%s: another worker has taken it over", self)
        except JobError as failure:
            self._fail(worker, str(failure))
        except (OperationalError, InterfaceError, IntegrityError) as error:
            if self.attempts >= ATTEMPTS:
                self._fail(worker, "The database refused it again and again.", error)
            else:
                log.warning("%s: %s; trying again", self, error)
                connection.close_if_unusable_or_obsolete()
                again = timezone.now() + AGAIN_AFTER
                self._ours(worker).update(state=self.State.QUEUED, worker="", lease_until=again)
        except Exception as error:
            self._fail(worker, "Something went wrong that should not; the log tells what.", error)
        self.refresh_from_db()

    def _chunk(self, worker, work, kind):
        """One chunk. Returns the work to go on with, None at the end."""
        with transaction.atomic():
            if not self._is_ours(worker):
                return None
            if kind.writes:
                return self._advance(worker, work or kind.run(self))
        return self._advance(worker, work or kind.run(self))

    def _is_ours(self, worker):
        """Lock the row and take over what stands there. False when the job ends here: it was cancelled."""
        job = Job.objects.select_for_update(of=("self",)).select_related("owner", "change")
        job = job.filter(pk=self.pk, worker=worker, state=self.State.RUNNING).first()
        if job is None:
            raise Overtaken
        # The owner is read anew for each chunk: rights that were taken away meanwhile are gone.
        self.owner, self.change = job.owner, job.change
        self.cancel_asked_at = job.cancel_asked_at
        if job.cancel_asked_at:
            self._finish(worker, self.State.CANCELLED)
            return False
        return True

    def _advance(self, worker, work):
        try:
            next(work)
        except StopIteration as end:
            self._finish(worker, end.value or self.State.DONE)
            return None
        kept = {name: getattr(self, name) for name in self.KEPT}
        self.attempts = 0
        self._write(worker, lease_until=timezone.now() + self.lease(), attempts=0, **kept)
        return work

    def _finish(self, worker, state):
        kept = {name: getattr(self, name) for name in self.KEPT}
        self._write(worker, state=state, finished_at=timezone.now(), lease_until=None, worker="", **kept)

    def _fail(self, worker, sentence, error=None):
        if error is not None:
            log.error("%s failed", self, exc_info=error)
        # As the last chunk that was committed left it, with the sentence.
        result = Job.objects.values_list("result", flat=True).get(pk=self.pk) | {"error": sentence}
        self._ours(worker).update(
            state=self.State.FAILED,
            finished_at=timezone.now(),
            lease_until=None,
            worker="",
            result=result,
        )

    def _write(self, worker, /, **fields):
        if not self._ours(worker).update(**fields):
            raise Overtaken
        for name, value in fields.items():
            setattr(self, name, value)

    def _ours(self, worker):
        return Job.objects.filter(pk=self.pk, worker=worker, state=self.State.RUNNING)

    # --- what screens show

    @property
    def about(self):
        """Its Kind."""
        return KINDS[self.kind]

    @property
    def is_over(self):
        return self.state in self.OVER

    @property
    def is_erased(self):
        return "erased" in self.params

    @property
    def can_go_on(self):
        return self.state in (self.State.FAILED, self.State.CANCELLED) and not self.is_erased

    @property
    def is_under_way(self):
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def told(self):
        """What came of it so far, in counts."""
        return self.about.sentence(self)

    @property
    def sentence(self):
        """The error it ended with, and what came of it so far."""
        return " ".join(filter(None, [self.result.get("error"), self.told]))

    @property
    def url(self):
        return self.about.url(self)

    @property
    def waits_in_vain(self):
        """Whether it waits and no worker is there to do it."""
        return self.state == self.State.QUEUED and not WorkerBeat.is_recent()

    @property
    def percent(self):
        """0 to 100; None when it is not known how much there is to do."""
        if self.state == self.State.DONE:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else None

    @property
    def rate(self):
        """Rows a second since it was started; None before the first ones."""
        if not (self.started_at and self.done):
            return None
        took = ((self.finished_at or timezone.now()) - self.started_at).total_seconds()
        return round(self.done / took) if took >= 1 else None

    @property
    def took(self):
        """A timedelta from its start to its end; None while it is not over."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None

    @property
    def time_left(self):
        """A timedelta at the rate so far; None when that is not known."""
        if self.state != self.State.RUNNING or not self.total or not self.rate:
            return None
        return timedelta(seconds=max(0, self.total - self.done) / self.rate)


class WorkerBeat(models.Model):
    """The last heartbeat of one worker process; ``/readyz`` requires a recent one.

    ``failing``: names of the periodic tasks that failed in its last round.
    """

    worker = models.CharField(max_length=100, primary_key=True)
    seen_at = models.DateTimeField()
    failing = models.JSONField(default=list, blank=True)

    def __str__(self):
        return self.worker

    @classmethod
    def is_recent(cls):
        """Whether some worker was seen within ``SILENCE``."""
        return cls.objects.filter(seen_at__gt=timezone.now() - SILENCE).exists()

    @classmethod
    def failing_tasks(cls):
        """Return the names of the periodic tasks that fail on any recently seen worker, sorted."""
        recent = cls.objects.filter(seen_at__gt=timezone.now() - SILENCE)
        return sorted({name for names in recent.values_list("failing", flat=True) for name in names})

    @classmethod
    def beat(cls, worker, failing=()):
        """Record the heartbeat of ``worker`` and its failing tasks; delete those silent for a day."""
        now = timezone.now()
        beat = {"seen_at": now, "failing": list(failing)}
        cls.objects.update_or_create(worker=worker, defaults=beat)
        cls.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()

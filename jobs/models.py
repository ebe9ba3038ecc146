"""Run long work as durable jobs, whose cursor is committed together with their data."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import IntegrityError, InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from audit.models import Change
from audit.words import index_words
from didmgmt import clock, form_tokens
from didmgmt.clock import MAX_SKEW, DatabaseClock, database_now, skew
from didmgmt.faults import is_full, is_missing_file
from didmgmt.limits import LimitError
from didmgmt.replica import count_write
from didmgmt.sqlite3.waiting import give_way
from jobs import files, leases
from jobs.kinds import KINDS, JobError, JobKind, follow_end
from jobs.periodic import periodic_task
from jobs.statistics import analyze_outgrown_tables
from staff.models import Token
from staff.tokens import TokenRefusedError, user_by_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from staff.models import User

Work = Iterator[None]  # the generator of ``JobKind.run``

ATTEMPTS = 5  # consecutive claims without a finished chunk, after which a job fails
SMALL = 2_000  # rows up to which work runs in the request, through the same code
HEARTBEAT_TIMEOUT = timedelta(seconds=60)  # after which a worker counts as dead
LONGEST_WAIT = timedelta(minutes=2)  # of a job for room on a full disk
ROOM_EVERY = 1  # second between looks for the room to write that a job waits
RETRY_AFTER = timedelta(seconds=2)  # for errors that may be temporary, such as a deadlock
REQUEST_SECONDS = 5  # that a request works on a job before leaving it to a worker
CHANNEL = "jobs"  # of the notification that wakes PostgreSQL's workers
FILES_LOOKED_FOR = 100  # jobs whose files are looked for in a round
STATISTICS_EVERY = 1  # second between looks at the statistics of tables
LONGEST_WAY = 0.1  # seconds for which a job lets those go first who wait for SQLite's one write lock
SHORT = 0.04  # seconds for which a chunk should have it while others wait
LEAST = 1 / 8  # of a full chunk

log = logging.getLogger("jobs")


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User | AnonymousUser) -> JobQuerySet:
        """Return the user's own jobs, and for users who manage staff, all jobs of their reseller.

        For a token, the jobs that it has submitted itself.
        """
        if not user.is_authenticated:
            return self.none()
        if user.token:
            return self.filter(token=user.token.pk)
        if not user.has_perm("staff.change_user"):
            return self.filter(owner=user)
        if user.reseller_id is None:
            return self
        # A list: with a subquery, planners read the jobs of everybody, newest first, until enough are found.
        owners = get_user_model().objects.filter(reseller=user.reseller_id)
        return self.filter(owner__in=list(owners.values_list("pk", flat=True)))

    def refuse_many_waiting(self, owner: User) -> None:
        """Raise LimitError if the owner has as many unfinished jobs as anyone may have."""
        if self.unfinished().filter(owner=owner).count() >= settings.JOBS_WAITING:
            raise LimitError(
                f"You have {settings.JOBS_WAITING:,} jobs that are waiting or running. Wait until some have"
                " ended, or cancel some on the Jobs page."
            )

    def refuse_many_uploads(self, owner: User, kind: str) -> None:
        """Raise LimitError if the owner has made as many jobs of this kind within an hour as anyone may."""
        hour_ago = clock.now() - timedelta(hours=1)
        if self.filter(owner=owner, kind=kind, created_at__gt=hour_ago).count() >= settings.UPLOADS_PER_HOUR:
            raise LimitError(
                f"You have uploaded {settings.UPLOADS_PER_HOUR:,} files within an hour. Wait some minutes and"
                " upload this one again.",
                retry_after=600,
            )

    def unfinished(self) -> JobQuerySet:
        """Return waiting and running jobs."""
        return self.filter(state__in=(Job.State.QUEUED, Job.State.RUNNING))

    def by_kind(self) -> dict[tuple[str, str], tuple[int, datetime]]:
        """Return how many unfinished jobs of each (kind, state) there are; one query of their index.

        With the earliest time since when one of them could have been run; in the future while it pauses after
        an error, and without meaning for running jobs.
        """
        since = models.Min(Coalesce("lease_until", "created_at"))
        counted = self.unfinished().order_by().values_list("kind", "state")
        return {
            (kind, state): (jobs, since)
            for kind, state, jobs, since in counted.annotate(models.Count("pk"), since=since)
        }

    def claimable(self, now: datetime | DatabaseClock) -> JobQuerySet:
        """Return waiting jobs, and running jobs whose worker let its lease expire, whose file is here."""
        waiting = Q(state=Job.State.QUEUED) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        abandoned = Q(state=Job.State.RUNNING, lease_until__lte=now)
        return self.filter(waiting | abandoned, kind__in=list(KINDS), folder__in=("", files.folder()))

    def submit(self, *, owner: User, content: bytes | None = None, **fields: Any) -> Job:
        """Insert a job that waits for a worker, in one transaction, and return it.

        ``fields``: of ``Job``; ``content``: bytes that are stored as its file. Raises LimitError if its owner
        has too many jobs in the queue.
        """
        self.refuse_many_waiting(owner)
        job = Job(owner=owner, state=Job.State.QUEUED, **fields)
        if content is None:
            job.save()
        else:
            job.file.save(f"{job.pk}.txt", ContentFile(content))
        wake_workers()
        return job

    def claim(self, worker: str) -> Job | None:
        """Claim the oldest claimable job for ``worker`` and return it, None if there is none.

        Only one of two workers gets it: the other finds that the row has changed and looks again. No
        transaction is open meanwhile, in which a worker could freeze and keep the row locked.
        """
        while job := self._next():
            found = self.filter(pk=job.pk, state=job.state, worker=job.worker, lease_until=job.lease_until)
            now = database_now()
            fields = {"worker": worker, "lease_until": now + Job.lease(), "attempts": job.attempts + 1}
            fields |= {"state": Job.State.RUNNING, "started_at": job.started_at or now}
            if found.update(**fields):
                for name, value in fields.items():
                    setattr(job, name, value)
                return job
        return None

    def _next(self) -> Job | None:
        """Return the oldest claimable job whose former worker, if it has one, can no longer write."""
        refused: list[uuid.UUID] = []
        oldest = self.claimable(database_now()).order_by("created_at", "pk")
        while job := oldest.exclude(pk__in=refused).first():
            if job.state == Job.State.QUEUED or leases.end_session(job):
                return job
            refused.append(job.pk)
        return None


class LeaseLostError(Exception):
    """The worker no longer owns the job: its lease expired, or the job was ended."""


class Job(models.Model):
    """Long work: its parameters, progress and result.

    ``cursor`` is where the next chunk continues, in a format of the job's kind, and is written in the
    transaction of the chunk before. ``lease_until`` is when another worker may take over a running job, and
    from when one may take a waiting one.

    **Exactly once.** Each chunk is a transaction: it writes data, and last the job's row with cursor and
    counts, on condition that the worker still owns the job. When a worker dies, the job stays as its last
    chunk left it. When a worker was only frozen or cut off, the one that takes over has ended its session
    (``jobs.leases``), and its chunk is rolled back.
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
    # By which its owner has submitted it, and whose rights it has
    token = models.ForeignKey(
        Token, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs", db_index=False
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    params = models.JSONField(default=dict, blank=True)
    cursor = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    file = models.FileField(upload_to="jobs/%Y/%m/", null=True, blank=True)
    folder = models.CharField(max_length=32, blank=True, default="")  # that has the file, see jobs.files
    change = models.ForeignKey(Change, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
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
            models.Index(fields=["token", "-created_at"], name="job_of_token"),
            models.Index(fields=["-created_at"], name="job_newest"),
        ]

    # Of the worker that runs it: how large its chunks are now, and how many seconds the last one took.
    share, held = 1.0, 0.0
    _actor: User | None = None  # of a job with a token
    runs_in_request = False  # whether a request runs it, in which its owner waits for the result
    # Set by a chunk, and written with it.
    CHUNK_FIELDS = ("cursor", "done", "total", "result", "change", "file", "folder")
    FINISHED = (State.DONE, State.FAILED, State.CANCELLED)
    STARTABLE = (State.DRAFT, State.FAILED, State.CANCELLED)

    def __str__(self) -> str:
        return self.label or self.job_kind.label

    def save(self, **options: Any) -> None:
        """Insert a new job once for each form that is sent; the file of a repeated one is deleted."""
        if not self._state.adding:
            return super().save(**options)
        self.folder = files.folder() if self.file else ""
        self.token = self.owner.token
        try:
            with form_tokens.atomic():
                return super().save(**options)
        except form_tokens.RepeatedError:
            self.file.delete(save=False)
            raise

    def get_absolute_url(self) -> str:
        return reverse("jobs:detail", args=[self.pk])

    @property
    def actor(self) -> User:
        """Return the user whose rights and reseller the job has: its owner, narrowed to the token it has."""
        if self.token_id is None:
            return self.owner
        if self._actor is None:
            self._actor = user_by_id(self.token_id, even_if_refused=True)
        return self._actor

    @property
    def requested_by(self) -> str:
        """Return who submitted it, such as "billing-sync, token of clara.okafor"."""
        return f"{self.token}, token of {self.owner}" if self.token else str(self.owner)

    @staticmethod
    def lease() -> timedelta:
        return timedelta(seconds=settings.JOB_LEASE)

    # --- actions of users

    def queue(self) -> bool:
        """Queue the job for the workers; return False if it is already waiting, running or done.

        Raises LimitError if its owner has too many jobs in the queue.
        """
        Job.objects.refuse_many_waiting(self.owner)
        queued = self._move(
            self.STARTABLE,
            self.State.QUEUED,
            attempts=0,
            cancel_asked_at=None,
            lease_until=database_now(),
            started_at=None,
            finished_at=None,
        )
        if queued:
            wake_workers()
        return queued

    def request_cancel(self) -> bool:
        """Cancel the job after its current chunk, keeping what is written; return False if it is finished."""
        now = database_now()
        if self._move((self.State.QUEUED,), self.State.CANCELLED, finished_at=now):
            return True
        return bool(
            Job.objects.filter(pk=self.pk, state=self.State.RUNNING).update(
                cancel_asked_at=Coalesce(F("cancel_asked_at"), now)
            )
        )

    @property
    def has_ended_sentence(self) -> str:
        return f"“{self}” has already ended, so it can’t be cancelled."

    @property
    def not_stopped_sentence(self) -> str:
        return f"“{self}” has not stopped, so there is nothing to continue."

    def retry(self) -> bool:
        """Continue a failed or cancelled job after its last chunk; return False for any other."""
        return self.can_continue and self.queue()

    @property
    def files_until(self) -> datetime:
        """When the files of the job are deleted."""
        return (self.finished_at or self.created_at) + timedelta(days=settings.JOB_FILES_DAYS)

    def erase(self) -> None:
        """Delete the job's files, and cancel a draft, which can't continue without them."""
        if self.file:
            self.file.delete(save=False)
        self.params["erased"] = True
        self.result.pop("file", None)
        if self.state == self.State.DRAFT:
            self.state = self.State.CANCELLED
            days = settings.JOB_FILES_DAYS
            self.result["error"] = f"Not finished within {days} days, so its files were deleted. Start again."
        self.save(update_fields=["params", "file", "result", "state"])

    def claim_here(self) -> bool:
        """Claim the job for this request; return False if it is already waiting, running or done.

        ``run_here`` then runs it. If the process ends before, a worker takes the job over like any other.
        """
        worker = f"request:{uuid.uuid4().hex}"
        now = database_now()
        lease = {"worker": worker, "lease_until": now + self.lease(), "attempts": 1}
        lease |= {"started_at": now, "finished_at": None, "cancel_asked_at": None}
        return self._move(self.STARTABLE, self.State.RUNNING, **lease)

    def run_here(self) -> None:
        """Run the job that ``claim_here`` has claimed; a worker continues it after ``REQUEST_SECONDS``."""
        deadline = time.monotonic() + REQUEST_SECONDS
        self.runs_in_request = True
        self.run(self.worker, lambda: time.monotonic() > deadline)

    def _move(self, sources: Collection[Job.State], target: Job.State, **fields: Any) -> bool:
        """Change the state with a conditional UPDATE; return whether it was in one of ``sources``."""
        moved = Job.objects.filter(pk=self.pk, state__in=sources).update(state=target, **fields)
        self.refresh_from_db()
        return bool(moved)

    # --- the engine

    def run(self, worker: str, stop: Callable[[], bool] = lambda: False) -> None:
        """Run the claimed job chunk by chunk until it is finished, taken over, or ``stop()`` returns True.

        A stopped job waits for the next worker. Database errors that may be temporary are retried a little
        later. A ``JobError``, or ``ATTEMPTS`` errors without a finished chunk between them, ends the job with
        a sentence.
        """
        kind = self.job_kind
        if self.attempts > ATTEMPTS:
            self._fail(
                worker,
                f"The worker stopped in each of {ATTEMPTS} attempts. Ask an administrator to check the log.",
            )
            return
        try:
            with leases.Renewal(lambda: self._renew(worker), self.lease()):
                self._reload_actor()
                kind.prepare(self)
                self._run_chunks(worker, kind, stop)
        except LeaseLostError:
            log.info("%s: another worker has taken over", self)
        except JobError as failure:
            self._fail(worker, str(failure))
        except (OperationalError, InterfaceError, IntegrityError) as error:
            if is_full(error):
                self._wait_for_room(worker, error, stop)
            elif self.attempts >= ATTEMPTS:
                self._fail(
                    worker, f"The database failed in each of {ATTEMPTS} attempts. Try again later.", error
                )
            else:
                log.warning("%s: %s; retrying", self, error)
                connection.close_if_unusable_or_obsolete()
                self._put_back(worker, RETRY_AFTER)
        except Exception as error:  # noqa: BLE001 - the worker goes on with other jobs
            if is_full(error):
                self._wait_for_room(worker, error, stop)
            elif is_missing_file(error) and self.folder != files.folder():
                # A request has begun it on a host that lacks the file.
                self._put_back(worker)
            elif is_missing_file(error):
                self._fail(worker, "The uploaded file is no longer on the server. Upload it again.", error)
            else:
                sentence = "An unexpected error occurred. Ask an administrator to check the log."
                self._fail(worker, sentence, error)
        self.refresh_from_db()

    def _run_chunks(self, worker: str, kind: JobKind, stop: Callable[[], bool]) -> None:
        """Run chunk by chunk until the job is finished or ``stop()`` returns True."""
        work, next_look = None, 0.0
        while True:
            if stop():
                self._put_back(worker)
                wake_workers()
                break
            began = time.monotonic()
            if began >= next_look:
                analyze_outgrown_tables()
                next_look = began + STATISTICS_EVERY
            work = self._chunk(worker, work, kind)
            if work is None:
                break
            if connection.vendor == "sqlite":
                self._give_way()

    def _put_back(self, worker: str, pause: timedelta = timedelta(), **fields: Any) -> None:
        """Let any worker take the job after ``pause``, and set ``fields``, unless this one has lost it."""
        waiting = {"state": self.State.QUEUED, "worker": "", "lease_until": database_now() + pause}
        self._owned_by(worker).update(**waiting, **fields)

    def _renew(self, worker: str) -> bool:
        """Renew the lease of a chunk that takes long; return False if another worker has taken over."""
        return bool(self._owned_by(worker).update(lease_until=database_now() + self.lease()))

    def _wait_for_room(self, worker: str, error: Exception, stop: Callable[[], bool]) -> None:
        """Let the job wait in the queue while the disk is full, longer each time; it is no failed attempt.

        Writing that needs room as well. Until there is some, the worker tries again, and other jobs could do
        no more. If ``stop()`` returns True before, the error is raised again and the lease expires.
        """
        log.warning("%s: the disk is full; it continues when there is room: %s", self, error)
        connection.close_if_unusable_or_obsolete()
        while True:
            try:
                result = Job.objects.values_list("result", flat=True).get(pk=self.pk)
                waits = result.get("waits", 0) + 1
                pause = min(timedelta(seconds=2**waits), LONGEST_WAIT)
                self._put_back(worker, pause, attempts=0, result=result | {"waits": waits})
                return
            except OperationalError as again:
                if not is_full(again) or stop():
                    raise
                time.sleep(ROOM_EVERY)

    def at_once(self, most: int) -> int:
        """Return how many of ``most`` rows the next chunk should have: fewer while others wait to write."""
        return max(1, round(most * self.share))

    def _give_way(self) -> None:
        """Let others have SQLite's write lock; if any waited, have it for a shorter time from now on."""
        if give_way(LONGEST_WAY):
            self.share = max(LEAST, self.share * min(1, SHORT / max(self.held, 0.001)))
        else:
            self.share = min(1, self.share * 1.5)

    def _chunk(self, worker: str, work: Work | None, kind: JobKind) -> Work | None:
        """Run one chunk; return the generator to continue with, None at the end."""
        with transaction.atomic():
            began = time.monotonic()
            leases.begin_chunk(self.pk)
            if not self._reload(worker):
                return None
            if kind.writes:
                work = self._advance(worker, work or kind.run(self))
                self.held = time.monotonic() - began
                return work
        return self._advance(worker, work or kind.run(self))

    def _reload(self, worker: str) -> bool:
        """Reload the job's row; return False if cancellation was requested, which ends the job."""
        job = self._owned_by(worker).select_related("owner", "change").first()
        if job is None:
            raise LeaseLostError
        self.owner, self.change = job.owner, job.change
        self._reload_actor()
        self.cancel_asked_at = job.cancel_asked_at
        if job.cancel_asked_at:
            self._finish(worker, self.State.CANCELLED)
            return False
        return True

    def _reload_actor(self) -> None:
        """Let revoked permissions take effect at the next chunk; raise JobError if its token was revoked."""
        if self.token_id is None:
            return
        try:
            self._actor = user_by_id(self.token_id)
        except TokenRefusedError as refusal:
            raise JobError(f"{refusal} The job ran with its rights.") from None

    def _advance(self, worker: str, work: Work) -> Work | None:
        try:
            next(work)
        except StopIteration as end:
            self._finish(worker, end.value or self.State.DONE)
            return None
        self.attempts = 0
        self._write(worker, lease_until=database_now() + self.lease(), attempts=0, **self._chunk_fields())
        return work

    def _chunk_fields(self) -> dict[str, Any]:
        """Return what the finished chunk has set; it waits for room no longer."""
        self.result.pop("waits", None)
        if self.file and not self.folder:
            self.folder = files.folder()
        return {name: getattr(self, name) for name in self.CHUNK_FIELDS}

    def _finish(self, worker: str, state: Job.State) -> None:
        self._count_write()
        ended = {"state": state, "finished_at": database_now(), "lease_until": None, "worker": ""}
        with transaction.atomic():
            self._write(worker, **ended, **self._chunk_fields())
            if self.is_finished:
                follow_end(self)

    def _fail(self, worker: str, sentence: str, error: Exception | None = None) -> None:
        if error is not None:
            log.error("%s failed", self, exc_info=error)
        self._count_write()
        # The result of the last committed chunk, with the sentence.
        result = Job.objects.values_list("result", flat=True).get(pk=self.pk) | {"error": sentence}
        ended = {"state": self.State.FAILED, "finished_at": database_now(), "lease_until": None, "worker": ""}
        with transaction.atomic():
            if self._owned_by(worker).update(**ended, result=result):
                self.refresh_from_db()
                follow_end(self)

    def _count_write(self) -> None:
        """Let the owner's next list have what the job wrote; web hosts may have a replica unknown here."""
        if connection.vendor == "postgresql":
            count_write(self.owner_id)

    def _write(self, worker: str, /, **fields: Any) -> None:
        if not self._owned_by(worker).update(**fields):
            raise LeaseLostError
        for name, value in fields.items():
            setattr(self, name, value)

    def _owned_by(self, worker: str) -> JobQuerySet:
        return Job.objects.filter(pk=self.pk, worker=worker, state=self.State.RUNNING)

    # --- for screens

    @property
    def job_kind(self) -> JobKind:
        return KINDS[self.kind]

    @property
    def is_finished(self) -> bool:
        return self.state in self.FINISHED

    @property
    def is_erased(self) -> bool:
        return "erased" in self.params

    @property
    def can_continue(self) -> bool:
        return self.state in (self.State.FAILED, self.State.CANCELLED) and not self.is_erased

    @property
    def is_unfinished(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def summary(self) -> str:
        """The result so far, in counts."""
        return self.job_kind.sentence(self)

    @property
    def sentence(self) -> str:
        """The error that ended the job, and the result so far."""
        return " ".join(filter(None, [self.result.get("error"), self.summary]))

    @property
    def url(self) -> str:
        return self.job_kind.url(self)

    @property
    def refused_lists(self) -> list[tuple[str, str]]:
        return self.job_kind.refused_lists(self)

    @property
    def discard_url(self) -> str:
        return self.job_kind.discard_url(self)

    @property
    def waits_for_room(self) -> bool:
        """Whether the job waits because the disk is full."""
        return self.state == self.State.QUEUED and "waits" in self.result

    @property
    def lacks_worker(self) -> bool:
        """Whether the job waits and no worker is alive."""
        return self.state == self.State.QUEUED and not WorkerBeat.is_recent()

    @property
    def lacks_file(self) -> bool:
        """Whether the job waits for a worker that has its file, and no worker that is alive has it."""
        return bool(self.folder) and self.is_unfinished and self._is_due and not WorkerBeat.has(self.folder)

    @property
    def _is_due(self) -> bool:
        return self.state == self.State.QUEUED or self.is_abandoned

    @property
    def is_abandoned(self) -> bool:
        """Whether its worker is silent: it has died, is frozen or is cut off from the database."""
        expired = self.lease_until is not None and self.lease_until <= clock.now()
        return self.state == self.State.RUNNING and expired

    @property
    def percent(self) -> int | None:
        """0 to 100, None if the total is unknown."""
        if self.state == self.State.DONE:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else None

    @property
    def rate(self) -> int | None:
        """Rows per second since the start, None before the first ones."""
        if not (self.started_at and self.done):
            return None
        seconds = ((self.finished_at or clock.now()) - self.started_at).total_seconds()
        return round(self.done / seconds) if seconds >= 1 else None

    @property
    def duration(self) -> timedelta | None:
        """The time from start to end as a timedelta, None before the end."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None

    @property
    def time_left(self) -> timedelta | None:
        """The estimated time left as a timedelta, None if it is unknown."""
        if self.state != self.State.RUNNING or not self.total or not self.rate:
            return None
        return timedelta(seconds=max(0, self.total - self.done) / self.rate)


def wake_workers() -> None:
    """Wake the workers that rest, once the transaction is committed; see ``jobs.waking``."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class WorkerBeat(models.Model):
    """The last heartbeat of one worker process; ``/readyz`` requires a recent one.

    ``failing``: names of the periodic tasks that failed in its last round. ``skew``: how many seconds its
    clock is ahead of the database's. ``folder``: the name of its folder of files, see ``jobs.files``.
    """

    worker = models.CharField(max_length=100, primary_key=True)
    seen_at = models.DateTimeField()
    failing = models.JSONField(default=list, blank=True)
    skew = models.FloatField(default=0)
    folder = models.CharField(max_length=32, blank=True, default="")

    def __str__(self) -> str:
        return self.worker

    @classmethod
    def recent(cls) -> models.QuerySet[WorkerBeat]:
        """Return the heartbeats of the workers that are alive."""
        return cls.objects.filter(seen_at__gt=database_now() - HEARTBEAT_TIMEOUT)

    @classmethod
    def is_recent(cls) -> bool:
        """Return whether any worker is alive."""
        return cls.recent().exists()

    @classmethod
    def has(cls, folder: str) -> bool:
        """Return whether any worker that is alive has the folder of files with this name."""
        return cls.recent().filter(folder=folder).exists()

    @classmethod
    def failing_tasks(cls) -> list[str]:
        """Return the names of the periodic tasks that fail on any living worker, sorted."""
        return sorted({name for names in cls.recent().values_list("failing", flat=True) for name in names})

    @classmethod
    def wrong_clocks(cls) -> list[str]:
        """Return which clocks differ from the database's: "a worker’s is 3,600 s ahead"."""
        found = [("this web server’s", skew())]
        found += [
            ("a worker’s", ahead) for ahead in cls.recent().order_by("worker").values_list("skew", flat=True)
        ]
        return [
            f"{whose} is {abs(ahead):,.0f} s {'ahead' if ahead > 0 else 'behind'}"
            for whose, ahead in found
            if abs(ahead) > MAX_SKEW
        ]

    @classmethod
    def beat(cls, worker: str, failing: Iterable[str] = ()) -> None:
        """Record the heartbeat of ``worker`` and its failing tasks; delete those silent for a day."""
        now = database_now()
        beat = {"seen_at": now, "failing": list(failing), "skew": skew(), "folder": files.folder()}
        cls.objects.update_or_create(worker=worker, defaults=beat)
        cls.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()


@periodic_task("take jobs whose file has come")
def take_found_files(_now: datetime) -> int:
    """Let workers with this folder take jobs whose file was in another one, as after a restore."""
    taken = 0
    elsewhere = Job.objects.unfinished().exclude(folder__in=("", files.folder())).order_by("created_at")
    for job in elsewhere[:FILES_LOOKED_FOR]:
        if job.file.name and job.file.storage.exists(job.file.name):
            taken += Job.objects.filter(pk=job.pk, folder=job.folder).update(folder=files.folder())
    return taken


index_words(Job._meta.db_table, "label", "kind", has_integer_key=False)

import logging
import os
import secrets
import signal
import socket
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from audit import origin
from didmgmt.children import end_with_parent
from didmgmt.clock import database_now
from didmgmt.keys import refuse_others
from didmgmt.patience import JOB, limit_to
from jobs.companions import COMPANIONS, Companions
from jobs.models import Job, WorkerBeat
from jobs.periodic import run_periodic_tasks
from jobs.waking import rest

LONGEST_PAUSE = 30  # seconds between tries while the database fails
ROUND_EVERY = 10  # seconds between rounds of periodic tasks while a job runs
IDLE_ROUND_EVERY = 60  # seconds between rounds otherwise, unless a task that can't wait is due
BEAT_EVERY = 15  # seconds between heartbeats: after each write, a copy of SQLite's file starts over
DRAWN = secrets.token_hex(3)  # in the name of the worker: containers may share host name and process id

log = logging.getLogger("worker")


class Command(BaseCommand):
    help = "Run queued jobs and periodic tasks. Any number of workers may run at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="run everything that is queued now, then exit (for cron and tests)",
        )
        parser.add_argument(
            "--every",
            type=float,
            default=2.0,
            metavar="SECONDS",
            help="pause between looks for due work; a new job ends it",
        )

    def handle(self, *args: Any, once: bool, every: float, **options: Any) -> None:
        limit_to(JOB)
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{DRAWN}"
        refuse_others()
        self.stopped = threading.Event()
        self.companions = Companions(self.stopped)
        self.every = every
        self.next_beat = 0.0
        self.failing: list[str] = []
        if once:
            self._round()
            while self._job():
                pass
            for companion in COMPANIONS:
                companion.work(self.stopped)
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: self.stopped.set())
        end_with_parent()
        self.companions.start()
        due, pause = True, every
        while not self.stopped.is_set():
            try:
                if due:
                    self._round()
                self._beat()
                while self._job() and not self._between_chunks():
                    pass
                close_old_connections()
                resting = min(self._seconds_to_round(IDLE_ROUND_EVERY), self.next_beat - time.monotonic())
                due = (
                    rest(resting, every, self.stopped, self.companions)
                    or self._seconds_to_round(IDLE_ROUND_EVERY) <= 0
                )
                pause = every
            except (OperationalError, InterfaceError):
                # The database is down, busy or out of disk space; due work stays due.
                due, pause = True, min(pause * 2, LONGEST_PAUSE)
                log.exception("The database did not answer; trying again in %s s", pause)
                connection.close()
                self.stopped.wait(pause)
        self.companions.join()
        try:
            WorkerBeat.objects.filter(worker=self.name).delete()
        except (OperationalError, InterfaceError) as error:
            log.warning("The database did not answer; this worker is listed as silent for a day: %s", error)

    def _round(self) -> None:
        with origin("worker"):
            counts, failing = run_periodic_tasks(database_now())
        for task, count in counts.items():
            self.stdout.write(f"{task}: {count:,}")
        self.last_round, self.left_some = time.monotonic(), bool(counts)
        if failing != self.failing:
            self.failing, self.next_beat = failing, 0.0
        self._beat()

    def _seconds_to_round(self, every: float) -> float:
        """Return the seconds to the next round; one that handled many rows may have left some."""
        return self.last_round + (min(self.every, every) if self.left_some else every) - time.monotonic()

    def _beat(self) -> None:
        """Record a heartbeat if it is time."""
        if time.monotonic() >= self.next_beat:
            WorkerBeat.beat(self.name, self.failing)
            self.next_beat = time.monotonic() + BEAT_EVERY

    def _job(self) -> bool:
        """Run the oldest queued job; return False when there was none."""
        job = Job.objects.claim(self.name)
        if job is None:
            return False
        with origin(f"job {job.pk}"), self.companions.alone():
            job.run(self.name, self._between_chunks)
        self.stdout.write(f"{job}: {job.get_state_display().lower()}. {job.sentence}")
        return True

    def _between_chunks(self) -> bool:
        """Run periodic tasks and record a heartbeat during a long job; return whether the job must stop."""
        if self._seconds_to_round(ROUND_EVERY) <= 0:
            self._round()
        self._beat()
        return self.stopped.is_set()

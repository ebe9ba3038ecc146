import logging
import os
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
from jobs.models import Job, WorkerBeat
from jobs.periodic import run_periodic_tasks

LONGEST_PAUSE = 30  # seconds between tries while the database fails
ROUND_EVERY = 10  # seconds between rounds of periodic tasks while a job runs
BEAT_EVERY = 15  # seconds between heartbeats: after each write, a copy of SQLite's file starts over

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
            "--every", type=float, default=1.0, metavar="SECONDS", help="pause when nothing is queued"
        )

    def handle(self, *args: Any, once: bool, every: float, **options: Any) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopped = threading.Event()
        self.next_round = self.next_beat = 0.0
        self.failing: list[str] = []
        if once:
            self._round()
            while self._job():
                pass
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: self.stopped.set())
        end_with_parent()
        pause = every
        while not self.stopped.is_set():
            busy = False
            try:
                self._round()
                busy, pause = self._job(), every
            except (OperationalError, InterfaceError):
                # The database is down, busy or out of disk space; due work stays due.
                pause = min(pause * 2, LONGEST_PAUSE)
                log.exception("The database did not answer; trying again in %s s", pause)
                connection.close()
            close_old_connections()
            if not busy:
                self.stopped.wait(pause)
        WorkerBeat.objects.filter(worker=self.name).delete()

    def _round(self) -> None:
        with origin("worker"):
            counts, failing = run_periodic_tasks(database_now())
        for task, count in counts.items():
            self.stdout.write(f"{task}: {count:,}")
        now = time.monotonic()
        if now >= self.next_beat or failing != self.failing:
            WorkerBeat.beat(self.name, failing)
            self.failing, self.next_beat = failing, now + BEAT_EVERY
        self.next_round = now + ROUND_EVERY

    def _job(self) -> bool:
        """Run the oldest queued job; return False when there was none."""
        job = Job.objects.claim(self.name)
        if job is None:
            return False
        with origin(f"job {job.pk}"):
            job.run(self.name, self._between_chunks)
        self.stdout.write(f"{job}: {job.get_state_display().lower()}. {job.sentence}")
        return True

    def _between_chunks(self) -> bool:
        """Run periodic tasks and record a heartbeat during a long job; return whether the job must stop."""
        if time.monotonic() >= self.next_round:
            self._round()
        return self.stopped.is_set()

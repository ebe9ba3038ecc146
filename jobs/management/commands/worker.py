import logging
import os
import signal
import socket
import threading
import time

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from audit import origin
from jobs.models import Job, WorkerBeat
from jobs.periodic import run_duties

DUTIES_EVERY = 10  # seconds between rounds of what is due, while a job runs

log = logging.getLogger("worker")


class Command(BaseCommand):
    help = "Do waiting jobs, and what is due: ends of holds and of client packages. Any number may run."

    def add_arguments(self, parser):
        parser.add_argument(
            "--once", action="store_true", help="do all that waits now, then end (for cron and tests)"
        )
        parser.add_argument(
            "--every", type=float, default=1.0, metavar="SECONDS", help="pause when nothing waits"
        )

    def handle(self, *args, once, every, **options):
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopped, self.next_duties = threading.Event(), 0
        if once:
            self._round()
            while self._job():
                pass
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: self.stopped.set())
        while not self.stopped.is_set():
            busy = False
            try:
                self._round()
                busy = self._job()
            except (OperationalError, InterfaceError):
                # The database is away or busy: what is due stays due.
                log.exception("The database did not answer; trying again in %s s", every)
                connection.close()
            close_old_connections()
            if not busy:
                self.stopped.wait(every)
        WorkerBeat.objects.filter(worker=self.name).delete()

    def _round(self):
        with origin("worker"):
            for duty, count in run_duties(timezone.now()).items():
                self.stdout.write(f"{duty}: {count:,}")
        WorkerBeat.beat(self.name)
        self.next_duties = time.monotonic() + DUTIES_EVERY

    def _job(self):
        """Do the oldest waiting job; True when there was one."""
        job = Job.objects.claim(self.name)
        if job is None:
            return False
        with origin(f"job {job.pk}"):
            job.run(self.name, self._between_chunks)
        self.stdout.write(f"{job}: {job.get_state_display().lower()}. {job.sentence}")
        return True

    def _between_chunks(self):
        """Holds end and this worker is seen to live while a long job runs. True: the job must stop."""
        if time.monotonic() >= self.next_duties:
            self._round()
        return self.stopped.is_set()

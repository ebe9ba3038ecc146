import logging
import os
import signal
import socket
import threading

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from audit import origin
from jobs.duties import run_duties
from jobs.models import WorkerBeat

log = logging.getLogger("worker")


class Command(BaseCommand):
    help = "Do what is due: end holds and client packages whose time has come. Any number may run."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="one round, then end (for cron and tests)")
        parser.add_argument(
            "--every", type=float, default=5.0, metavar="SECONDS", help="pause between rounds"
        )

    def handle(self, *args, once, every, **options):
        name = f"{socket.gethostname()}:{os.getpid()}"
        if once:
            self._round(name)
            return
        stop = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: stop.set())
        while not stop.is_set():
            try:
                self._round(name)
            except (OperationalError, InterfaceError):
                # The database is away or busy: what is due stays due.
                log.exception("The database did not answer; trying again in %s s", every)
                connection.close()
            close_old_connections()
            stop.wait(every)
        WorkerBeat.objects.filter(worker=name).delete()

    def _round(self, name):
        with origin("worker"):
            for duty, count in run_duties(timezone.now()).items():
                self.stdout.write(f"{duty}: {count:,}")
        WorkerBeat.beat(name)

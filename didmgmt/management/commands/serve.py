"""``make run``: prepare an empty folder and run the product.

The command has two child processes, the web server and the worker, which start and stop together.
"""

import errno
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.staticfiles.finders import get_finders
from django.core.management import BaseCommand, call_command
from django.db import Error, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from audit import triggers

ANSWER_WITHIN = 60
STOP_WITHIN = 30
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and the address to connect to
LONGEST_HEADER = 256 * 1024  # bytes


class Command(BaseCommand):
    help = "Prepare the database and files, then run the web server and the worker until Ctrl-C."
    requires_system_checks = ()  # a second start stays fast; migrate runs the checks if needed

    def handle(self, *args, **options):
        try:
            self._check_folder()
            self._check_port()
            self._check_database()
            self._migrate()
            self._collect_static()
            if self._create_first_administrator() and settings.DEMO:
                self._load_demo()
        except KeyboardInterrupt:
            raise SystemExit("Stopped during the start. Run it again.") from None
        connections.close_all()
        self._run()

    # --- checks before anything starts ---

    def _check_folder(self):
        try:
            settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=settings.VAR_DIR):
                pass
        except OSError as error:
            refuse(
                f"The folder {settings.VAR_DIR} cannot be written ({error.strerror}). "
                "Make it writable or name another one with VAR_DIR."
            )

    def _check_port(self):
        host, port = settings.HOST, settings.PORT
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except socket.gaierror:
            refuse(f"HOST {host!r} is not an address or a name of this machine.")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                refuse(f"Port {port} on {host} is in use. Choose another one with PORT.")
            refuse(f"Cannot listen on {host} port {port}: {error.strerror}.")

    def _check_database(self):
        database = connection.settings_dict
        try:
            connection.ensure_connection()
            with transaction.atomic():
                pass  # takes the write lock on SQLite, which fails for a read-only file
        except Error as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
            if connection.vendor == "sqlite":
                refuse(f"The SQLite database {database['NAME']} cannot be opened for writing: {reason}.")
            where = f"{database['HOST'] or 'the local socket'}:{database['PORT'] or 5432}"
            refuse(f"The database {database['NAME']!r} at {where} cannot be reached: {reason}.")

    # --- preparation ---

    def _migrate(self):
        executor = MigrationExecutor(connection)
        if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self._say(f"Migrating the database ({len(plan)} migrations) …")
            call_command("migrate", interactive=False, verbosity=0)
        if restored := triggers.install(connection):
            self._say(f"{restored} history triggers were missing and have been reinstalled.")

    def _collect_static(self):
        """Collect and compress the static files unless they are unchanged."""
        if settings.DEBUG:
            return
        digest = hashlib.sha256()
        for finder in get_finders():
            for path, storage in finder.list([]):
                state = os.stat(storage.path(path))
                digest.update(f"{storage.path(path)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        stamp = settings.VAR_DIR / "static.collected"  # not in the folder, whose files are served
        if settings.STATIC_ROOT.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        stamp.unlink(missing_ok=True)
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest.hexdigest())

    def _create_first_administrator(self):
        """Create an administrator on the first start; return whether it was the first."""
        User = get_user_model()
        if User.objects.exists():
            return False
        given = os.environ.get("ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        admin = User.objects.create_superuser("admin", password=password)
        admin.groups.set(Group.objects.filter(name="Administrator"))
        shown = "the one in ADMIN_PASSWORD" if given else f"{password}   (shown only this once)"
        self._say(f"Created the first administrator.\n  User name: admin\n  Password:  {shown}")
        return True

    def _load_demo(self):
        if apps.get_model("dids", "DID").objects.exists():
            return
        self._say("Loading demonstration data (DEMO=0 starts empty) …")
        call_command("demo_data")

    # --- running ---

    def _run(self):
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        children = {"web server": start(*gunicorn()), "worker": start("manage.py", "worker")}
        try:
            if self._answers(children, stop):
                self._say(f"Running at {address()} – Ctrl-C stops it.")
                if settings.HOST in EVERY_ADDRESS and not os.environ.get("ALLOWED_HOSTS"):
                    self._say("Requests for other host names are refused until ALLOWED_HOSTS lists them.")
            while not stop.wait(0.2) and not ended(children):
                pass
        finally:
            first = ended(children)
            self._stop(children)
        if first and not stop.is_set():
            name, child = first
            refuse(f"The {name} exited with status {child.returncode}, so everything was stopped.")
        self._say("Stopped.")

    def _answers(self, children, stop):
        """Wait until the web server accepts connections; return False if stopped or a child has exited."""
        host = EVERY_ADDRESS.get(settings.HOST, settings.HOST)
        deadline = time.monotonic() + ANSWER_WITHIN
        while time.monotonic() < deadline and not ended(children):
            try:
                socket.create_connection((host, settings.PORT), timeout=1).close()
                return True
            except OSError:
                if stop.wait(0.05):
                    return False
        return False

    def _stop(self, children):
        for child in children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for name, child in children.items():
            try:
                child.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.stderr.write(f"The {name} did not stop within {STOP_WITHIN} s and was killed.")
                child.kill()
                child.wait()

    def _say(self, text):
        self.stdout.write(text)
        self.stdout.flush()


def refuse(sentence):
    raise SystemExit(f"Error: {sentence}")


def start(*arguments):
    """Start a child in its own process group, so that Ctrl-C reaches this process only."""
    environment = {name: value for name, value in os.environ.items() if name != "ADMIN_PASSWORD"}
    # glibc gives each thread its own heap and returns little of it after a large page.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=settings.BASE_DIR, env=environment, process_group=0
    )


def gunicorn():
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    command = ["-m", "gunicorn", "didmgmt.wsgi", "--bind", f"{host}:{settings.PORT}"]
    command += ["--workers", str(settings.WEB_PROCESSES), "--threads", str(settings.WEB_THREADS)]
    # Uploads and exports of millions of rows take minutes; threads keep up the heartbeat meanwhile.
    command += ["--worker-class", "gthread", "--timeout", "120", "--graceful-timeout", "20"]
    # A pasted list of 10,000 numbers is a URL of 200 kB, which htmx repeats in a header.
    command += ["--limit-request-line", "0", "--limit-request-field_size", str(LONGEST_HEADER)]
    command += ["--log-level", "warning", "--no-control-socket"]
    return [*command, "--reload"] if settings.DEBUG else command


def address():
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    return f"http://{host}:{settings.PORT}/"


def ended(children):
    """Return (name, process) of the first child that has exited, or None."""
    return next(((name, child) for name, child in children.items() if child.poll() is not None), None)

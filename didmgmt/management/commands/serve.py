"""``make run``: prepare an empty folder and run the product.

The web processes and the worker are children of the command, which starts those that die again.
"""

import hashlib
import os
import secrets
import tempfile
import time
from http.client import HTTPConnection

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.staticfiles.finders import get_finders
from django.core.management import BaseCommand, call_command
from django.db import Error, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

import audit
from audit import triggers
from didmgmt import windows
from didmgmt.children import Children
from didmgmt.management.commands.web import listening, refuse, stop_event, web_commands
from didmgmt.measures import shared_by_children

ANSWER_WITHIN = 60
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and the address to connect to


class Command(BaseCommand):
    help = "Prepare the database and files, then run the web server and the worker until Ctrl-C."
    requires_system_checks = ()  # a second start stays fast; migrate runs the checks if needed

    def handle(self, *args, **options):
        try:
            self._check_folder()
            listener = listening()
            self._check_database()
            self._migrate()
            self._collect_static()
            if self._create_first_administrator() and settings.DEMO:
                self._load_demo()
        except KeyboardInterrupt:
            raise SystemExit("Stopped during the start. Run it again.") from None
        connections.close_all()
        with shared_by_children(), windows.shared_by_children() as counts:
            self._run(listener, counts)

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
        with audit.change("staff", by=audit.SYSTEM, label="First administrator"):
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

    def _run(self, listener, counts):
        stop = stop_event()
        commands = web_commands(listener) | {"worker": ["manage.py", "worker"]}
        children = Children(commands, files=[listener.fileno(), counts], say=self._say)
        try:
            if first := self._ended_before_answering(children, stop):
                name, status = first
                refuse(f"The {name} exited with status {status}, so everything was stopped.")
            if not stop.is_set():
                self._say(f"Running at {address()} – Ctrl-C stops it.")
                if settings.HOST in EVERY_ADDRESS and not os.environ.get("ALLOWED_HOSTS"):
                    self._say("Requests for other host names are refused until ALLOWED_HOSTS lists them.")
            children.keep_running(stop)
        finally:
            listener.close()
            children.stop()
        self._say("Stopped.")

    def _ended_before_answering(self, children, stop):
        """Wait until the web server answers; return (name, status) of a child that has ended before."""
        deadline = time.monotonic() + ANSWER_WITHIN
        while time.monotonic() < deadline and not stop.is_set():
            if first := children.ended:
                return first
            if answers():
                return None
        return None

    def _say(self, text):
        self.stdout.write(text)
        self.stdout.flush()


def answers():
    """Return whether the web server answers its health check."""
    connection = HTTPConnection(EVERY_ADDRESS.get(settings.HOST, settings.HOST), settings.PORT, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def address():
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    return f"http://{host}:{settings.PORT}/"

"""Create databases and files for one measurement and remove them: history of jobs can't be deleted."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import CommandError
from django.db import ProgrammingError, connection


class Scratch:
    """Provide a folder next to the product's data, and databases of the same engine on the same server.

    Within its ``with`` block ``new`` and ``copy`` create databases, identified by their URLs, and ``run``
    starts a process for one of ``bench.steps``, so that the memory of each is measured from the start.
    Everything is removed at the end of the block, unless ``keep`` is set. ``empty`` is the URL of the
    database that ``new`` copies: migrations take longer than all steps on a few numbers.
    """

    empty = ""
    numbers = count(1)  # of a process: each database has a name of its own

    def __init__(self, *, keep=False):
        self.keep = keep

    def __enter__(self):
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.VAR_DIR))
        # Pages refer to the product's static files.
        (self.path / "static").symlink_to(settings.STATIC_ROOT)
        self.made = []
        return self

    def __exit__(self, *_):
        for url in list(self.made):
            if not self.keep or url == self.empty:
                self.drop(url)
        if not self.keep:
            shutil.rmtree(self.path)

    def new(self):
        """Create an empty database with the product's tables and triggers, and return its URL."""
        if not self.empty:
            self.empty = self._make("")
            self._process(self.empty, "manage.py", "migrate", "--verbosity", "0")
        return self.copy(self.empty)

    def copy(self, url):
        """Create a copy of a database, to which no process may be connected, and return its URL."""
        return self._make(url)

    def drop(self, url):
        self.made.remove(url)
        if connection.vendor == "postgresql":
            self._on_server(f'DROP DATABASE "{_name(url)}"')
        else:
            Path(_name(url)).unlink()

    def run(self, step, url, **arguments):
        """Return the result of ``step``, a dict. Raises CommandError if it fails."""
        return json.loads(self._process(url, *_step(step, arguments)))

    def each(self, step, url, **arguments):
        """Yield the dicts of ``step``, each computed on demand, so that several databases take turns.

        Other load on the machine then slows all of them equally.
        """
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.start(step, url, **pipes, **arguments) as child:
            try:
                while line := _next_line(child):
                    yield json.loads(line)
            finally:
                child.stdin.close()
        _check(child, step)

    def start(self, step, url, *, environment=(), stdin=None, stdout=None, text=None, **arguments):
        """Start a process for ``step`` with additional pairs in its ``environment``."""
        return subprocess.Popen(
            [sys.executable, *_step(step, arguments)],
            cwd=settings.BASE_DIR,
            env=self._environment(url) | dict(environment),
            stdin=stdin,
            stdout=stdout,
            text=text,
        )

    def _make(self, template):
        if connection.vendor == "postgresql":
            name = f"{connection.settings_dict['NAME'][:40]}_bench_{os.getpid()}_{next(self.numbers)}"
            like = f' TEMPLATE "{_name(template)}"' if template else ""
            self._on_server(f'CREATE DATABASE "{name}"{like}')
            url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        else:
            path = self.path / f"{next(self.numbers)}.sqlite3"
            url = f"sqlite:///{path}"
            if template:
                shutil.copyfile(_name(template), path)
        self.made.append(url)
        return url

    def _on_server(self, statement):
        # On a separate connection, since databases can't be created or dropped in a transaction.
        with closing(connection.copy()) as other, other.cursor() as cursor:
            try:
                cursor.execute(statement)
            except ProgrammingError as error:
                user = connection.settings_dict["USER"]
                raise CommandError(
                    "Jobs are measured in a database of their own, which could not be created:"
                    f" {error}. Grant the permission (ALTER ROLE {user} CREATEDB), or skip the jobs:"
                    " manage.py bench --rows 0."
                ) from None

    def _process(self, url, *command):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=self._environment(url),
            stdout=subprocess.PIPE,
            check=False,
        )
        _check(done, " ".join(command))
        return done.stdout

    def _environment(self, url):
        return os.environ | {
            "DATABASE_URL": url,
            "VAR_DIR": str(self.path),
            # Steps on a database that exists seal its history, with the keys of the product.
            "SECRET_KEY": settings.SECRET_KEY,
            "SEAL_KEY": settings.SEAL_KEY,
            "LOG_LEVEL": "ERROR",
            "REQUESTS_PER_MINUTE": "0",
            "ALLOWED_HOSTS": "testserver,127.0.0.1",
        }


def _step(step, arguments):
    return "manage.py", "bench", "--step", step, json.dumps(arguments)


def _next_line(child):
    """Request and return the next line of a child process; "" if it has ended."""
    try:
        child.stdin.write("\n")
        child.stdin.flush()
    except BrokenPipeError:
        return ""
    return child.stdout.readline()


def _check(process, step):
    if process.returncode:
        raise CommandError(f"The step {step} failed. See the output above.")


def _name(url):
    """Return the name of a PostgreSQL database, or the path of a SQLite file."""
    path = urlsplit(url).path
    return path.lstrip("/") if connection.vendor == "postgresql" else path

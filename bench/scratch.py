"""Databases and files for one measurement, gone after it: what jobs write into history stays for ever."""

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
    """A folder beside the product's own data, and databases of the same engine on the same server.

    Within its ``with`` block ``new`` and ``copy`` make databases, which are named by their addresses, and
    ``run`` has a process of its own do one of ``bench.steps`` on one: the memory of each is measured
    from its own beginning. All of it is gone at the end of the block, unless it is to ``keep``.
    """

    def __init__(self, *, keep=False):
        self.keep = keep

    def __enter__(self):
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.VAR_DIR))
        # Pages name their files, which are the product's own.
        (self.path / "static").symlink_to(settings.STATIC_ROOT)
        self.numbers, self.made = count(1), []
        return self

    def __exit__(self, *_):
        if self.keep:
            return
        for url in list(self.made):
            self.drop(url)
        shutil.rmtree(self.path)

    def new(self):
        """An empty database with the product's tables and triggers; its address."""
        url = self._make("")
        self._process(url, "manage.py", "migrate", "--verbosity", "0")
        return url

    def copy(self, url):
        """Another with the same content. No process may be connected to the first."""
        return self._make(url)

    def drop(self, url):
        self.made.remove(url)
        if connection.vendor == "postgresql":
            self._on_server(f'DROP DATABASE "{_name(url)}"')
        else:
            Path(_name(url)).unlink()

    def run(self, step, url, **what):
        """What ``step`` tells (a dict); raises CommandError when it fails."""
        return json.loads(self._process(url, *_step(step, what)))

    def each(self, step, url, **what):
        """What ``step`` yields (dicts), each when it is asked for: several databases by turns.

        Whatever else the machine does meanwhile then slows all of them alike.
        """
        with self.start(step, url, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **what) as child:
            try:
                while line := _asked(child):
                    yield json.loads(line)
            finally:
                child.stdin.close()
        _check(child, step)

    def start(self, step, url, *, environment=(), stdin=None, stdout=None, text=None, **what):
        """A process that does ``step``, with what else is in its ``environment`` (pairs)."""
        return subprocess.Popen(
            [sys.executable, *_step(step, what)],
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
        # By a connection of its own: databases are neither made nor dropped within a transaction.
        with closing(connection.copy()) as other, other.cursor() as cursor:
            try:
                cursor.execute(statement)
            except ProgrammingError as error:
                user = connection.settings_dict["USER"]
                raise CommandError(
                    "Jobs are measured in a database made for it, and this one could not be made:"
                    f" {error}. Give the user the right (ALTER ROLE {user} CREATEDB), or leave the jobs"
                    " out: manage.py bench --rows 0."
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
            "LOG_LEVEL": "ERROR",
            "ALLOWED_HOSTS": "testserver,127.0.0.1",
        }


def _step(step, what):
    return "manage.py", "bench", "--step", step, json.dumps(what)


def _asked(child):
    """The next line of a child, which waits to be asked; "" when it has ended."""
    try:
        child.stdin.write("\n")
        child.stdin.flush()
    except BrokenPipeError:
        return ""
    return child.stdout.readline()


def _check(process, step):
    if process.returncode:
        raise CommandError(f"The step {step} failed; the lines above say why.")


def _name(url):
    """Of a PostgreSQL database its name, of SQLite the path of its file."""
    path = urlsplit(url).path
    return path.lstrip("/") if connection.vendor == "postgresql" else path

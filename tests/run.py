"""Run every part of the tests that can run here, and report plainly those that cannot.

    python -m tests.run [lint] [sqlite] [postgresql] [browser]

PostgreSQL's tests run next to SQLite's, which are followed by the browser's, and lint runs next to both:
tests wait for workers, servers and pages, so several lanes keep two cores busier than one. Tests that need no
database run with SQLite's only. An engine is migrated once, and its processes take copies. The output of each
part is printed when the part is done; until then it is in ``.pytest_cache``. With CI=true, a part that cannot
run counts as a failure.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit
from xml.etree import ElementTree

import environ
import psycopg

from tests.chromium import chromium

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = "2"  # of each lane
DEFAULT_SERVER = "postgres://postgres:root@127.0.0.1:5432/test"
printing, compiling = Lock(), Lock()
lasting = ExitStack()  # undoes what lasts as long as the run


@dataclass
class Outcome:
    part: str
    state: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0


class CannotRunError(Exception):
    """Something outside the project is missing; the message names it."""


def main(wanted):
    parts = {"lint": lint, "sqlite": on_sqlite, "postgresql": on_postgresql, "browser": in_browser}
    if unknown := set(wanted) - set(parts):
        sys.exit(f"Error: there is no part {', '.join(sorted(unknown))}. Choose from {', '.join(parts)}.")
    wanted = wanted or list(parts)
    lanes = [["lint"], ["sqlite", "browser"], ["postgresql"]]
    chosen = [[(name, parts[name]) for name in lane if name in wanted] for lane in lanes]
    with lasting, ThreadPoolExecutor() as pool:
        outcomes = [outcome for lane in pool.map(run_lane, chosen) for outcome in lane]
    print("\n=== summary ===")
    for outcome in outcomes:
        print(f"{outcome.part:<11} {outcome.state}")
    passed, failed, skipped = (
        sum(getattr(outcome, count) for outcome in outcomes) for count in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def run_lane(parts):
    """Run these (name, function) pairs one after the other."""
    strict = os.environ.get("CI", "").lower() in ("1", "true")
    outcomes = []
    for name, run in parts:
        try:
            outcomes.append(run(name))
        except CannotRunError as reason:
            outcomes.append(Outcome(name, f"could not run: {reason}", failed=int(strict)))
    return outcomes


def lint(name):
    commands = (
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "mypy"],
        ["-m", "djlint", "--lint", "--quiet", "templates"],
        ["manage.py", "makemigrations", "--check", "--dry-run"],
    )
    failed = 0
    with tempfile.TemporaryDirectory(prefix="did-lint-") as folder:
        for command in commands:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment(folder),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            with printing:
                print(f"{name}: python {' '.join(command)}\n{done.stdout}", flush=True)
            failed += done.returncode != 0
    return Outcome(name, "failed" if failed else "passed", len(commands) - failed, failed)


def on_sqlite(name):
    return run_tests(name, "", "not browser")


def on_postgresql(name):
    return run_tests(name, postgresql(), "not browser and not without_database")


def in_browser(name):
    if chromium() is None:
        raise CannotRunError("there is no Chromium in PATH; name one with CHROMIUM")
    return run_tests(name, "", "browser")


def run_tests(name, database_url, marked):
    """Run the tests with that mark on that database ("" is SQLite in a temporary folder)."""
    output = ROOT / ".pytest_cache" / f"{name}.log"
    output.parent.mkdir(exist_ok=True)
    with compiling:
        of_browser = compile_tests()
    modules = of_browser if marked == "browser" else []  # of few tests: a process need not import all others
    template = migrated(database_url)
    print(f"{name}: started; its output is in {output.relative_to(ROOT)}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"did-{name}-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", PROCESSES, "-m", marked, *modules]
        with output.open("w") as file:
            done = subprocess.run(
                [*command, f"--junitxml={report}", "-o", f"cache_dir={folder}/cache"],
                cwd=ROOT,
                env=environment(folder, database_url) | {"TEST_TEMPLATE": template},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        with printing:
            print(f"\n=== {name}, {time.monotonic() - started:.0f} s ===\n{output.read_text()}", flush=True)
        if done.returncode == 5:
            raise CannotRunError("there are no such tests")
        suite = ElementTree.parse(report).getroot().find("testsuite").attrib if report.exists() else {}
    total, failures, errors, skipped = (
        int(suite.get(count, 0)) for count in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    if done.returncode and not failed:
        failed = 1  # pytest itself failed; its output is above
    return Outcome(name, "failed" if failed else "passed", max(0, total - failed - skipped), failed, skipped)


@cache
def compile_tests():
    """Compile the tests once, which would take each process of each lane several seconds.

    Return the modules that have tests of the browser, none if tests can’t be collected. What is wrong with
    them is reported by the lanes.
    """
    with tempfile.TemporaryDirectory(prefix="did-compile-") as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "--collect-only", "-m", "browser"],
            cwd=ROOT,
            env=environment(folder),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode:
        return []
    return sorted({line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line})


@cache
def migrated(database_url):
    """Migrate a database, of which each process takes a copy, and return its URL.

    Return "" if migrations fail: each process then migrates its own, and reports what is wrong.
    """
    folder = lasting.enter_context(tempfile.TemporaryDirectory(prefix="did-template-"))
    if database_url:
        url = lasting.enter_context(database_on(database_url))
    else:
        url = f"sqlite:///{folder}/db.sqlite3"
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    done = subprocess.run(command, cwd=ROOT, env=environment(folder, url), check=False)
    return "" if done.returncode else url


def environment(folder, database_url=""):
    """Return the caller's environment without what would lead to the caller's own data.

    Bytecode is written: the tests start hundreds of processes, which would all compile the product.
    """
    left_out = ("DATABASE_URL", "SECRET_KEY", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"VAR_DIR": folder} | ({"DATABASE_URL": database_url} if database_url else {})


# --- a PostgreSQL server for the tests ----------------------------------------------------------------------


@contextmanager
def database_on(url):
    """Yield the URL of a new database on that server, which is dropped at the end of this block."""
    parts = urlsplit(url)
    name = f"{parts.path.lstrip('/')}_template"
    with psycopg.connect(**login(url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
        yield parts._replace(path=f"/{name}").geturl()
        connection.execute(f'DROP DATABASE "{name}"')


def postgresql():
    """Return the URL of a server where databases can be created: given, default or temporary."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        if trouble := unusable(given):
            raise CannotRunError(f"TEST_DATABASE_URL can’t be used: {trouble}")
        return given
    trouble = unusable(DEFAULT_SERVER)
    if not trouble:
        # Each run has a database of its own, so that two runs do not collide.
        return DEFAULT_SERVER.removesuffix("test") + f"did_{os.getpid()}"
    folder = binaries()
    if folder is None:
        raise CannotRunError(
            f"no server at 127.0.0.1:5432 ({trouble}), no TEST_DATABASE_URL, no initdb in PATH"
        )
    return lasting.enter_context(temporary_server(folder))


def unusable(url):
    """Return why no test database can be created there, or None."""
    try:
        with psycopg.connect(**login(url), connect_timeout=3) as connection:
            query = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
            return None if connection.execute(query).fetchone()[0] else "its user may not create databases"
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]


def login(url):
    """Return the arguments with which psycopg connects to the server of that URL."""
    parts = environ.Env.db_url_config(url)
    where = {"host": parts["HOST"], "port": parts["PORT"] or 5432, "dbname": "postgres"}
    return where | {"user": parts["USER"], "password": parts["PASSWORD"]}


def binaries():
    """Return the newest folder with initdb and pg_ctl, or None."""
    if (found := shutil.which("initdb")) and shutil.which("pg_ctl", path=os.path.dirname(found)):
        return Path(found).parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in installed), key=lambda path: float(path.parent.name), default=None)


@contextmanager
def temporary_server(folder):
    """Start a server that runs as long as this block, and yield its URL."""
    with tempfile.TemporaryDirectory(prefix="did-postgresql-") as home:
        user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            names = {entry.pw_name for entry in pwd.getpwall()}
            owner = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(home, owner.pw_uid, owner.pw_gid)
            user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data = f"{home}/data"

        def run(program, *arguments):
            try:
                subprocess.run(
                    [folder / program, "-D", data, *arguments],
                    check=True,
                    cwd=home,
                    stdout=subprocess.DEVNULL,
                    **user,
                )
            except (OSError, subprocess.CalledProcessError) as error:
                raise CannotRunError(f"a temporary server did not start: {error}") from None

        # Nothing here has to survive a crash, so the server need not wait for the disk.
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {home}"
        run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        run("pg_ctl", "start", "--wait", "-o", options, "-l", f"{home}/log")
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/did"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

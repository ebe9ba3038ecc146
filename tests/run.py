"""``make test``: every part of the tests that can run here, and a plain account of those that cannot.

    python -m tests.run [lint] [sqlite] [postgresql] [browser]

With CI=true a part that cannot run is a failure.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import environ
import psycopg

from tests.chromium import chromium

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = "2"
USUAL_SERVER = "postgres://postgres:root@127.0.0.1:5432/test"


@dataclass
class Outcome:
    part: str
    state: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0


class CannotRun(Exception):
    """Something outside the project is missing; the message says what."""


def main(wanted):
    parts = {"lint": lint, "sqlite": on_sqlite, "postgresql": on_postgresql, "browser": in_browser}
    if unknown := set(wanted) - set(parts):
        sys.exit(f"Error: there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}.")
    strict = os.environ.get("CI", "").lower() in ("1", "true")
    outcomes = []
    for name in wanted or parts:
        print(f"\n=== {name} ===", flush=True)
        try:
            outcomes.append(parts[name](name))
        except CannotRun as reason:
            outcomes.append(Outcome(name, f"could not run: {reason}", failed=int(strict)))
    print("\n=== summary ===")
    for outcome in outcomes:
        print(f"{outcome.part:<11} {outcome.state}")
    passed, failed, skipped = (
        sum(getattr(outcome, count) for outcome in outcomes) for count in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def lint(name):
    commands = (
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["manage.py", "makemigrations", "--check", "--dry-run"],
    )
    failed = 0
    with tempfile.TemporaryDirectory(prefix="did-lint-") as folder:
        for command in commands:
            print("$ python", *command, flush=True)
            code = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment(folder)).returncode
            failed += code != 0
    return Outcome(name, "failed" if failed else "passed", len(commands) - failed, failed)


def on_sqlite(name):
    return tests(name, "", "not browser")


def on_postgresql(name):
    with ExitStack() as stack:
        return tests(name, postgresql(stack), "not browser")


def in_browser(name):
    if chromium() is None:
        raise CannotRun("there is no Chromium in PATH; name one with CHROMIUM")
    return tests(name, "", "browser")


def tests(name, database_url, marked):
    """Run the tests so marked on that database ("" is SQLite in a temporary folder)."""
    with tempfile.TemporaryDirectory(prefix=f"did-{name}-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", PROCESSES, "-m", marked]
        code = subprocess.run(
            [*command, f"--junitxml={report}"], cwd=ROOT, env=environment(folder, database_url)
        ).returncode
        if code == 5:
            raise CannotRun("there are no such tests")
        suite = ElementTree.parse(report).getroot().find("testsuite").attrib if report.exists() else {}
    total, failures, errors, skipped = (
        int(suite.get(count, 0)) for count in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    if code and not failed:
        failed = 1  # pytest itself came to grief: its own words are above
    return Outcome(name, "failed" if failed else "passed", max(0, total - failed - skipped), failed, skipped)


def environment(folder, database_url=""):
    """The caller's, without what would lead to the caller's own data."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SECRET_KEY")}
    return kept | {"VAR_DIR": folder} | ({"DATABASE_URL": database_url} if database_url else {})


# --- a PostgreSQL to test on ----------------------------------------------------------------------


def postgresql(stack):
    """The address of a server where we may make databases: the named, the usual, or one of our own."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        if trouble := unusable(given):
            raise CannotRun(f"TEST_DATABASE_URL is of no use: {trouble}")
        return given
    trouble = unusable(USUAL_SERVER)
    if not trouble:
        # A name of this run's own: two runs at once must not share a database.
        return USUAL_SERVER.removesuffix("test") + f"did_{os.getpid()}"
    folder = binaries()
    if folder is None:
        raise CannotRun(f"no server at 127.0.0.1:5432 ({trouble}), no TEST_DATABASE_URL, no initdb in PATH")
    return stack.enter_context(temporary_server(folder))


def unusable(url):
    """Why no test database can be made there; None when it can."""
    parts = environ.Env.db_url_config(url)
    try:
        with psycopg.connect(
            host=parts["HOST"],
            port=parts["PORT"] or 5432,
            user=parts["USER"],
            password=parts["PASSWORD"],
            dbname="postgres",
            connect_timeout=3,
        ) as connection:
            query = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
            return None if connection.execute(query).fetchone()[0] else "its user may not create databases"
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]


def binaries():
    """The folder with initdb and pg_ctl, newest first; None where there is none."""
    if (found := shutil.which("initdb")) and shutil.which("pg_ctl", path=os.path.dirname(found)):
        return Path(found).parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in installed), key=lambda path: float(path.parent.name), default=None)


@contextmanager
def temporary_server(folder):
    """Start a server that lives as long as this block; yields its address."""
    with tempfile.TemporaryDirectory(prefix="did-postgresql-") as home:
        someone = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            names = {entry.pw_name for entry in pwd.getpwall()}
            owner = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(home, owner.pw_uid, owner.pw_gid)
            someone = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
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
                    **someone,
                )
            except (OSError, subprocess.CalledProcessError) as error:
                raise CannotRun(f"a server of our own did not start: {error}") from None

        # What a crash would lose is of no use to anybody here: no waiting for the disk.
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {home}"
        run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        run("pg_ctl", "start", "--wait", "-o", options, "-l", f"{home}/log")
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/did"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

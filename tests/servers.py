"""Servers beside the application, as processes of their own: PgBouncer, Prometheus, PostgreSQL."""

import os
import pwd
import re
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from django.conf import settings
from django.db import connection

from tests.programs import accepts_connections, free_port, program, require
from tests.roles import PASSWORD, made
from tests.run import binaries

SERVER = binaries() and (binaries() / "initdb").resolve().parent  # of PostgreSQL


@contextmanager
def folder_of_postgres():
    """Yield (a folder, options of subprocess): servers of databases refuse to run as root."""
    with tempfile.TemporaryDirectory(prefix="did-servers-") as folder:
        options = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        yield Path(folder), options


@contextmanager
def pgbouncer(size, port=None):
    """Yield the port of a PgBouncer with deploy/pgbouncer.ini and ``size`` connections to the test database.

    ``port``: of the PostgreSQL behind it, by default the one of the tests.
    """
    command, database, own = program("pgbouncer"), connection.settings_dict, free_port()
    where = f"host={database['HOST'] or '127.0.0.1'} port={port or database['PORT'] or 5432}"
    user, password = (made[0], PASSWORD) if made else (database["USER"], database["PASSWORD"])
    where += f" user={user} password='{password}'"
    text = (settings.BASE_DIR / "deploy" / "pgbouncer.ini").read_text()
    for written, here in (
        (r"\ndid_jobs = .*", ""),
        (r"did = host=database port=5432 pool_size=\d+", f"{database['NAME']} = {where} pool_size={size}"),
        (r"listen_addr = \*", "listen_addr = 127.0.0.1\nunix_socket_dir ="),
        ("listen_port = 6432", f"listen_port = {own}"),
        ("auth_type = scram-sha-256\nauth_file = .*", "auth_type = any"),
    ):
        text, count = re.subn(written, here, text)
        assert count, written
    with folder_of_postgres() as (folder, options):
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(text)
        configuration.chmod(0o644)
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([command, "--quiet", configuration], stderr=log, stdout=log, **options)
        try:
            while process.poll() is None and not accepts_connections(own):
                time.sleep(0.02)
            assert process.poll() is None, (folder / "log").read_text()
            yield own
        finally:
            process.kill()
            process.wait()


@contextmanager
def prometheus(folder, configuration):
    """Yield the port of a Prometheus with this configuration (YAML)."""
    command, port = program("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(configuration)
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "log.level": "warn"}
    options["web.listen-address"] = f"127.0.0.1:{port}"
    written = [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen([command, *written], cwd=folder) as process:
        try:
            while process.poll() is None and not _is_ready(port):
                time.sleep(0.02)
            assert process.poll() is None
            yield port
        finally:
            process.kill()


def _is_ready(port):
    with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", "/-/ready")
        return client.getresponse().status == 200
    return False


class Cluster:
    """A PostgreSQL of its own with a copy of the test database, to stop, freeze and restart."""

    def __init__(self, folder, options, name="data", addresses=()):
        self.data, self.port, self._options, self._folder = folder / name, free_port(), options, folder
        self._addresses = ",".join(["127.0.0.1", *addresses])
        self.copies = 0

    def run(self, program, *arguments):
        command = [SERVER / program, *arguments]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, **self._options)

    def start(self):
        where = f"-c listen_addresses={self._addresses} -c port={self.port} -k {self._folder}"
        self.run("pg_ctl", "start", "--wait", "-D", self.data, "-l", f"{self.data}.log", "-o", where)

    def stop(self):
        """Stop it if it runs, without a farewell."""
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "stop", "--wait", "-D", self.data, "-m", "immediate")

    def restart(self):
        """Lose all that is not committed, as in a crash."""
        connection.close()
        self.stop()
        self.start()

    @contextmanager
    def standby(self):
        """Yield a server that follows this one, until it is promoted."""
        other = Cluster(self._folder, self._options, "standby")
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "-D", other.data]
        self.run("pg_basebackup", *where, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        other.start()
        try:
            yield other
        finally:
            other.stop()

    def promote(self):
        self.run("pg_ctl", "promote", "--wait", "-D", self.data)

    def signal(self, number):
        """Send a signal to all processes of the server."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=False)
        for pid in (first, *map(int, children.stdout.split())):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @contextmanager
    def database(self):
        """Let the test's own connection use a new copy of the test database, on this server."""
        used = connection.settings_dict
        before = {name: used[name] for name in ("HOST", "PORT", "USER", "NAME")}
        self.copies += 1
        copy = f"{used['NAME']}_{self.copies}"
        there = ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres"]
        self.run("createdb", *there, f"--template={used['NAME']}", copy)
        connection.close()
        used.update({"HOST": "127.0.0.1", "PORT": self.port, "USER": "postgres", "NAME": copy})
        try:
            yield
        finally:
            connection.close()
            used.update(before)


@contextmanager
def cluster(*addresses):
    """Yield a ``Cluster`` with a copy of the test database, for the networks of these addresses too."""
    require("initdb", SERVER)
    with folder_of_postgres() as (folder, options):
        made = Cluster(folder, options, addresses=addresses)
        made.run("initdb", "-D", made.data, "--username=postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
        with open(made.data / "postgresql.conf", "a") as file:
            file.write("fsync = off\nmax_connections = 100\n")
        with open(made.data / "pg_hba.conf", "a") as file:
            file.write("host all all samenet trust\n")
        made.start()
        try:
            _copy(connection.settings_dict, folder / "dump", made)
            yield made
        finally:
            made.stop()


def _copy(database, dump, to):
    """Copy the test database into another cluster."""
    environment = os.environ | ({"PGPASSWORD": database["PASSWORD"]} if database["PASSWORD"] else {})
    here = [f"--host={database['HOST'] or '127.0.0.1'}", f"--port={database['PORT'] or 5432}"]
    command = [SERVER / "pg_dump", *here, f"--username={database['USER']}", "--format=custom"]
    subprocess.run([*command, f"--file={dump}", database["NAME"]], check=True, env=environment)
    dump.chmod(0o644)
    there = ["--host=127.0.0.1", f"--port={to.port}", "--username=postgres"]
    to.run("createdb", *there, database["NAME"])
    for role in made:
        statement = f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'"
        to.run("psql", *there, "--quiet", f"--command={statement}", "postgres")
    to.run("pg_restore", *there, f"--dbname={database['NAME']}", "--no-owner", dump)


@contextmanager
def without_database(monkeypatch):
    """Let the next connection find no database. For tests without a transaction."""
    connection.close()
    name, nowhere = ("NAME", "/nowhere/db.sqlite3") if connection.vendor == "sqlite" else ("PORT", "1")
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, name, nowhere)
        try:
            yield
        finally:
            connection.close()

"""Two web hosts and three hosts with workers in network namespaces, of which one of each is cut off."""

import signal
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection

from audit import SYSTEM
from audit.models import Change
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from dids.job_kinds import submit_edit
from dids.models import DID, DIDHistory, counters
from jobs.models import Job
from operators.models import Operator
from tests.carrier import carrier, everything
from tests.dids.models.test_racing import stock_is_exact
from tests.imports import staged
from tests.kills import Nursery, database_url, is_running, kill, wait_for
from tests.networks import hosts
from tests.servers import cluster
from tests.web_server import collect_static, running
from tests.world import client_of, member

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no hosts"),
]

COUNT = 600  # numbers of each job, three chunks of tests.kills
KINDS = "edit", "undo", "import"
IDLE = 10  # seconds, the least that may be set


@pytest.fixture
def network():
    """Yield (two web hosts, three hosts of workers, the address and port of a database with its tests)."""
    with hosts(5) as (address, made), cluster(address) as server, server.database():
        yield made[:2], made[2:], (server.port, address)


class Person:
    """Somebody who is signed in, at whichever web host."""

    def __init__(self, role):
        cookies = client_of(member(role)).cookies
        cookies[settings.CSRF_COOKIE_NAME] = "t" * 32
        self._headers = {"Host": "localhost", "X-CSRFToken": "t" * 32}
        self._headers["Cookie"] = cookies.output(attrs=[], header="", sep=";").strip()
        self._headers["Content-Type"] = "application/x-www-form-urlencoded"

    def open(self, web, path, form=None):
        """Return the status of the answer, None if there is none."""
        with closing(self.send(web, path, form)) as client:
            try:
                return client.getresponse().status
            except (HTTPException, OSError):
                return None

    def send(self, web, path, form=None):
        """Return the connection over which a request was sent."""
        client = HTTPConnection(web.address, web.port, timeout=30)
        client.request("POST" if form else "GET", path, form and urlencode(form), self._headers)
        return client

    def write(self, web, path, form):
        """Send a form until it is carried out; before that the database may be busy or left alone."""
        while (status := self.open(web, path, form)) != 302:
            assert status == 503


def edit(number, notes):
    """Return the address and the form that write the notes of a number."""
    ids = DID.objects.get(number=number).pk
    form = {"scope": "ids", "ids": ids, "step": "apply", "change_notes": "on", "notes": notes}
    return "/dids/mass-edit/", form


class Work:
    """A job of each kind on numbers of its own."""

    def __init__(self, house, owner, monkeypatch):
        self.operators = {
            kind: Operator.objects.create(reseller=house.reseller, name=f"Operator of {kind}")
            for kind in KINDS
        }
        for n, operator in enumerate(self.operators.values(), 5):
            numbers = [f"{n}{k:08}" for k in range(COUNT)]
            DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM)
        self.numbers("undo").edit(by=SYSTEM, notes="to undo")
        undone = Change.objects.latest("pk")
        lines = [f"{did.number},note of the file" for did in self.numbers("import").order_by("pk")]
        file = staged("\n".join(["DID,Notes", *lines]), owner)
        monkeypatch.setattr("dids.imports.wizard.IN_REQUEST", 0)
        assert file.apply(file.checked)
        self.jobs = {
            "edit": submit_edit(owner, everything(self.operators["edit"]), {"notes": "edited"}),
            "undo": submit_undo(Undo(undone, by=owner)),
            "import": file.job,
        }

    def numbers(self, kind):
        return DID.objects.filter(operator=self.operators[kind])

    def middle(self, kind):
        """Return a number of the second chunk."""
        return self.numbers(kind).order_by("pk")[COUNT // 2]

    def assert_written_once(self):
        written = {"edit": "edited", "undo": "", "import": "note of the file"}
        for kind, job in self.jobs.items():
            assert (job.state, job.worker, job.done) == (Job.State.DONE, "", COUNT), kind
            rows = DIDHistory.objects.filter(change=job.change)
            assert rows.count() == rows.values("object_id").distinct().count() == COUNT, kind
            assert job.change.touched == COUNT, kind
            assert set(self.numbers(kind).values_list("notes", flat=True)) == {written[kind]}
        counters.compact()
        assert stock_is_exact()


@contextmanager
def held(dids):
    """Hold numbers, and yield a function that waits until so many sessions wait for them."""
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            ids = [did.pk for did in dids]
            cursor.execute("SELECT 1 FROM dids_did WHERE id = ANY(%s) FOR UPDATE", [ids])
        holder = other.connection.info.backend_pid
        yield lambda count: wait_until(lambda: waiting_for(holder) == count)
        other.rollback()


def waiting_for(holder):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [holder]
        )
        return cursor.fetchone()[0]


def wait_until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_work_on_hosts_that_are_cut_off_is_done_once_by_others(network, tmp_path, monkeypatch):
    webs, places, database = network
    house, owner = carrier(), member("Supervisor")
    work = Work(house, owner, monkeypatch)
    DID.objects.create_numbers(["700", "701", "702"], operator=house.operator, by=SYSTEM)
    one, other = Person("Administrator"), Person("Provisioner")
    variables = {
        "DATABASE_URL": database_url(*database),
        "DATABASE_IDLE_SECONDS": str(IDLE),
        "SECRET_KEY": settings.SECRET_KEY,
        "DEBUG": "0",
    }
    collect_static(tmp_path)
    (tmp_path / "files").symlink_to(settings.MEDIA_ROOT)
    with ExitStack() as stack:
        nurseries = [stack.enter_context(Nursery(*database, place.prefix)) for place in places]
        lost_web, web = (stack.enter_context(running(tmp_path, host=host, **variables)) for host in webs)
        assert (one.open(lost_web, "/dids/"), other.open(web, "/dids/")) == (200, 200)
        lost = [nurseries[0].start() for _ in KINDS]
        near = []
        for worker in lost:
            stack.callback(kill, worker)
        with held([*(work.middle(kind) for kind in KINDS), DID.objects.get(number="700")]) as reached:
            reached(len(KINDS))
            unanswered = stack.enter_context(closing(one.send(lost_web, *edit("700", "of the lost host"))))
            reached(len(KINDS) + 1)
            near += [nursery.start() for nursery in nurseries[1:]]
            for worker in near:
                stack.callback(kill, worker)
            webs[0].cut()
            places[0].cut()
            assert other.open(web, *edit("701", "meanwhile")) == 302

        for job in work.jobs.values():
            wait_for(job, lambda job=job: job.is_finished)
        work.assert_written_once()
        rows = DIDHistory.objects.count()
        for worker in near:
            kill(worker, signal.SIGTERM)
            wait_until(lambda worker=worker: not is_running(worker))
        places[0].mend()
        # The numbers of the lost chunks are free; that of the lost page is when PostgreSQL has given it up.
        for kind in KINDS:
            assert other.open(web, *edit(work.middle(kind).number, "by a person")) == 302
        other.write(web, *edit("700", "of the other host"))
        assert one.open(web, "/dids/") == 200
        webs[0].mend()
        for kind in KINDS:
            submit_edit(owner, everything(work.operators[kind]), {"notes": "next"})
        with held(work.middle(kind) for kind in KINDS) as reached:
            reached(len(KINDS))  # so each of the lost workers has one of the jobs
        wait_until(lambda: not Job.objects.unfinished().exists())
        wait_until(lambda: one.open(lost_web, "/dids/") == 200)
        one.write(lost_web, *edit("702", "again"))
        with suppress(HTTPException, OSError):
            assert unanswered.getresponse().status != 302
    notes = DID.objects.filter(operator=house.operator).values_list("number", "notes")
    assert set(notes) == {("700", "of the other host"), ("701", "meanwhile"), ("702", "again")}
    assert DIDHistory.objects.count() == rows + len(KINDS) * (COUNT + 1) + 2
    counters.compact()
    assert stock_is_exact()

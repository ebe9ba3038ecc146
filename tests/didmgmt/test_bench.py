"""The bench command: it measures everything and leaves nothing behind. No test checks speed."""

import json
import re
import shutil
import sqlite3
from contextlib import ExitStack, closing
from io import StringIO
from itertools import combinations, islice
from xml.etree import ElementTree

import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from audit import SYSTEM
from audit.models import Change
from bench import growth, load, pages, report, scratch
from bench.jobs import index_names
from clients.models import Client
from dids.models import DID, DIDHistory, Stock
from jobs.models import Job
from staff.models import Token, User
from tests.world import make_world

pytestmark = pytest.mark.django_db

# Each of these starts some twenty processes, so it runs on the engine whose SQL it has more of.
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="measured on SQLite only")
on_postgresql = pytest.mark.skipif(connection.vendor == "sqlite", reason="measured on PostgreSQL only")
SORTS = ("id", "status", "operator", "number", "tag", "notes", "client", "reseller")
ENDS = ("first", "next", "last")


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    """Keep the databases of tests that run in parallel apart.

    Static files too: WhiteNoise reads a shared folder of them anew for the client of each later test.
    """
    settings.VAR_DIR, settings.STATIC_ROOT = tmp_path, tmp_path / "static"
    settings.STATIC_ROOT.mkdir()


@pytest.fixture(scope="module")
def empty(tmp_path_factory, django_db_setup, django_db_blocker):
    """Let the tests of this module copy one empty database, and return its URL."""
    stack, folder = ExitStack(), tmp_path_factory.mktemp("empty")
    with django_db_blocker.unblock(), override_settings(VAR_DIR=folder):
        made = stack.enter_context(scratch.Scratch())
        if connection.vendor == "sqlite" and settings.TEMPLATE:  # the test of the list migrates by itself
            made.empty = made.copy(settings.TEMPLATE)
        made.drop(made.new())
    stack.enter_context(pytest.MonkeyPatch.context()).setattr(scratch.Scratch, "empty", made.empty)
    yield made.empty
    with django_db_blocker.unblock():
        stack.close()


def test_the_one_search_is_measured_with_more_clients_which_are_removed():
    make_world()
    User.objects.create_superuser("admin")
    before, out = _inventory(), StringIO()
    call_command("bench", "--find", "30", "--runs", "1", stdout=out)
    lines = _lines(out)
    assert len(lines) == 32 and {line["status"] for line in lines} == {200}
    assert all(line["found"] for line in lines)
    assert _inventory() == before and not Job.objects.exists() and Client.objects.count() < 30
    with pytest.raises(CommandError, match="--find must be at least 1"):
        call_command("bench", "--find", "0")


def test_requests_of_programs_are_measured_without_leaving_a_token():
    make_world()
    User.objects.create_superuser("admin")
    out = StringIO()
    call_command("bench", "--api", "--runs", "1", stdout=out)
    lines = _lines(out)
    assert len(lines) == 10 and all(line["cpu"] > 0 and line["queries"] > 1 for line in lines)
    assert not Token.objects.exists()


def test_the_bench_reports_each_scenario_and_leaves_the_inventory_unchanged(monkeypatch):
    monkeypatch.setattr(growth, "UNIT", 4)
    make_world()
    User.objects.create_superuser("admin")
    before = _inventory()
    out = StringIO()

    call_command("bench", "--writes", "50", "--rows", "0", stdout=out)

    lines = _lines(out)
    assert len(lines) == 38
    assert all(line["web"] > 0 and line["cpu"] >= line["web"] for line in lines if "web" in line)
    assert all(line["grows"] > 0 for line in lines if "ms_8" in line)
    assert all(line["p50"] > 0 for line in lines if "p50" in line)
    assert all(line["ours"] > 0 and line["rows"] == 50 for line in lines if "ours" in line)
    assert _inventory() == before


@on_postgresql
@pytest.mark.owner
def test_jobs_are_measured_on_databases_that_are_dropped_afterwards(empty):
    make_world()
    before, databases = _inventory(), _databases()
    out = StringIO()

    call_command("bench", "--only-jobs", "--rows", "120", "--edits", "40", stdout=out)

    lines = {line["scenario"]: line for line in _lines(out)}
    compared = [
        "import: check",
        "import: apply",
        "import",
        "rows of a program",
        "undo: import",
        "create a range",
        "export CSV",
        "export XLSX",
        "mass edit: notes",
        "mass edit: after_hold",
        "undo: edit",
        "end a package",
    ]
    meanwhile = [
        f"{request} during {job}"
        for job in ("an import", "making a range", "a mass edit of all")
        for request in ("page of the list", "edit of one number")
    ]
    assert list(lines) == [*compared, *meanwhile]
    for name in compared:
        assert lines[name]["ours"] > 0 and lines[name]["raw"] > 0 and lines[name]["ratio"] > 0
        assert lines[name]["memory"] >= 0
    assert lines["export CSV"]["first_byte"] > 0
    assert lines["undo: import"]["preview"] > 0 and lines["undo: edit"]["preview"] > 0
    assert {line["rows"] for line in lines.values()} == {120, 40}
    assert all(lines[name]["times"] >= 1 and lines[name]["max"] > 0 for name in meanwhile)
    assert all(lines[name]["ratio"] > 0 and lines[name]["worker_most"] > 10 for name in meanwhile)
    assert (_inventory(), _databases()) == (before, databases)


@on_sqlite
def test_imports_and_mass_edits_are_compared_with_a_minimal_schema(empty):
    make_world()
    before, databases = _inventory(), _databases()
    out = StringIO()

    call_command("bench", "--minimal", "--rows", "120", "--edits", "40", stdout=out)

    lines = {line["scenario"]: line for line in _lines(out)}
    assert list(lines) == ["import", "mass edit: notes", "mass edit: after_hold"]
    assert all(line["cpu"] > 0 and line["raw_cpu"] > 0 and line["cpu_ratio"] > 0 for line in lines.values())
    assert (_inventory(), _databases()) == (before, databases)


def test_who_had_it_is_measured_and_compared_with_its_queries():
    make_world()
    DID.objects.filter(number="12568").delete()
    User.objects.create_superuser("admin")
    before, out = _inventory(), StringIO()

    call_command("bench", "--who-had-it", "9", "--runs", "1", stdout=out)

    lines = {line["scenario"]: line for line in _lines(out)}
    assert list(lines) == [
        "who had it: answers",
        "who had it: answers, bound to a reseller",
        "who had it: /audit/who-had-it/",
        "who had it: /audit/who-had-it/statement/",
        "who had it: /audit/who-had-it/csv/",
    ]
    assert all(line["p50"] > 0 and line["asked"] == 9 for line in lines.values())
    assert lines["who had it: answers"]["ratio"] > 0 and lines["who had it: answers"]["queries"] >= 5
    assert _inventory() == before


@on_sqlite
def test_each_index_is_measured_with_an_import_without_it(empty):
    make_world()
    before, databases = _inventory(), _databases()
    names = [DIDHistory._meta.indexes[0].name]
    assert {*names, DID._meta.indexes[0].name} < set(index_names())
    out = StringIO()
    call_command("bench", "--indexes", *names, "--rows", "60", stdout=out)
    lines = _lines(out)
    assert [line["scenario"] for line in lines] == names
    assert all(line["with_all"] > 0 and line["without"] > 0 for line in lines)
    assert (_inventory(), _databases()) == (before, databases)


@on_sqlite
def test_an_import_is_measured_with_and_without_marks(empty):
    make_world()
    before, databases = _inventory(), _databases()
    out = StringIO()
    call_command("bench", "--marks", "1", "--rows", "60", stdout=out)
    [line] = _lines(out)
    assert line["scenario"] == "import"
    assert line["cpu"] > 0 and line["without"] > 0 and line["geography"] > 0
    assert line["heads"] == 1
    assert (_inventory(), _databases()) == (before, databases)


@on_sqlite
def test_the_list_is_measured_at_several_sizes(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "BASE", 220)
    databases, saved, out = _databases(), tmp_path / "lists.jsonl", StringIO()

    options = ("--large-operator", "--runs", "1", "--save", str(saved))
    call_command("bench", "--lists", "300", *options, stdout=out)

    lines = _lines(out)
    assert [json.loads(line) for line in saved.read_text().splitlines()] == lines
    names = [line["scenario"] for line in lines if line["rows"] == 220]
    assert [line["scenario"] for line in lines if line["rows"] == 300] == names
    assert len(set(names)) == len(names)
    assert {f"by {key}{way}: {page}" for key in SORTS for way in ("", ", down") for page in ENDS} <= set(
        names
    )
    filters = ("status", "operator", "reseller", "client", "tag")
    assert {" and ".join(pair) for n in (1, 2) for pair in combinations(filters, n)} <= set(names)
    assert {"next", "previous", "last", "middle page", "last, 20 a page", "bound: next"} <= set(names)
    assert {"exact", "range", "list of 1,000", "number page", "history of a number"} <= set(names)
    assert {"as of an hour ago", "as of half way back: client", "as of near the beginning: last"} <= set(
        names
    )
    assert all(line["p50"] > 0 and line["queries"] > 0 and line["ratio"] > 0 for line in lines)
    shown = {line["scenario"]: line["shown"] for line in lines}
    assert (shown["first"], shown["next"], shown["contains what there is not"]) == (100, 100, 0)
    addresses = {line["scenario"]: line["address"] for line in lines}
    assert len({addresses[name] for name in ("first", "next", "last", "first, 20 a page")}) == 4
    assert shown["largest status and operator"] == 100  # of the 35 %
    assert _databases() == databases


def test_pages_are_measured_without_leaving_users_or_their_sessions(monkeypatch, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    world, every = make_world(), pages.scenarios
    DID.objects.create_numbers(
        map(str, range(44_000_000_000, 44_000_000_250)), operator=world.operator, by=SYSTEM
    )
    DID.objects.all().edit(by=SYSTEM, add_tags=["gold"])
    monkeypatch.setattr(pages, "scenarios", lambda chosen: islice(every(chosen), 2))
    assert len(list(pages.visit(1))) == 2
    assert not User.objects.filter(username__startswith="bench").exists()
    assert not Session.objects.exists()


def test_steps_seal_with_the_keys_of_the_product(settings):
    settings.SECRET_KEY, settings.SEAL_KEY = "s" * 60, "e" * 60
    with scratch.Scratch() as made:
        environment = made._environment("sqlite:///x")
    assert (environment["SECRET_KEY"], environment["SEAL_KEY"]) == ("s" * 60, "e" * 60)


@on_sqlite
def test_concurrent_users_are_measured_on_a_kept_database_and_server_errors_fail_the_bench(empty):
    databases, out, again = _databases(), StringIO(), StringIO()

    call_command("bench", "--mixed", "1", "--numbers", "60", "--clients", "2", "--keep", stdout=out)
    (url,) = re.search("Kept, for --at: (.*)", out.getvalue())[1].split()

    lines = {line["scenario"]: line for line in _lines(out)}
    assert set(lines) == {"list", "number page", "edit", "all"}  # and no error
    assert {(line["rows"], line["clients"]) for line in lines.values()} == {(60, 2)}
    assert lines["all"]["times"] >= 2 and lines["all"]["p99"] >= lines["all"]["p50"] > 0
    assert len(_databases()) == len(databases) + 1
    _execute(url, "ALTER TABLE jobs_job RENAME TO no_job")  # which every page reads
    with pytest.raises(CommandError, match="requests failed or got no answer"):
        call_command("bench", "--mixed", "1", "--at", url, stdout=again)
    assert '"status": 503' in again.getvalue()
    with scratch.Scratch() as made:
        made.made.append(url)


@on_sqlite
@pytest.mark.owner
def test_a_database_without_numbers_is_not_measured(capfd, empty):
    with pytest.raises(CommandError, match="pages failed"):
        call_command("bench", "--lists", "--at", empty, stdout=StringIO())
    assert "The database has no numbers" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lists"], "Give the sizes"),
        (["--lists", "0"], "Sizes must be from 1 to"),
        (["--large-operator"], "applies to --lists with sizes"),
        (["--lists", "20000001"], "Sizes must be from 1 to"),
        (["--lists", "500", "--at", "sqlite:////x"], "not both"),
        (["--lists", "--at", "sqlite:////there/is/none"], "There is no file /there/is/none"),
        (["--lists", "--at", "mysql://there"], "not the URL of a database"),
        (["--lists", "500", "--runs", "0"], "at least 1"),
        (["--mixed", "0"], "at least 1"),
        (["--mixed", "5", "--clients", "0"], "at least 1"),
        (["--mixed", "5", "--at", "postgres://a/b", "postgres://a/c"], "takes one database"),
        (["--mixed", "5", "--at", "postgres://a/b", "--keep"], "Remove --keep"),
        (["--keep"], "Add one of these"),
        (["--meanwhile", "--rows", "0"], "at least 1"),
        (["--indexes", "--rows", "0"], "at least 1"),
        (["--indexes", "no_such_index"], "There is no index no_such_index. Choose from "),
        (["--marks", "0"], "--marks and its --rows must be at least 1"),
        (["--marks", "1", "--rows", "0"], "--marks and its --rows must be at least 1"),
        (["--who-had-it", "10001"], "takes 1 to 10,000 numbers"),
        (["--meanwhile", "--mixed", "5"], "not allowed with"),
        (["--lists", "many"], "invalid int value"),
        (["--lists", "500", "--save", "/there/is/no/folder/x"], "no folder /there/is/no/folder"),
    ],
)
def test_invalid_options_are_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(CommandError, match=re.escape(sentence)):
        call_command("bench", *arguments)


@pytest.mark.parametrize(
    ("status", "html", "sentence"),
    [
        (302, "", ""),
        (200, "<h1>DID Management</h1>", ""),
        (200, '<div class="notice notice-error"><p>No &amp; no.</p></div>', "No & no."),
        (422, '<p class="field-error" id="x"><svg/><span>Too <b>long</b></span></p>', "Too long"),
        (500, "<h1>That did not work</h1>", "That did not work"),
        (502, "", "no words"),
    ],
)
def test_the_error_of_a_page_is_found(status, html, sentence):
    assert load.error_in(status, html) == sentence


def test_tables_and_plots_are_written_from_the_results(tmp_path):
    (tmp_path / "results").mkdir()
    about = {"bench": "lists", "scenario": "last", "group": "page", "queries": 9, "p95": 80.0}
    lines = [
        about | {"engine": engine, "rows": rows, "p50": p50, "ratio": ratio, "grows": ratio > 1.5}
        for engine in ("sqlite", "postgresql")
        for rows, p50, ratio in ((10_000, 40.0, 1.0), (1_000_000, 1234.5, 30.86))
    ]
    (tmp_path / "results" / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "README.md").write_text(f"# Bench\n{report.MARKER}old content\n")

    report.write(tmp_path)
    report.write(tmp_path)  # is idempotent

    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"# Bench\n{report.MARKER}\n![Pages of the whole list](plots/page.svg)\n")
    assert "old content" not in readme
    row = "| last | 9 | 40.0 | 1,234.5 | 80.0 | **30.86** | 40.0 | 1,234.5 | 80.0 | **30.86** |\n"
    assert readme.count(row) == 1
    svg = ElementTree.parse(tmp_path / "plots" / "page.svg").getroot()
    lines = svg.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    (x, y), (x2, y2) = (map(float, spot.split(",")) for spot in lines[0].get("points").split())
    assert x < x2 and y > y2  # more numbers to the right, more time at the top


def test_the_figures_of_the_readme_match_the_results(tmp_path):
    shutil.copytree(report.BENCH / "results", tmp_path / "results")
    shutil.copy(report.BENCH / "README.md", tmp_path)

    report.write(tmp_path)

    plots = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.glob("plots/*.svg")}
    assert (tmp_path / "README.md").read_text() == (report.BENCH / "README.md").read_text()
    assert plots == {
        path.relative_to(report.BENCH): path.read_text() for path in report.BENCH.glob("plots/*.svg")
    }


def test_jobs_need_at_least_twice_as_many_numbers_as_edits():
    with pytest.raises(CommandError, match="half of --rows"):
        call_command("bench", "--only-jobs", "--rows", "100", "--edits", "51")


@pytest.mark.owner
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no permissions")
def test_a_missing_permission_to_create_databases_is_explained(monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "assume_role", "pg_monitor")

    with pytest.raises(CommandError, match="CREATEDB"), scratch.Scratch() as made:
        made.new()


def _lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{")]


def _execute(url, sql):
    sqlite = url.startswith("sqlite:")
    other = sqlite3.connect(url.removeprefix("sqlite:///")) if sqlite else psycopg.connect(url)
    with closing(other):
        other.execute(sql)
        other.commit()


def _inventory():
    counts = (DID.objects.count(), DIDHistory.objects.count(), Change.objects.count(), Job.objects.count())
    return (*counts, Stock.objects.by_status())


def _databases():
    """Return the databases of the server, or those in files."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            name = f"{connection.settings_dict['NAME']}_bench_"
            cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name])
            return cursor.fetchall()
    return sorted(settings.VAR_DIR.glob("bench-*/*.sqlite3"))


def test_the_bench_needs_numbers_to_list():
    with pytest.raises(CommandError, match="no numbers"):
        call_command("bench")

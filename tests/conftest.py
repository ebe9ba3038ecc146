import gc
import os
import shutil
import socket
from contextlib import ExitStack
from copy import deepcopy
from itertools import groupby

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase
from playwright.sync_api import expect, sync_playwright

from audit import triggers
from didmgmt import clock, downloads
from tests import chromium, networks, roles
from tests.examples import scaled
from tests.world import make_world, member, session_cookie

# The time of an example depends on the load of the machine.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=scaled(100))
hypothesis.settings.load_profile("suite")


# A test that uses none of these runs once: pytest-django refuses queries of a test that did not ask for them.
DATABASE_FIXTURES = {"db", "transactional_db", "module_db", "live_server", "database_url"}
SHARED = ExitStack()  # undoes the world that tests share now


def pytest_itemcollected(item):
    """Mark tests that need no database, before the marks decide which tests run."""
    if not uses_database(item):
        item.add_marker(pytest.mark.without_database)


@pytest.hookimpl(trylast=True)  # when it is settled which tests run
def pytest_collection_modifyitems(items):
    """Start the longest test first, so that nothing waits for it alone."""
    items.sort(key=lambda item: "test_simulated_year" not in item.nodeid)
    for item in items:
        if rolls_back_a_world(item):
            item.add_marker(pytest.mark.shared_world)
    # Those that share it follow one another; pytest-django has moved the tests that commit to the end.
    by_module = groupby(list(items), key=module_of)
    items[:] = [item for _, tests in by_module for item in sorted(tests, key=lambda test: not shares(test))]


def pytest_configure():
    """Collect garbage more rarely than a server should: a tenth of the time of a test went into it."""
    gc.set_threshold(50_000, 20, 1_000)


def pytest_collection_finish():
    """Spare the garbage collector what lives as long as the process; it would examine it again and again."""
    gc.freeze()


def uses_database(test):
    """Return whether a test asks for the database, or is limited to an engine, whose server it may start."""
    marks = [test.get_closest_marker(name) for name in ("django_db", "browser", "skipif")]
    return any(marks) or not DATABASE_FIXTURES.isdisjoint(test.fixturenames)


def rolls_back_a_world(test):
    """Return whether a test uses the ``world`` of this file within a transaction of its own."""
    fixtures, marker = set(test.fixturenames), test.get_closest_marker("django_db")
    other = {"transactional_db", "live_server", "module_db"} & fixtures or test.get_closest_marker("browser")
    other = other or (marker and marker.kwargs.get("transaction")) or hasattr(module_of(test).obj, "world")
    return "world" in fixtures and not other


def shares(test):
    return test.get_closest_marker("shared_world") is not None


def module_of(test):
    return test.getparent(pytest.Module)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Undo a shared world after the last test that shares it, which may be one that is skipped."""
    result = yield
    if nextitem is None or not shares(nextitem) or module_of(nextitem) is not module_of(item):
        SHARED.close()
    return result


# --- the database ---------------------------------------------------------------------------------

FILLED_BY_MIGRATIONS = {
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "staff_rolerecord",
}


def empty_all_tables(test_case):
    """Delete everything but the rows of migrations.

    This replaces ``flush``, which the triggers of history refuse and which would delete the roles.
    """
    for alias in test_case._databases_names(include_mirrors=False):
        connection = connections[alias]
        tables = set(connection.introspection.django_table_names(only_existing=True)) - FILLED_BY_MIGRATIONS
        if connection.vendor == "postgresql" and is_superuser(connection):
            delete_all_rows(connection, sorted(tables))
            continue
        triggers.drop(connection)
        connection.ops.execute_sql_flush(
            connection.ops.sql_flush(no_style(), sorted(tables), reset_sequences=False)
        )
        triggers.install(connection)


def is_superuser(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        return cursor.fetchone()[0]


def delete_all_rows(connection, tables):
    """Delete row by row: TRUNCATE takes half a second, because it replaces every file."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb, django_db_modify_db_settings):
    """Begin with a copy of the migrated database of tests/run.py, if there is one.

    PostgreSQL makes that copy when Django creates the database; Django takes a file as one to be kept.
    """
    if not settings.TEMPLATE or connection.vendor != "sqlite":
        return django_db_keepdb
    test = settings.DATABASES["default"]["TEST"]
    shutil.copyfile(test["TEMPLATE"], test["NAME"])
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Run the tests as the application's role where the server lets us make one, see tests/roles.py."""
    with django_db_blocker.unblock():
        if connection.vendor != "postgresql" or not is_superuser(connection):
            yield
            return
        roles.make_application_role()
    yield
    with django_db_blocker.unblock():
        roles.drop_application_role()


@pytest.fixture(autouse=True)
def _slots_of_files():
    """Give each test all slots: a response that a test has not read keeps its own until it is collected."""
    downloads._written.cache_clear()
    downloads._sent.cache_clear()


@pytest.fixture(autouse=True)
def role_of_the_test(request):
    """Run all tests as the application's role that are not marked ``owner``."""
    node, used = request.node, {"db", "transactional_db", "module_db"} & set(request.fixturenames)
    if not (used or node.get_closest_marker("django_db")) or not roles.as_application_wanted(node):
        yield
        return
    request.getfixturevalue("db")
    with roles.as_application():
        yield


@pytest.fixture(scope="session", autouse=True)
def transactional_tests_keep_the_roles():
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", empty_all_tables)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def skew_is_measured_on_connecting():
    """Compare the clocks before a test sets its own: from then on the difference would be taken for skew."""

    def compare(connection, **_):
        if connection is connections["default"]:
            clock.now()

    connection_created.connect(compare)
    yield
    connection_created.disconnect(compare)


@pytest.fixture(scope="module")
def module_db(django_db_setup, django_db_blocker):
    """Give fixtures of a module one transaction; each test rolls back its own writes."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def database_url(tmp_path):
    """Yield the URL of an empty database on the engine under test, for another process."""
    connection = connections["default"]
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path}/db.sqlite3"
        return
    server = {key: connection.settings_dict[key.upper()] for key in ("user", "password", "host", "port")}
    name = f"did_empty_{os.getpid()}"
    with psycopg.connect(**{k: v for k, v in server.items() if v}, dbname="postgres", autocommit=True) as db:
        db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        db.execute(f"CREATE DATABASE {name}")
        yield "postgres://{user}:{password}@{host}:{port}/".format(**server) + name
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- the cast (tests/world.py) ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def worlds():
    """Return a list of the world of the tests that share one now."""
    return []


@pytest.fixture(scope="class", autouse=True)  # of a plain function: its own, before its transaction begins
def shared_world(request, worlds):
    """Make a world before the first test of a module that shares it."""
    if not shares(request.node) or worlds:
        return
    request.getfixturevalue("django_db_setup")
    blocker, opened = request.getfixturevalue("django_db_blocker"), ExitStack()

    def undo():
        worlds.clear()
        with blocker.unblock():
            transaction.set_rollback(True)
            opened.close()

    with blocker.unblock():
        opened.enter_context(transaction.atomic())
        SHARED.callback(undo)
        worlds.append(make_world())


@pytest.fixture
def world(request, worlds, db):
    """Return a world: a copy of the shared one in a test that rolls back, because making it takes long."""
    return deepcopy(worlds[0]) if shares(request.node) else make_world()


@pytest.fixture
def viewer(db):
    return member("Viewer")


@pytest.fixture
def clerk(db):
    return member("Clerk")


@pytest.fixture
def provisioner(db):
    return member("Provisioner")


@pytest.fixture
def supervisor(db):
    return member("Supervisor")


@pytest.fixture
def administrator(db):
    return member("Administrator", is_staff=True)


@pytest.fixture
def owner(world):
    """Return a supervisor bound to Reseller 1, which has nearly everything."""
    return member("Supervisor", username="owner", reseller=world.reseller)


@pytest.fixture
def stranger(world):
    """Return an administrator bound to Reseller 2."""
    return member("Administrator", username="stranger", reseller=world.reseller_2, is_staff=True)


# --- the network ----------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def only_this_machine():
    """Fail a test that connects to another machine, and name the machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(original):
        def guard(self, address):
            here = {"127.0.0.1", "::1", "localhost"} | networks.addresses
            if self.family != socket.AF_UNIX and address[0] not in here:
                self.close()
                raise AssertionError(f"A test tried to connect to {address[0]}")
            return original(self, address)

        return guard

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded(connect))
    patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    yield
    patch.undo()


# --- the browser ----------------------------------------------------------------------------------

PATIENCE = 60_000  # milliseconds for what a page should show or do; a busy machine is only slow


@pytest.fixture(scope="session")
def browser():
    path = chromium.chromium()
    if path is None:
        pytest.skip("there is no Chromium; name one with CHROMIUM")
    # playwright runs an event loop in this thread, in which Django would refuse every query.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        process = playwright.chromium.launch(
            executable_path=chromium.DEAF, args=chromium.FLAGS, env=os.environ | {"CHROMIUM": path}
        )
        expect.set_options(timeout=PATIENCE)
        yield process
        process.close()


@pytest.fixture
def page(browser, live_server):
    """Return a new page on the live server.

    The test fails for an uncaught script error and for anything that the Content-Security-Policy refused.
    """
    complaints = []
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def own_seal_log(settings, tmp_path):
    """Give the test a log of seals of its own: its database begins with seal 1 again."""
    settings.SEAL_LOG = tmp_path / "seals.log"


@pytest.fixture
def page_of(page, live_server):
    """Return a function that returns the page with a given user signed in."""

    def signed_in(user):
        page.context.add_cookies([session_cookie(user, live_server.url)])
        return page

    return signed_in

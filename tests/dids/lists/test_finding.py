"""The one search over numbers, records, jobs and changes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM, triggers
from audit.models import Change
from clients.models import Account, Client, Package
from dids.lists import finding
from dids.lists.finding import find
from dids.models import DID, SavedView, Tag
from jobs.models import Job
from operators.models import Operator
from tests.reads import rows_read
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


def names(found):
    """Return {kind: the texts of its rows}."""
    return {one.kind: [getattr(row, "number", str(row)) for row in one.rows] for one in found}


@pytest.fixture
def clients(world):
    for name in ("Hamburger Hafen", "Port of Hamburg", "Alt-hamburg_sails", "Shamburg", "Hamburg"):
        Client.objects.create(reseller=world.reseller, name=name)


def test_names_that_begin_with_the_text_come_before_names_with_such_a_word(world, viewer, clients):
    (found,) = find("hamb", viewer, "clients")
    texts = names([found])["clients"]
    assert texts[:2] == ["Hamburg", "Hamburger Hafen"]
    assert sorted(texts[2:]) == ["Alt-hamburg_sails", "Port of Hamburg"]
    assert found.total == 4 and not found.exact


def test_every_word_has_to_begin_a_word_of_the_name(world, viewer, clients):
    assert names(find("ham haf", viewer))["clients"] == ["Hamburger Hafen"]
    assert find("hamb 'x:* |", viewer) == []
    assert find("%", viewer) == []


def test_a_whole_name_comes_first(world, viewer, clients):
    (found,) = find("HAMBURG", viewer, "clients")
    assert found.exact and found.rows[0].name == "Hamburg"


def test_each_kind_is_found_by_name_with_its_counts(world, administrator):
    DID.objects.filter(number="2567").edit(tags=["rosewood"], by=administrator)
    Operator.objects.create(reseller=world.reseller, name="Rose Telecom")
    Package.objects.create(reseller=world.reseller, name="Rose 5", did_limit=5)
    Job.objects.create(kind="mass_edit", label="Import roses.csv", owner=administrator)
    found = {one.kind: one for one in find("rose", administrator)}
    assert set(found) >= {"clients", "accounts", "operators", "packages", "tags", "jobs"}
    assert found["clients"].rows[0].did_count == 2
    assert found["accounts"].rows[0].did_count == 2
    assert found["tags"].rows[0].did_count == 1
    assert names([found["jobs"]])["jobs"] == ["Import roses.csv"]


def test_a_number_is_found_as_in_its_list_and_the_whole_one_first(world, viewer):
    found = find("2568", viewer)
    assert found[0].kind == "numbers" and found[0].exact
    assert names(found)["numbers"][:2] == ["2568", "12568"]
    assert find("11*", viewer, "numbers")[0].total == 6
    assert names(find("111, 999", viewer))["numbers"] == ["111"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("256 active", ["2567"]),
        ("Active 256", ["2567"]),
        ("25 in stock", ["256999"]),
        ("2563 on hold", ["2563"]),
        ("256 hold blocked", ["2563", "2568"]),
        ("2567, 2568 blocked", ["2568"]),
        ("2568 blocked", ["2568"]),
        ("12* did oper reserved", ["12568"]),
        ("12* did oper blocked", None),
        ("256 gold", ["2567", "256999"]),
        ("256 gold active", ["2567"]),
        ("256 active nobody", None),
        ("active", None),
        ("2568 active", None),
    ],
)
def test_digits_are_found_with_a_status_an_operator_or_a_tag(world, supervisor, text, numbers):
    DID.objects.filter(number__in=["2567", "256999"]).edit(tags=["gold"], by=supervisor)
    found = find(text, supervisor, "numbers")
    assert names(found) == ({"numbers": numbers} if numbers else {})


def test_an_operator_of_another_branch_is_no_word_of_a_search(world, stranger):
    assert names(find("33 did oper", stranger, "numbers")) == {"numbers": ["3333"]}
    Operator.objects.create(reseller=world.reseller, name="Thornwick")
    assert find("33 thornwick", stranger) == []


def test_an_id_finds_records_numbers_and_changes(world, viewer):
    assert names(find(f"#{world.client.pk}", viewer, "clients")) == {"clients": ["Rose Orig"]}
    assert names(find(f"#{world.did('3333').pk}", viewer, "numbers")) == {"numbers": ["3333"]}
    change = Change.objects.latest("pk")
    assert find(f"#{change.pk}", viewer, "changes")[0].rows == [change]


def test_a_deleted_number_is_found_where_no_other_matches(world, administrator):
    DID.objects.filter(number="256999").delete_unused(by=administrator)
    (found,) = find("256999", administrator, "numbers")
    assert [row.number for row in found.deleted] == ["256999"] and not found.rows


def test_a_bound_person_finds_nothing_of_another_branch(world, stranger):
    foreign = Client.objects.create(reseller=world.reseller, name="Rose Two")
    Account.objects.create(client=foreign, name="rose_two")
    Client.objects.create(reseller=world.reseller_2, name="Rose Three")
    DID.objects.filter(number__in=["2567", "3333"]).edit(tags=["rosewood"], by=stranger)
    DID.objects.filter(number__in=["2567"]).edit(tags=["rosehip"], by=member("Supervisor"))
    found = {one.kind: one for one in find("rose", stranger)}
    assert names(found.values()) == {"clients": ["Rose Three"], "tags": ["rosewood"]}
    assert found["tags"].rows[0].did_count == 1 and found["clients"].total == 1
    assert names(find("33", stranger, "numbers")) == {"numbers": ["3333"]}
    for text, kind in (
        ("2568", ""),
        ("Basic", ""),
        (f"#{world.did('2568').pk}", "numbers"),
        (f"#{foreign.pk}", "clients"),
        (f"#{world.operator.pk}", "operators"),
    ):
        assert find(text, stranger, kind) == [], text
    own = Change.objects.visible_to(stranger)
    assert {row.pk for row in find("new", stranger, "changes")[0].rows} <= {change.pk for change in own}


def test_saved_views_are_found_by_name_where_they_may_be_opened(world, viewer, owner, stranger):
    for who, name, audience in (
        (viewer, "Rose on Hold", "me"),
        (owner, "Roses", "all"),
        (owner, "Rose of my own", "me"),
        (stranger, "Rose elsewhere", "all"),
    ):
        SavedView.objects.create(
            owner=who, reseller=who.reseller, name=name, audience=audience, query="status=hold"
        )
    colleague = member("Viewer", username="colleague", reseller=world.reseller)
    assert names(find("rose", viewer, "views")) == {"views": ["Rose on Hold"]}
    assert names(find("on hold", viewer, "views")) == {"views": ["Rose on Hold"]}
    assert names(find("rose", owner, "views"))["views"] == ["Rose of my own", "Roses"]
    assert names(find("roses", colleague, "views")) == {"views": ["Roses"]}
    assert names(find("rose", stranger, "views")) == {"views": ["Rose elsewhere"]}
    assert find("ROSES", owner, "views")[0].exact
    assert find(str(SavedView.objects.get(name="Roses").pk), owner, "views") == []


def test_a_kind_without_the_permission_is_not_searched(world, clerk):
    clerk.groups.clear()
    assert find("rose", clerk) == find("2568", clerk) == []


def test_the_queries_do_not_grow_with_what_is_found(world, viewer, clients, django_assert_max_num_queries):
    with django_assert_max_num_queries(45):
        find("113", viewer)
    with django_assert_max_num_queries(25):
        find("hamb", viewer)


def test_very_many_numbers_are_not_counted(world, viewer, stranger):
    many = [str(number) for number in range(700_000, 700_600)]
    DID.objects.create_numbers(many, operator=world.operator, by=SYSTEM)
    DID.objects.create_numbers(["7009990"], operator=world.operator_2, by=SYSTEM)
    for text in ("700*", "700", "*0", "700000-700599"):
        with CaptureQueriesContext(connection) as seen:
            (found,) = find(text, viewer, "numbers")
        assert found.total.more and found.total == 50, text
        assert not any("count(" in query["sql"].lower() for query in seen.captured_queries), text
    for text in ("700*", "700", "*9990"):  # after the numbers of others
        (found,) = find(text, stranger, "numbers")
        assert [row.number for row in found.rows] == ["7009990"] and found.total == 1


def test_digits_that_most_numbers_have_are_found_in_the_branch(world, viewer, owner, stranger, monkeypatch):
    """Such numbers are not looked up by the prefixes of numbers."""
    monkeypatch.setattr("dids.lists.substring.SCANS_MAX", 0)
    DID.objects.create_numbers(["91", "1919"], operator=world.operator_2, by=SYSTEM)
    for text, own in (("1", ["91", "1919"]), ("*1", ["91"]), ("*9", ["1919"])):
        (found,) = find(text, stranger, "numbers")
        assert sorted(row.number for row in found.rows) == sorted(own) and found.total == len(own), text
    expected = DID.objects.visible_to(owner).filter(number__contains="1")
    (found,) = find("1", owner, "numbers")
    assert [row.number for row in found.rows] == [
        *expected.order_by("number").values_list("number", flat=True)
    ]
    assert find("1", viewer, "numbers")[0].total == len(found.rows) + 2


def test_digits_after_many_of_others_are_found_without_reading_the_branch(world, stranger, monkeypatch):
    monkeypatch.setattr(finding, "NEAR", 20)
    operator, other = world.operator_2, world.operator
    DID.objects.create_numbers([str(n) for n in range(44_7654_0000, 44_7654_0050)], operator=other, by=SYSTEM)
    DID.objects.create_numbers(["4976540001", "3376540001"], operator=operator, by=SYSTEM)

    def read():  # digits that are no id
        (found,) = find("765400", stranger, "numbers")
        assert [row.number for row in found.rows] == ["3376540001", "4976540001"]

    read()
    few = rows_read(read)
    without = [str(n) for n in range(46_0000_0000, 46_0000_3000)]
    DID.objects.create_numbers(without, operator=operator, by=SYSTEM)
    assert rows_read(read) < few + 40


def test_the_newest_jobs_and_changes_are_read_in_the_order_of_an_index(world, administrator):
    """Sorting all jobs took longer than everything else among 100,000."""
    with CaptureQueriesContext(connection) as seen:
        find("rose", administrator)
    for table, index in (("jobs_job", "job_newest"), ("audit_change", "change_log")):
        newest = f"LIMIT {finding.NEWEST}"
        (query,) = [
            q["sql"] for q in seen.captured_queries if f'FROM "{table}"' in q["sql"] and newest in q["sql"]
        ]
        assert index in explained(query)


def test_jobs_and_changes_of_long_ago_are_found_by_their_words(world, administrator, stranger):
    Job.objects.create(kind="create", label="Import Lübeck.csv", owner=administrator)
    for name in ("Roses of Lübeck", *(f"Newer {n}" for n in range(finding.NEWEST + 5))):
        Client(reseller=world.reseller, name=name).record(by=administrator, fields=())
    Job.objects.bulk_create(
        Job(kind="create", label=f"Newer {n}", owner=administrator) for n in range(finding.NEWEST + 5)
    )
    found = {one.kind: one for one in find("lüb", administrator)}
    assert names([found["jobs"], found["changes"]]) == {
        "jobs": ["Import Lübeck.csv"],
        "changes": ["New client Roses of Lübeck"],
    }
    assert found["changes"].total == 1 and not found["changes"].total.more and not found["changes"].is_cut
    assert names(find("lüb", administrator, "jobs")) == {"jobs": ["Import Lübeck.csv"]}
    assert find("newer", administrator)[-1].total.more
    assert find("lüb", stranger) == []


def test_of_very_many_changes_with_the_words_some_are_looked_through(
    world, administrator, stranger, monkeypatch
):
    """A person with one reseller would otherwise wait until those of all others are looked through."""
    own = Client(reseller=world.reseller_2, name="Newt")
    own.record(by=stranger, fields=())
    for n in range(8):
        Client(reseller=world.reseller, name=f"Newt {n}").record(by=administrator, fields=())
    assert names(find("newt", stranger, "changes")) == {"changes": ["New client Newt"]}
    assert not find("newt", stranger, "changes")[0].is_cut
    monkeypatch.setattr(finding, "LOOKED", 5)
    assert find("newt", stranger, "changes")[0].is_cut
    assert "looked through" in client_of(stranger).get("/find/?q=newt&kind=changes").text


@pytest.mark.parametrize("model", [Client, Account, Operator, Package, Tag, SavedView])
def test_words_of_names_are_found_as_they_are_now(world, administrator, model):
    fields = {
        Client: {"reseller": world.reseller},
        Account: {"client": world.client},
        Operator: {"reseller": world.reseller},
        Package: {"reseller": world.reseller, "did_limit": 1},
        SavedView: {"owner": administrator, "query": ""},
    }.get(model, {})
    kind = {Account: "accounts", Operator: "operators", Package: "packages", SavedView: "views", Tag: "tags"}
    kind = kind.get(model, "clients")

    def found(text):
        return [one.pk for group in find(text, administrator, kind) for one in group.rows]

    row = model.objects.create(name="Alte Ölmühle", **fields)
    assert found("ölm") == found("ÖLM alt") == [row.pk]
    model.objects.filter(pk=row.pk).update(name="Neue Ölmühle")
    assert found("öl neu") == [row.pk] and found("öl alt") == []
    model.objects.filter(pk=row.pk).delete()
    assert found("ölm") == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps its triggers during migrations")
def test_what_was_written_without_triggers_is_indexed_with_them(world, administrator):
    triggers.drop(connection)
    Client.objects.create(reseller=world.reseller, name="Night shift")
    job = Job.objects.create(kind="create", label="Night shift", owner=administrator)
    triggers.install(connection)
    assert names(find("shift", administrator)) == {"clients": ["Night shift"], "jobs": ["Night shift"]}
    Job.objects.filter(pk=job.pk).update(label="Day shift")
    assert names(find("day", administrator, "jobs")) == {"jobs": ["Day shift"]}
    job.delete()
    assert find("shift", administrator, "jobs") == []


def test_words_are_found_by_their_index(world, administrator):
    """SQLite compared every name, which took most of a search among 100,000 clients."""
    with CaptureQueriesContext(connection) as seen:
        find("rose or", administrator)
    for table in ("clients_client", "clients_account", "jobs_job", "audit_change"):
        index = f"{table}_words"
        searched = "to_tsquery" if connection.vendor == "postgresql" else "MATCH"
        (query,) = [q["sql"] for q in seen.captured_queries if searched in q["sql"] and table in q["sql"]]
        assert index in explained(query) if connection.vendor == "postgresql" else index in query


def explained(query):
    """Return the plan of a query as for a large table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {query}")
        return "\n".join(str(row) for row in cursor.fetchall())

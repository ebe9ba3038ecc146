"""How many rows each change touched, by reseller and model, and who may open it."""

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

import audit
from audit import SYSTEM, history
from audit.models import WITHOUT_HISTORY, Change, Touched
from audit.seals.touched import verify_touched
from dids import job_kinds as work
from dids.history.audit_log import log_entries, log_listing
from dids.job_kinds import submit_create
from dids.models import DID, StockLevel
from dids.models.stock_days import StockDay, StockOutlook
from dids.numbering.ranges import Numbers
from events.models import Endpoint
from operators.models import Operator
from staff.models import User
from tests.carrier import carrier, numbers_in, person

pytestmark = pytest.mark.django_db


def touched(change):
    """Return {(kind, reseller): rows}, each pair of which is stored once."""
    rows = list(Touched.objects.filter(change=change).values_list("kind", "reseller_id", "rows"))
    assert len({row[:2] for row in rows}) == len(rows)
    return {(kind, reseller): count for kind, reseller, count in rows}


@pytest.fixture
def north(db):
    return carrier()


@pytest.fixture
def south(db):
    return carrier("South")


def test_a_change_counts_its_rows_by_reseller(north, south):
    numbers_in("instock", ["100", "101"], north)
    numbers_in("instock", ["200"], south)

    DID.objects.all().edit(by=SYSTEM, notes="both")

    change = Change.objects.latest("pk")
    assert touched(change) == {("did", north.reseller.pk): 2, ("did", south.reseller.pk): 1}
    assert set(Touched.objects.filter(change=change).values_list("at", flat=True)) == {change.at}


def test_every_tracked_model_is_counted_for_its_reseller(north):
    numbers_in("active", ["100", "101"], north)

    north.client_package.deactivate(by=SYSTEM)
    assert touched(Change.objects.latest("pk")) == {
        ("did", north.reseller.pk): 2,
        ("clientpackage", north.reseller.pk): 1,
    }

    with audit.change("edit", by=SYSTEM):
        for thing in (north.reseller, north.client, north.account, north.package, north.operator):
            type(thing).objects.filter(pk=thing.pk).update(name=f"{thing.name} again")
    assert touched(Change.objects.latest("pk")) == {
        (kind, north.reseller.pk): 1 for kind in ("reseller", "client", "account", "package", "operator")
    }


def test_every_model_of_a_branch_is_tracked_or_counted_without_history():
    """Else people of a branch would miss its changes in the audit log."""
    of_branches = {
        model for model in apps.get_models() if getattr(model._default_manager.all(), "branch", None)
    }
    worked_out = {StockDay, StockOutlook}  # by the worker, from what is in history
    untracked = of_branches - history.TRACKED.keys() - worked_out - {User}  # StaffRecord has users
    assert untracked == {Endpoint, StockLevel}


def test_changes_of_objects_without_history_are_shown_to_their_branch_alone(north, south):
    boss = person("boss")
    nora, sven = person("nora", reseller=north.reseller), person("sven", reseller=south.reseller)
    level = StockLevel(reseller=north.reseller, prefix="44", minimum=3)
    level.create(by=boss)
    level.minimum = 4
    level.set_minimum(by=boss, was=3)
    level.remove(by=boss)
    endpoint = Endpoint(url="https://a.example/", types=["did.held"], reseller=north.reseller)
    endpoint.create(by=boss)
    endpoint.pause(by=boss)
    of_north = [*Change.objects.filter(kind__in=WITHOUT_HISTORY).order_by("pk")]
    endpoint.reseller = south.reseller
    endpoint.edit(by=boss, fields=["reseller"])
    moved = Change.objects.latest("pk")
    endpoint.remove(by=boss)
    StockLevel(prefix="45", minimum=3).create(by=boss)

    def shown(user):
        listing = log_listing(QueryDict("sort=at"), user)
        return [entry for entry in log_entries(listing.rows, user) if entry.change.kind in WITHOUT_HISTORY]

    assert [entry.change for entry in shown(nora)] == [*of_north, moved]
    assert [entry.label for entry in shown(nora)] == [
        "Level of Prefix 44 set to 3",
        "Level of Prefix 44 set to 4",
        "Level of Prefix 44 deleted",
        "Webhook to a.example/ created",
        "Webhook to a.example/ paused",
        "Webhook",  # it names the other reseller
    ]
    assert [str(entry.change) for entry in shown(sven)] == ["Webhook", "Webhook to a.example/ deleted"]
    assert len(shown(boss)) == len(of_north) + 3
    assert [*verify_touched(None)] == []


def test_a_number_deleted_with_its_operator_is_counted_for_its_reseller(north):
    operator = Operator.objects.create(reseller=north.reseller, name="Spare")
    DID.objects.create_numbers(["100"], operator=operator, by=SYSTEM)
    with audit.change("delete", by=SYSTEM) as change:
        DID.objects.all().delete_unused(by=SYSTEM)
        operator.delete()

    assert touched(change) == {("did", north.reseller.pk): 1, ("operator", north.reseller.pk): 1}


def test_the_chunks_of_a_job_are_added_up(north, monkeypatch):
    monkeypatch.setattr(work, "CHUNK", 10)
    anna = person("anna", "dids.add_did")
    fields = {"status": "instock", "after_hold": "instock", "hold_days": None, "tags": [], "notes": ""}
    job = submit_create(anna, Numbers([("1000", "1034")]), operator=north.operator, **fields)
    call_command("worker", "--once")

    job.refresh_from_db()
    assert job.change.touched == 35
    assert touched(job.change) == {("did", north.reseller.pk): 35}


def test_a_change_that_wrote_nothing_counts_nothing(north):
    numbers_in("instock", ["100"], north)
    before = Touched.objects.count()
    DID.objects.all().block(by=SYSTEM)
    assert Touched.objects.count() == before


def test_a_user_bound_to_a_reseller_may_only_open_changes_that_touched_it(north, south):
    numbers_in("instock", ["100"], north)
    numbers_in("instock", ["200"], south)
    DID.objects.all().edit(by=SYSTEM, notes="both")
    of_north, of_south, both = Change.objects.order_by("pk")

    nora = person("nora", reseller=north.reseller)
    assert set(Change.objects.visible_to(nora)) == {of_north, both}
    assert set(Change.objects.visible_to(person("sven", reseller=south.reseller))) == {of_south, both}
    assert Change.objects.visible_to(person("anna")).count() == 3
    assert not Change.objects.visible_to(AnonymousUser()).exists()


def test_counting_costs_two_queries_and_four_in_later_chunks(north):
    numbers_in("instock", ["100"], north)

    def keeping(work):
        with CaptureQueriesContext(connection) as queries:
            work()
        return [q["sql"] for q in queries if "UNION ALL" in q["sql"] or "audit_touched" in q["sql"]]

    assert len(keeping(lambda: DID.objects.all().edit(by=SYSTEM, notes="once"))) == 2

    change = Change.objects.latest("pk")

    def chunk():
        with audit.change("edit", by=SYSTEM, resume=change):
            DID.objects.all().edit(by=SYSTEM, notes="again")

    assert len(keeping(chunk)) == 4  # newest rows, new counts, stored counts, their sums

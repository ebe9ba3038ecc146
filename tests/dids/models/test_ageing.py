"""A number that a client has left goes to another client only after its minimum hold."""

import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client, Package
from didmgmt import clock
from dids.history.undo.undo import Undo
from dids.lists.columns import rows_with_columns
from dids.models import DID, AgeingRule, ClientPackage, Release, Reservation
from dids.models.ageing import day_of
from staff.models import User
from tests.imports import finished, staged
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
REASON = "Same owner after a merger"


@pytest.fixture
def world():
    """Return the world with a second client, Bakery, and 45 days for numbers that begin with 25."""
    world = make_world()
    world.bakery = Client.objects.create(reseller=world.reseller, name="Bakery")
    world.oven = Account.objects.create(client=world.bakery, name="oven")
    loaf = Package.objects.create(reseller=world.reseller, name="Loaf", did_limit=50)
    world.loaf = ClientPackage.objects.create(
        client=world.bakery, package=loaf, starts_at=clock.now() - 400 * DAY
    )
    world.admin, world.supervisor = member("Administrator"), member("Supervisor")
    world.rule = rule("25", 45)
    return world


def rule(prefix, days, *, accepted=True):
    by = User.objects.get(username="administrator")
    made = AgeingRule(prefix=prefix, days=days, source="47 CFR 52.15")
    made.create(by=by)
    if accepted:
        AgeingRule.objects.get(pk=made.pk).accept(by=by)
    return AgeingRule.objects.get(pk=made.pk)


def numbers(*some):
    return DID.objects.filter(number__in=some)


def released(world, number="2567"):
    """Release the number now, straight to In Stock."""
    numbers(number).hold(by=SYSTEM)
    numbers(number).end_hold(by=SYSTEM)
    return numbers(number)


def to_bakery(world, dids, *, by=None, **fields):
    return dids.assign(world.loaf, world.oven, by=by or world.supervisor, **fields)


def test_another_client_waits_for_the_minimum_and_is_told_until_when(world):
    dids = released(world)
    day = clock.now() + 45 * DAY

    result = to_bakery(world, dids)

    assert result.done == 0
    assert "(2567): ageing after use by another client, may be sold again on " in result.sentence()
    assert f"{day.day} {day:%b %Y}; wait until then" in result.sentence()
    assert to_bakery(world, dids, now=day - DAY / 24).done == 0
    assert to_bakery(world, dids, now=day + DAY / 24).done == 1


def test_the_preview_and_the_numbers_to_pick_leave_it_out_too(world):
    dids = released(world)

    assert dids.preview_assign(world.loaf, world.oven, by=world.supervisor).done == 0
    assert not dids.available_for(world.loaf).exists()
    assert dids.available_for(world.client_package).exists()


def test_the_last_client_may_come_back_at_any_time(world):
    assert released(world).assign(world.client_package, world.account, by=world.supervisor).done == 1


def test_a_rule_that_is_not_accepted_does_nothing(world):
    world.rule.remove(by=world.admin)
    rule("25", 45, accepted=False)

    assert to_bakery(world, released(world)).done == 1


def test_the_longest_prefix_decides(world):
    rule("2567", 2)
    dids = released(world)

    assert to_bakery(world, dids, now=clock.now() + DAY).done == 0
    assert to_bakery(world, dids, now=clock.now() + 3 * DAY).done == 1


def test_an_override_needs_the_right_and_a_reason_and_is_kept_with_the_change(world):
    dids = released(world)

    refused = to_bakery(world, dids, override=REASON)
    assert refused.done == 0 and "you don’t have the right to override that" in refused.sentence()
    assert to_bakery(world, dids, by=world.admin).done == 0

    done = to_bakery(world, dids, by=world.admin, override=REASON)
    assert done.done == 1
    assert Change.objects.get(pk=done.change).data["override"] == REASON


def test_a_hold_lasts_at_least_the_minimum(world):
    numbers("2567").edit(by=SYSTEM, hold_days=0)
    numbers("2567").hold(by=world.supervisor)
    did = world.did("2567")
    assert (did.status, did.hold_until - did.hold_from) == ("hold", 45 * DAY)

    numbers("2567").edit(by=world.supervisor, hold_days=3)
    did = world.did("2567")
    assert did.hold_until - did.hold_from == 45 * DAY
    preview = numbers("2567").preview_hold(world.supervisor)
    assert preview.count == 0


def test_the_preview_of_a_hold_tells_the_minimum(world):
    numbers("2567").edit(by=SYSTEM, hold_days=0)

    (group,) = numbers("2567").preview_hold(world.supervisor).groups

    assert group.days == 45


def test_accepting_moves_the_ends_of_running_holds_and_removing_moves_them_back(world):
    assert world.did("2563").hold_until - world.did("2563").hold_from == 45 * DAY
    world.rule.remove(by=world.admin)
    assert world.did("2563").hold_until - world.did("2563").hold_from == 30 * DAY


def test_a_rule_tells_how_many_numbers_it_would_hold_back(world):
    released(world)
    world.rule.remove(by=world.admin)
    proposed = rule("25", 45, accepted=False)

    assert proposed.held_back(world.admin, clock.now()) == 2  # 2567 and 2563, which is on Hold
    assert proposed.held_back(world.admin, clock.now() + 46 * DAY) == 0
    rule("2563", 10)
    assert proposed.held_back(world.admin, clock.now()) == 1


def test_archiving_reserving_and_restoring_make_a_number_no_older(world):
    for status in ("archive", "instock", "reserved", "instock"):
        assert released(world).edit(by=world.supervisor, status=status).refused == 0

    assert to_bakery(world, numbers("2567")).done == 0


def test_a_number_that_is_deleted_and_created_again_is_as_old_as_it_was(world):
    released(world).delete_unused(by=world.supervisor)
    DID.objects.create_numbers(["2567"], operator=world.operator, by=world.supervisor)

    assert to_bakery(world, numbers("2567")).done == 0


def test_it_is_reserved_for_a_name_but_for_no_other_client(world):
    draft = {"by": world.supervisor, "reseller": world.reseller, "purpose": "Trial"}
    dids = released(world)
    other = Reservation.draft(client=world.bakery, **draft)
    assert "ageing" in dids.reserve(other, by=world.supervisor).refusals

    assert dids.reserve(Reservation.draft(name="Prospect", **draft), by=world.supervisor).done == 1
    refused = dids.assign_reserved(world.loaf, world.oven, by=world.supervisor)
    assert refused.done == 0 and "ageing" in refused.refusals
    assert dids.assign_reserved(world.loaf, world.oven, by=world.admin, override=REASON).done == 1


def test_the_activation_of_a_package_takes_its_own_numbers_back_alone(world):
    # On Hold for Rose Orig by an undo, after Bakery had it
    ended = released(world)
    change = Change.objects.filter(kind="end_hold").latest("pk")
    given = to_bakery(world, ended, by=world.admin, override=REASON)
    Undo(Change.objects.get(pk=given.change), by=SYSTEM).run()
    Undo(change, by=SYSTEM).run()
    assert world.did("2567").status == "hold"

    assert "ageing" in numbers("2567").activate(by=world.supervisor).refusals


def test_an_undo_gives_no_number_to_another_client(world):
    hold = numbers("2567").edit(by=SYSTEM, status="hold").change
    end = numbers("2567").end_hold(by=SYSTEM).change
    given = to_bakery(world, numbers("2567"), by=world.admin, override=REASON).change
    assert Undo(Change.objects.get(pk=given), by=world.supervisor).run().done == 1
    assert Undo(Change.objects.get(pk=end), by=world.supervisor).run().done == 1

    undone = Undo(Change.objects.get(pk=hold), by=world.supervisor).run()

    free = day_of(clock.now() + 45 * DAY)
    assert undone.done == 0
    assert (
        f"ageing after use by another client, may be sold again on {free}; undo it again then"
        in undone.sentence()
    )


def test_a_hold_that_an_undo_restores_lasts_at_least_the_minimum(world):
    numbers("2567").edit(by=SYSTEM, hold_days=60)
    numbers("2567").hold(by=SYSTEM)
    end = numbers("2567").end_hold(by=SYSTEM).change
    rule("256", 90)

    assert Undo(Change.objects.get(pk=end), by=world.supervisor).run().done == 1

    did = world.did("2567")
    assert (did.status, did.hold_until - did.hold_from) == ("hold", 90 * DAY)


def test_an_assignment_that_is_undone_counts_as_use(world):
    dids = numbers("256999")
    given = to_bakery(world, dids)
    assert Undo(Change.objects.get(pk=given.change), by=world.supervisor).run().done == 1

    assert dids.assign(world.client_package, world.account, by=world.supervisor).done == 0
    assert to_bakery(world, dids).done == 1


ROW = "DID,Operator,Status,Client,Account,Package\n2567,DID Operator,{},Bakery,oven,Loaf\n"


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("status", ["active", "blocked", "hold"])
def test_an_import_gives_it_to_no_other_client(world, exists, status):
    dids = released(world)
    if not exists:
        dids.delete_unused(by=SYSTEM)
    elif status != "active":
        return  # no legal moves

    checked = staged(ROW.format(status), world.supervisor)

    (row,) = checked.refused
    assert row.reason == "ageing"


def test_an_import_is_refused_when_it_ages_by_the_time_it_is_applied(world):
    world.rule.remove(by=world.admin)
    released(world)
    checked = staged(ROW.format("active"), world.supervisor)
    assert checked.counts["refused"] == 0
    rule("25", 45)

    checked.apply(checked.checked)

    (row,) = finished(checked).refused
    assert (row.reason, world.did("2567").status) == ("ageing", "instock")


def test_an_import_by_the_last_client_is_let_through(world):
    released(world)
    text = ROW.format("active").replace("Bakery,oven,Loaf", "Rose Orig,rose_orig,Basic")

    assert staged(text, world.supervisor).counts["refused"] == 0


def test_a_hold_that_an_import_begins_lasts_at_least_the_minimum(world):
    head = "DID,Operator,Status,Client,Account,Package,Hold days\n"
    text = head + "{},DID Operator,hold,Rose Orig,rose_orig,Basic,{}\n"
    for number, days in (("2567", 0), ("2599", 3)):
        checked = staged(text.format(number, days), world.supervisor)
        checked.apply(checked.checked)
        did = DID.objects.get(number=number)
        assert did.hold_until - did.hold_from >= 45 * DAY, number
        assert did.hold_until - did.hold_from < 46 * DAY, number
    assert Release.objects.get(number="2599").client_id == world.client.pk


def test_the_migration_reads_from_history_what_the_triggers_write(world):
    released(world)
    numbers("2568").edit(by=SYSTEM, status="hold")
    numbers("2567").assign(world.client_package, world.account, by=SYSTEM)
    numbers("2567").hold(by=SYSTEM)
    numbers("2567").end_hold(by=SYSTEM)
    numbers("2567").delete_unused(by=SYSTEM)
    DID.objects.create_numbers(["2567"], operator=world.operator, by=SYSTEM)
    written = {release.number: release for release in Release.objects.all()}
    assert written.keys() == {"2567", "2563", "2568"}
    Release.objects.all().delete()

    (fill,) = import_module("dids.migrations.0024_releases").Migration.operations
    with connection.cursor() as cursor:
        for statement in fill.sql:
            cursor.execute(statement)

    read = {release.number: release for release in Release.objects.all()}
    assert read.keys() == written.keys()
    for number, release in written.items():
        assert read[number].client_id == release.client_id
        assert (
            abs(read[number].released_at - release.released_at) < DAY / 86_400
        )  # each trigger reads the clock


def test_the_list_shows_the_days_that_a_hold_lasts_and_which_rule_sets_them(world, django_assert_num_queries):
    rule("256", 60)
    numbers("2567").edit(by=SYSTEM, hold_days=30)
    numbers("256999").edit(by=SYSTEM, hold_days=90)
    browser = client_of(world.supervisor)
    page = browser.get("/dids/?columns=number,hold_days&sort=number").content.decode()
    cells = r'data-copy="(\d+)".*?<td class="col-hold_days"[^>]*>(.*?)</td>'
    shown = dict(re.findall(cells, page, re.DOTALL))
    assert shown["2567"] == '<span title="Minimum hold of +256; without it 30">60</span>'
    assert shown["256999"] == "90" and shown["111"] == "30"
    pks = list(DID.objects.values_list("pk", flat=True))
    with django_assert_num_queries(2):  # the rows and the rules
        rows_with_columns(pks, ["number", "hold_days"], world.supervisor, clock.now())

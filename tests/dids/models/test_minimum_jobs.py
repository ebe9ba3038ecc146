"""Minimum holds of prefixes with many holds are put into force by a job, chunk by chunk."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections

from audit import SYSTEM
from audit.models import Change
from clients.models import Account, Client
from didmgmt import clock
from dids.history.undo.undo import Undo
from dids.job_kinds import submit_minimum
from dids.models import DID, AgeingRule, ClientPackage, DIDHistory
from dids.models.ageing import for_sales, in_force, minimum_of
from jobs.kinds import KINDS
from jobs.models import Job
from tests.carrier import carrier
from tests.imports import staged
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
COUNT = 7


@pytest.fixture
def admin():
    return member("Administrator")


@pytest.fixture
def house(monkeypatch):
    monkeypatch.setattr("dids.job_kinds.CHUNK", 2)
    monkeypatch.setattr("screens.rules.views.SMALL", 2)
    house = carrier(did_limit=100)
    hold([f"4420{n}" for n in range(COUNT)], house)
    return house


def hold(numbers, house):
    DID.objects.create_numbers(numbers, operator=house.operator, by=SYSTEM)
    some = DID.objects.filter(number__in=numbers)
    some.assign(house.client_package, house.account, by=SYSTEM)
    assert some.hold(by=SYSTEM).done == len(numbers)


def rule_of(admin, prefix, days, *, accepted=False):
    rule = AgeingRule(prefix=prefix, days=days, source="the contract")
    rule.create(by=admin)
    if accepted:
        AgeingRule.objects.get(pk=rule.pk).accept(by=admin)
    return AgeingRule.objects.get(pk=rule.pk)


def days_of(prefix="44"):
    found = DID.objects.filter(status="hold", number__startswith=prefix)
    return {(did.hold_until - did.hold_from).days for did in found}


def assert_every_hold_is_long_enough():
    rules = in_force()
    for did in DID.objects.filter(status="hold"):
        assert did.hold_until - did.hold_from >= timedelta(days=minimum_of(did.number, rules))


def steps(job):
    """Run the job chunk by chunk."""
    job.started_at = job.created_at
    KINDS[job.kind].prepare(job)
    for _ in KINDS[job.kind].run(job):
        assert_every_hold_is_long_enough()
        yield
    job.save()


def test_accepting_a_rule_of_many_holds_is_a_job_that_says_what_it_did(house, admin):
    rule, browser = rule_of(admin, "44", 90), client_of(admin)
    assert "a job moves their ends in the background" in browser.get(f"/rules/{rule.pk}/accept/").text
    answer = browser.post(f"/rules/{rule.pk}/accept/", follow=True)
    job = Job.objects.get()
    assert answer.redirect_chain[-1][0] == f"/jobs/{job.pk}/"
    page = browser.get("/rules/").text
    assert f'A job runs: <a href="/jobs/{job.pk}/">' in page and "wait for the higher minimum already" in page
    for act in ("accept", "remove"):
        again = browser.post(f"/rules/{rule.pk}/{act}/")
        assert again.status_code == 422 and "Wait until it has ended." in again.text
    values = {"days": 80, "place": "", "source": "the law"}
    assert "Wait until it has ended." in browser.post(f"/rules/{rule.pk}/", values).text

    call_command("worker", "--once")

    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (Job.State.DONE, COUNT, COUNT)
    assert job.sentence == "The minimum hold of +44 is in force: 90 days. 7 holds end at another time."
    assert days_of() == {90}
    rule.refresh_from_db()
    assert rule.accepted_by == admin and "A job runs" not in browser.get("/rules/").text
    change = Change.objects.get(kind="ageing_rule", pk=job.change_id)
    assert (change.actor, change.label) == (admin, "Minimum hold of +44 accepted: 90 days")
    assert DIDHistory.objects.filter(change=change).count() == COUNT


def test_every_hold_is_long_enough_while_a_higher_minimum_comes_into_force(house, admin):
    rule = rule_of(admin, "44", 90)
    work = steps(job := submit_minimum(admin, rule, "accept"))
    next(work)
    assert days_of() == {30, 90} and in_force() == []
    hold(["442099"], house)  # meanwhile, by the rules in force
    DID.objects.filter(number="44200").end_hold(by=SYSTEM)
    for _ in work:
        pass
    assert days_of() == {90} and [one.days for one in in_force()] == [90]
    assert KINDS["minimum"].sentence(job).endswith("8 holds end at another time.")


@pytest.mark.parametrize(
    ("act", "fields", "days", "sentence"),
    [
        ("change", {"days": 40}, {40}, "The minimum hold of +44 is 40 days. 7 holds end at another time."),
        ("change", {"days": 99}, {99}, "The minimum hold of +44 is 99 days. 7 holds end at another time."),
        ("remove", None, {60}, "The minimum hold of +44 is removed. 7 holds end at another time."),
    ],
)
def test_every_hold_is_long_enough_while_a_minimum_is_changed(house, admin, act, fields, days, sentence):
    rule_of(admin, "4", 60, accepted=True)
    rule = rule_of(admin, "44", 90, accepted=True)
    work = steps(job := submit_minimum(admin, rule, act, fields))
    for _ in work:
        pass
    assert (days_of(), KINDS["minimum"].sentence(job)) == (days, sentence)


def test_a_new_rule_with_a_longer_prefix_may_shorten_holds(house, admin):
    rule_of(admin, "4", 60, accepted=True)
    for _ in steps(submit_minimum(admin, rule_of(admin, "44", 35), "accept")):
        pass
    assert days_of() == {35}


def test_a_cancelled_job_leaves_the_rule_out_of_force(house, admin):
    rule = rule_of(admin, "44", 90)
    job = submit_minimum(admin, rule, "accept")
    next(steps(job))
    assert in_force() == []
    assert (
        KINDS["minimum"].sentence(job)
        == "The minimum hold of +44 is not in force. 2 holds end at another time."
    )


def test_a_job_whose_owner_lost_the_right_fails_with_a_sentence(house, admin):
    job = submit_minimum(admin, rule_of(admin, "44", 90), "accept")
    admin.groups.clear()
    call_command("worker", "--once")
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and "permission to change minimum holds" in job.sentence
    assert in_force() == []


# --- sales while a job moves the holds


@pytest.fixture
def dental(house):
    """Create a second client of the carrier, with a package of its own; return what it was given."""
    client = Client.objects.create(reseller=house.reseller, name="North Dental")
    Account.objects.create(client=client, name="north_dental")
    since = clock.now() - timedelta(days=30)
    return ClientPackage.objects.create(client=client, package=house.package, starts_at=since)


def released(house, number="442099", days=0):
    """Create a number that the client left ``days`` ago; return it, In Stock, as a queryset."""
    now = clock.now() - timedelta(days=days)
    found = DID.objects.filter(number=number)
    DID.objects.create_numbers([number], operator=house.operator, by=SYSTEM, now=now)
    with_package = ClientPackage.objects.filter(pk=house.client_package.pk)
    with_package.update(starts_at=now - timedelta(days=1))
    found.assign(with_package.get(), house.account, by=SYSTEM, now=now)
    found.hold(by=SYSTEM, now=now)
    found.end_hold(by=SYSTEM, now=now)
    return found


def refused(dids, dental):
    """Whether another client may not get the numbers now."""
    account = Account.objects.get(client=dental.client)
    return "ageing" in dids.preview_assign(dental, account, by=SYSTEM).refusals


def sold_between_chunks(job, sell):
    """Run the job as a worker does; return what ``sell``, on another connection, returns between chunks."""
    answers = []

    def elsewhere():
        try:
            return sell()
        finally:
            connections.close_all()

    def stop():
        answers.append(pool.submit(elsewhere).result(timeout=60))
        return False

    with ThreadPoolExecutor(1) as pool:
        Job.objects.claim("worker").run("worker", stop)
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    return answers


@pytest.mark.django_db(transaction=True)
def test_no_sale_is_earlier_than_a_raised_minimum_between_the_chunks_of_its_job(house, dental, admin):
    dids, account = released(house), Account.objects.get(client=dental.client)
    rule = rule_of(admin, "44", 90)
    assert not refused(dids, dental)
    job = submit_minimum(admin, rule, "accept")

    answers = sold_between_chunks(job, lambda: dids.assign(dental, account, by=SYSTEM))

    assert len(answers) > COUNT / 2 and all("ageing" in answer.refusals for answer in answers)
    assert dids.get().status == "instock" and days_of() == {90}


def test_the_greater_of_both_minimums_holds_for_sales_while_a_job_raises_one(
    house, dental, admin, django_assert_num_queries
):
    rule = rule_of(admin, "44", 10, accepted=True)
    rule_of(admin, "4421", 5, accepted=True)
    old, older = released(house, "442098", days=20), released(house, "442099", days=50)
    submit_minimum(admin, rule, "change", {"days": 40})

    assert in_force() == [("4421", 5), ("44", 10)]
    with django_assert_num_queries(1):
        assert for_sales() == [("4421", 5), ("44", 40)]
    assert refused(old, dental) and not refused(older, dental)
    page = client_of(admin).get(f"/dids/{old.get().pk}/").text
    assert "May be sold again on" in page and "(+44: 40 days after release)" in page


def test_sales_follow_the_shorter_prefix_while_a_job_removes_a_lower_minimum(house, dental, admin):
    rule_of(admin, "4", 60, accepted=True)
    rule = rule_of(admin, "44", 5, accepted=True)
    dids = released(house, days=20)
    assert not refused(dids, dental)
    submit_minimum(admin, rule, "remove")
    assert refused(dids, dental)
    call_command("worker", "--once")
    assert refused(dids, dental) and in_force() == [("4", 60)]


@pytest.mark.parametrize(("act", "fields"), [("change", {"days": 10}), ("remove", None)])
def test_a_lowered_minimum_allows_sales_at_once_and_before_a_worker_comes(house, dental, admin, act, fields):
    rule = rule_of(admin, "44", 90, accepted=True)
    dids = released(house, days=20)
    assert refused(dids, dental)

    client_of(admin).post(f"/rules/{rule.pk}/{'remove/' if act == 'remove' else ''}", lowered(rule, fields))

    job = Job.objects.get()
    assert job.state == Job.State.QUEUED and not refused(dids, dental)
    assert "The change is in force" in client_of(admin).get("/rules/").text
    call_command("worker", "--once")
    job.refresh_from_db()
    assert job.sentence.endswith("7 holds end at another time.") and days_of() == {30}
    assert Change.objects.filter(kind="ageing_rule", label=job.label).count() == 1


def lowered(rule, fields):
    return {"days": rule.days, "place": rule.place, "source": rule.source} | (fields or {})


def test_an_import_follows_a_raised_minimum_while_its_job_waits(house, dental, admin):
    released(house)
    submit_minimum(admin, rule_of(admin, "44", 90), "accept")
    text = "DID,Operator,Status,Client,Account,Package\n"
    text += "442099,North Telecom,active,North Dental,north_dental,Basic\n"

    (row,) = staged(text, admin).refused

    assert row.reason == "ageing"


def test_an_undo_follows_a_raised_minimum_while_its_job_waits(house, dental, admin):
    # The number was dental's last, and an undo of its hold would give it back to the bakery.
    dids, account = released(house), Account.objects.get(client=dental.client)
    dids.assign(house.client_package, house.account, by=SYSTEM)
    hold, end = dids.hold(by=SYSTEM), dids.end_hold(by=SYSTEM)
    given = dids.assign(dental, account, by=SYSTEM)
    for done in (given, end):
        assert Undo(Change.objects.get(pk=done.change), by=SYSTEM).run().done == 1
    submit_minimum(admin, rule_of(admin, "44", 90), "accept")

    undone = Undo(Change.objects.get(pk=hold.change), by=SYSTEM).run()

    assert undone.done == 0 and "ageing after use by another client" in undone.sentence()


class PowerCut(BaseException):
    """What ends a process at once."""


def test_a_hold_that_an_undo_restores_while_a_job_raises_its_minimum_lasts_as_long(house, admin):
    end = DID.objects.filter(number="44200").end_hold(by=SYSTEM).change
    work = steps(submit_minimum(admin, rule_of(admin, "44", 90), "accept"))
    next(work)
    assert Undo(Change.objects.get(pk=end), by=SYSTEM).run().done == 1
    for _ in work:
        pass
    assert days_of() == {90} and DID.objects.filter(status="hold").count() == COUNT


def cut_after_a_chunk(job):
    """Let a worker that has claimed the job die after its first chunk."""
    calls = iter([False])

    def stop():
        if next(calls, True):
            raise PowerCut
        return False

    with pytest.raises(PowerCut):
        Job.objects.claim("killed").run("killed", stop)
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.RUNNING, 2)


def test_sales_follow_a_raised_minimum_although_the_worker_of_its_job_was_killed(house, dental, admin):
    dids = released(house)
    job = submit_minimum(admin, rule_of(admin, "44", 90), "accept")
    cut_after_a_chunk(job)
    assert refused(dids, dental)
    Job.objects.filter(pk=job.pk).update(lease_until=clock.now() - timedelta(minutes=1))

    call_command("worker", "--once")

    assert refused(dids, dental) and days_of() == {90} and in_force() == [("44", 90)]


def test_sales_follow_the_old_minimum_again_when_its_job_fails(house, dental, admin):
    dids = released(house)
    job = submit_minimum(admin, rule_of(admin, "44", 90), "accept")
    assert refused(dids, dental)
    admin.groups.clear()
    call_command("worker", "--once")
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and not refused(dids, dental)


def test_a_cancelled_job_that_is_continued_leaves_no_hold_too_short(house, dental, admin):
    dids = released(house)
    job = submit_minimum(admin, rule_of(admin, "44", 90), "accept")
    cancelled = [lambda: False, lambda: job.request_cancel() and False]
    Job.objects.claim("worker").run("worker", lambda: cancelled.pop(0)() if cancelled else False)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED and not refused(dids, dental)
    first = DID.objects.filter(number="44200")  # which the job has been at
    first.end_hold(by=SYSTEM)
    first.assign(house.client_package, house.account, by=SYSTEM)
    first.hold(by=SYSTEM)
    assert days_of() == {30, 90}

    assert job.retry() and refused(dids, dental)
    call_command("worker", "--once")

    assert days_of() == {90}
    assert_every_hold_is_long_enough()


def test_few_holds_are_moved_at_once(house, admin):
    hold(["3900", "3901"], house)
    rule = rule_of(admin, "39", 90)
    client_of(admin).post(f"/rules/{rule.pk}/accept/")
    assert not Job.objects.exists() and days_of("39") == {90}

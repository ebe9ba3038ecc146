"""Minimum holds of prefixes with many holds are put into force by a job, chunk by chunk."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from audit import SYSTEM
from audit.models import Change
from dids.job_kinds import submit_minimum
from dids.models import DID, AgeingRule, DIDHistory
from dids.models.ageing import in_force, minimum_of
from jobs.kinds import KINDS
from jobs.models import Job
from tests.carrier import carrier
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
    assert f'A job runs: <a href="/jobs/{job.pk}/">' in browser.get("/rules/").text
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


def test_few_holds_are_moved_at_once(house, admin):
    hold(["3900", "3901"], house)
    rule = rule_of(admin, "39", 90)
    client_of(admin).post(f"/rules/{rule.pk}/accept/")
    assert not Job.objects.exists() and days_of("39") == {90}

"""People are told of the ends of their jobs and of what concerns their branch, and of nothing else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from clients.models import Client, Package
from dids.models import ClientPackage
from jobs.models import Job
from jobs.periodic import run_periodic_tasks
from notices.models import AnnouncedEnd, Kind, Notice, Wish
from notices.reading import read
from staff.models import User
from tests.carrier import token_of
from tests.jobs.test_jobs import queue_numbers, work
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


def told(user):
    """Return what a user reads now, newest first."""
    user = User.objects.get(pk=user.pk)
    found = Notice.objects.visible_to(user).order_by("-pk")
    return [str(message) for _, message in read(list(found), user)]


def give(world, name, days, reseller=None):
    """Give a new client of a reseller its package until ``days`` from now."""
    reseller = reseller or world.reseller
    client = Client.objects.create(reseller=reseller, name=name)
    package, _ = Package.objects.get_or_create(reseller=reseller, name="Carrier", defaults={"did_limit": 9})
    end = timezone.now() + timedelta(days=days)
    given = ClientPackage(client=client, package=package, ends_at=end)
    given.give(by=SYSTEM)
    return given


def on_day(days):
    """Run the periodic tasks of a day from now."""
    assert run_periodic_tasks(timezone.now() + timedelta(days=days))[1] == []


# --- jobs


def test_a_person_is_told_that_the_job_is_finished(world, owner):
    queue_numbers(client_of(owner), world, 3_000)
    work()

    assert told(owner) == ["“New DIDs: 3,000 for DID Operator” is finished. 3,000 numbers created."]
    assert Notice.objects.count() == 1


def test_a_person_is_told_that_the_job_has_failed_and_why(world, owner):
    job = queue_numbers(client_of(owner), world, 3_000)
    Job.objects.filter(pk=job.pk).update(params=job.params | {"operator": 0})
    work()

    (sentence,) = told(owner)
    assert "has failed. " in sentence
    assert "no longer exists" in sentence


def test_nobody_is_told_of_work_that_a_request_has_done(world, owner):
    queued = queue_numbers(client_of(owner), world, 3_000)
    queued.request_cancel()
    queued.refresh_from_db()
    assert queued.claim_here()
    queued.run_here()

    assert queued.state == Job.State.DONE
    assert told(owner) == []


def test_nobody_is_told_of_the_jobs_of_programs(world, owner):
    job = queue_numbers(client_of(owner), world, 3_000)
    Job.objects.filter(pk=job.pk).update(token=token_of(owner, "dids:write"))
    work()

    assert told(owner) == []


def test_who_wants_no_notice_of_jobs_gets_none(world, owner):
    Wish.objects.create(user=owner, kind=Kind.JOB, in_app=False)
    queue_numbers(client_of(owner), world, 3_000)
    work()

    assert Notice.objects.count() == 0


# --- ends of packages


def test_an_end_is_announced_a_week_before_to_those_who_may_change_it(world, owner, stranger):
    viewer = member("Viewer", reseller=world.reseller)
    everywhere = member("Provisioner")
    give(world, "Castell", days=10)

    on_day(2)
    assert told(owner) == []
    on_day(4)
    on_day(5)

    (sentence,) = told(owner)
    assert sentence.startswith("Carrier of Castell ends on ")
    assert told(everywhere) == [sentence]
    assert told(stranger) == told(viewer) == []


def test_an_end_that_was_moved_is_announced_again(world, owner):
    given = give(world, "Castell", days=3)
    on_day(0)
    given.end_on(timezone.now() + timedelta(days=30), by=SYSTEM)

    on_day(10)
    assert len(told(owner)) == 1
    on_day(24)
    assert len(told(owner)) == 2


def test_ends_of_a_branch_that_come_up_together_are_one_notice(world, owner, stranger):
    for name in ("Ash", "Birch", "Cedar", "Dogwood"):
        give(world, name, days=3)
    give(world, "Elm", days=3, reseller=world.reseller_2)
    on_day(0)

    (ours,), (theirs,) = told(owner), told(stranger)
    assert ours.startswith("4 packages of clients end by ")
    assert ours.endswith(
        ": Carrier of Ash, Carrier of Birch, Carrier of Cedar and 1 more. Their numbers then go on Hold."
    )
    assert theirs.startswith("Carrier of Elm ends on ")


def test_a_package_without_an_end_or_switched_off_is_not_announced(world, owner):
    given = give(world, "Castell", days=3)
    given.deactivate(by=SYSTEM)
    on_day(0)

    assert told(owner) == []


# --- branches and rights


def test_a_person_who_moves_to_another_reseller_reads_nothing_of_the_first(world, owner):
    give(world, "Castell", days=3)
    queue_numbers(client_of(owner), world, 3_000)
    work()
    assert len(told(owner)) == 2

    User.objects.filter(pk=owner.pk).update(reseller=world.reseller_2)
    assert told(owner) == []
    page = client_of(User.objects.get(pk=owner.pk)).get("/notifications/").content.decode()
    assert "Castell" not in page
    assert "Notifications</span>" in page
    assert "unread" not in page.partition("</header>")[0]


def test_who_sees_all_resellers_and_is_bound_to_one_later_reads_of_that_one_alone(world):
    person = member("Provisioner")
    give(world, "Castell", days=3)
    give(world, "Elm", days=3, reseller=world.reseller_2)
    on_day(0)
    assert len(told(person)) == 2

    User.objects.filter(pk=person.pk).update(reseller=world.reseller_2)
    (sentence,) = told(person)
    assert sentence.startswith("Carrier of Elm")


def test_a_client_that_is_deleted_keeps_its_name_in_the_notice(world, owner):
    given = give(world, "Castell", days=3)
    on_day(0)
    ClientPackage.objects.filter(pk=given.pk).delete()
    Client.objects.filter(pk=given.client_id).delete()

    assert told(owner)[0].startswith("Carrier of Castell ends on ")


def test_who_loses_the_right_no_longer_sees_its_notices(world, owner):
    give(world, "Castell", days=3)
    on_day(0)
    assert b"Carrier of Castell" in client_of(owner).get("/notifications/").content

    owner.groups.clear()
    page = client_of(owner).get("/notifications/").content
    assert b"Carrier of Castell" not in page
    assert b"No notifications yet" in page


# --- keeping


def test_old_notices_are_deleted_and_marks_of_ends_with_them(world, owner, settings):
    give(world, "Castell", days=3)
    on_day(0)
    on_day(settings.NOTICE_KEEP_DAYS - 1)
    assert (Notice.objects.count(), AnnouncedEnd.objects.count()) == (1, 0)

    on_day(settings.NOTICE_KEEP_DAYS + 1)
    assert Notice.objects.count() == 0

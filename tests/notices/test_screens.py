"""The page of notifications, the bell in the frame, and the choice of what one is told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import expect

from jobs.models import Job
from notices.models import Kind, Notice, Wish
from tests.jobs.test_jobs import queue_numbers, work
from tests.world import client_of, member


def write(user, count=1):
    """Write notices of package ends that name nothing."""
    end = "2026-12-08T00:00:00+00:00"
    facts = {"ends": [[0, 0, 0, end]], "count": 1, "last": end}
    return Notice.objects.bulk_create(
        Notice(user=user, kind=Kind.PACKAGE_END, facts=facts, reseller_id=user.reseller_id)
        for _ in range(count)
    )


def bell(browser, path="/notifications/"):
    """Return the text of the bell."""
    frame = browser.get(path).content.decode().partition('id="bell"')[2].partition("</a>")[0]
    return frame.partition('bell-count" aria-hidden="true">')[2].partition("<")[0]


@pytest.mark.django_db
def test_the_bell_counts_what_is_unread_on_every_page(world, owner):
    browser = client_of(owner)
    assert bell(browser) == bell(browser, "/dids/") == ""

    write(owner, 3)
    write(member("Supervisor"), 5)
    assert bell(browser) == bell(browser, "/dids/") == "3"
    write(owner, 97)
    assert bell(browser) == "99+"


@pytest.mark.django_db
def test_the_frame_reads_running_jobs_and_unread_notices_in_one_query(world, owner):
    browser = client_of(owner)
    browser.get("/start/statuses/")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        browser.get("/start/statuses/")

    assert len([query for query in queries if "jobs_job" in query["sql"]]) == 1
    assert len([query for query in queries if "notices_notice" in query["sql"]]) == 1


@pytest.mark.django_db
def test_a_page_of_notices_costs_as_many_queries_as_one_notice(world, owner):
    browser = client_of(owner)
    write(owner)
    with CaptureQueriesContext(connection) as one:
        browser.get("/notifications/")
    write(owner, 200)
    with CaptureQueriesContext(connection) as many:
        answer = browser.get("/notifications/?per_page=100")

    assert answer.content.count(b"notification-subject") == 100
    assert len(many) <= len(one) + 1


@pytest.mark.django_db
def test_notices_are_marked_as_read_one_by_one_and_all_that_were_shown(world, owner):
    browser = client_of(owner)
    _, second, third = write(owner, 3)

    answer = browser.post(f"/notifications/{third.pk}/read/", follow=True)
    assert "1 notification marked as read." in answer.content.decode()
    assert bell(browser) == "2"

    answer = browser.post("/notifications/read/", {"until": second.pk}, follow=True)
    assert "2 notifications marked as read." in answer.content.decode()
    answer = browser.post("/notifications/read/", {"until": "nonsense"}, follow=True)
    assert "All notifications were read already." in answer.content.decode()
    assert set(Notice.objects.unread()) == set()


@pytest.mark.django_db
def test_only_unread_ones_can_be_shown(world, owner):
    browser = client_of(owner)
    first, _ = write(owner, 2)
    browser.post(f"/notifications/{first.pk}/read/")

    assert browser.get("/notifications/?only=unread").content.count(b"notification-subject") == 1
    assert b"There is no" in browser.get("/notifications/?only=nonsense").content


@pytest.mark.django_db
def test_opening_a_notice_marks_it_and_leads_to_what_it_is_about(world, owner):
    browser = client_of(owner)
    queue_numbers(browser, world, 3_000)
    job = work()
    notice = Notice.objects.get()

    assert browser.post(f"/notifications/{notice.pk}/open/").url == f"/jobs/{job.pk}/"
    notice.refresh_from_db()
    assert notice.read_at is not None


@pytest.mark.django_db
def test_nobody_marks_the_notices_of_others(world, owner, stranger):
    (notice,) = write(owner)
    browser = client_of(stranger)

    assert browser.post(f"/notifications/{notice.pk}/read/").status_code == 404
    assert browser.post(f"/notifications/{notice.pk}/open/").status_code == 404
    browser.post("/notifications/read/", {"until": notice.pk})
    assert list(Notice.objects.unread()) == [notice]


@pytest.mark.django_db
def test_people_choose_what_they_are_told(world, owner):
    browser = client_of(owner)
    browser.post("/me/", {"time_zone": "UTC", "package_end_in_app": "on"})

    assert {wish.kind: wish.in_app for wish in Wish.objects.filter(user=owner)} == {
        "job": False,
        "package_end": True,
        "stock_low": False,
    }
    page = browser.get("/me/").content.decode()
    assert 'name="job_in_app"' in page
    assert page.count("checked") - page.count('value="auto" checked') == 1


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_job_that_ends_marks_its_notice(page_of, world):
    user = member("Supervisor")
    page = page_of(user)
    queue_numbers(client_of(user), world, 3_000)
    work()
    page.goto("/notifications/")
    expect(page.locator(".bell-count")).to_have_text("1")

    page.goto(Job.objects.get().get_absolute_url())
    expect(page.locator(".bell-count")).to_have_count(0)
    assert Notice.objects.get().read_at is not None

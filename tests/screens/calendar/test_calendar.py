"""The page of what happens by itself."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from audit import SYSTEM
from dids.models import DID
from tests.carrier import numbers_in, person, reserved
from tests.dids.models.test_assigning import text
from tests.world import client_of, member

DAY = timedelta(days=1)


def lines(page):
    """Return {day: [(time, text, count, what it becomes)]} of the list of days."""
    return {
        day["day"]: [
            (
                line["at"] and f"{timezone.localtime(line['at']):%H:%M}",
                line["text"],
                line["count"],
                line["said"],
            )
            for line in day["lines"]
        ]
        for day in page.context["page"].days
    }


@pytest.fixture
def busy(world):
    """Let holds, a reservation and a package of Reseller 1 end at 10:00 UTC of the day after tomorrow."""
    today = timezone.localtime().date()
    at = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0) + 2 * DAY
    DID.objects.filter(status="hold").update(hold_until=at)
    kept = reserved(world, ["256999"])
    kept.end_on(at, by=SYSTEM)
    world.client_package.end_on(at, by=SYSTEM)
    return today + 2 * DAY


def test_a_day_has_a_line_for_each_kind_that_leads_to_the_numbers(world, busy, viewer):
    browser = client_of(viewer)
    page = browser.get("/calendar/")
    until = timezone.localtime(world.client_package.ends_at + 30 * DAY)
    assert lines(page) == {
        busy: [
            (None, "Holds end", 1, "to In Stock"),
            ("10:00", "Reservation of Rose Orig ends", 1, "to In Stock"),
            ("10:00", "Basic of Rose Orig ends", 2, f"to Hold until {until.day} {until:%b %Y}"),
        ]
    }
    assert "through the day" in text(page)
    (day,) = page.context["page"].days
    for line in day["lines"]:
        listing = browser.get(line["url"]).context["listing"]
        assert (listing.valid, listing.total) == (True, line["count"]), line


def test_weeks_begin_with_this_monday_and_past_days_have_no_link(world, busy, viewer):
    page = client_of(viewer).get("/calendar/")
    cells = [cell for week in page.context["page"].weeks for cell in week]
    today = timezone.localtime().date()
    assert cells[0]["day"] == today - today.weekday() * DAY and len(cells) == 49
    assert {cell["day"]: cell["count"] for cell in cells if cell["count"]} == {busy: 4} | {
        day.date(): 2
        for day in [timezone.localtime(world.client_package.ends_at + 30 * DAY)]
        if day.date() <= cells[-1]["day"]
    }
    assert page.content.count(b'class="past"') == today.weekday()


def test_the_next_days_are_named_and_the_way_back_is_there(world, busy, viewer):
    browser = client_of(viewer)
    first = timezone.localtime().date()
    page = browser.get("/calendar/", {"from": busy + DAY})
    assert page.context["page"].earlier == ("/calendar/", "Previous 3 days")
    assert not page.context["page"].days and "Nothing happens by itself from" in text(page)
    far = browser.get("/calendar/", {"from": first + 300 * DAY}).context["page"]
    assert far.weeks[0][0]["day"] <= far.first <= far.weeks[0][6]["day"]
    back = browser.get("/calendar/", {"from": busy - DAY, "kind": "hold_ends"})
    assert back.context["page"].later[1] == "Next 7 days: nothing happens by itself"
    assert lines(back) == {busy: [(None, "Holds end", 1, "to In Stock")]}
    assert back.context["page"].total == 1


def test_what_can_t_be_shown_is_said_at_its_field(world, viewer):
    browser = client_of(viewer)
    today = timezone.localtime().date()
    for query, sentence in (
        (f"from={today - DAY}", "is over. The calendar begins today."),
        (f"from={today + 400 * DAY}", "Choose an earlier day."),
        ("from=never", "Enter a date like"),
        ("kind=nothing", "Kind: “nothing” is not one of the options."),
        (f"reseller={world.reseller.pk + 77}", "This option doesn’t exist"),
        ("form=1", "There is no parameter “form”"),
    ):
        page = browser.get(f"/calendar/?{query}")
        assert page.status_code == 422 and sentence in text(page), query


def test_beyond_some_reservations_a_day_counts_the_others(world, busy, viewer, monkeypatch):
    monkeypatch.setattr("screens.calendar.views.NAMED", 1)
    numbers_in("instock", ["7000", "7001"], world)
    for number in ("7000", "7001"):
        reserved(world, [number]).end_on(world.client_package.ends_at, by=SYSTEM)
    browser = client_of(viewer)
    page = browser.get("/calendar/", {"kind": "reservation_ends"})
    (more, named) = lines(page)[busy]
    assert more == (None, "2 more reservations end", 2, "to In Stock")
    assert named == ("10:00", "Reservation of Rose Orig ends", 1, "to In Stock")


def test_the_calendar_of_a_branch_has_nothing_of_others(world, busy, stranger):
    page = client_of(stranger).get("/calendar/")
    assert page.context["page"].total == 0 and not page.context["page"].days
    assert "reseller" not in page.context["form"].fields
    assert "Rose" not in text(page)
    bound = client_of(member("Viewer", username="bound", reseller=world.reseller))
    assert bound.get("/calendar/").context["page"].total >= 4


def file_of(who, query=""):
    answer = client_of(who).get(f"/calendar/export/{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.reader(io.StringIO(answer.getvalue().decode())))


def test_the_file_has_what_happens_by_day_and_kind(world, busy, viewer):
    day = busy.isoformat()
    header, *rows = file_of(viewer)
    assert header == [
        *("Day", "Kind", "Packages or reservations", "Numbers"),
        *("To Reserved", "To In Stock", "To Archive", "To Hold"),
    ]
    assert rows == [
        [day, "Hold ends", "", "1", "0", "1", "0", "0"],
        [day, "Reservation ends", "1", "1", "0", "1", "0", "0"],
        [day, "Package ends", "1", "2", "0", "0", "0", "2"],
        [(busy + 30 * DAY).isoformat(), "Follow-on hold ends", "", "2", "0", "2", "0", "0"],
    ]
    assert file_of(viewer, "?kind=hold_ends")[1:] == rows[:1]
    page = client_of(viewer).get("/calendar/?kind=hold_ends")
    assert page.context["page"].export_url == "/calendar/export/?kind=hold_ends"
    assert 'href="/calendar/export/?kind=hold_ends"' in page.content.decode()


def test_the_file_has_what_the_branch_has_alone_and_needs_the_right(world, busy, viewer):
    bound = member("Viewer", username="bound", reseller=world.reseller_2)
    assert len(file_of(bound)) == 1 and len(file_of(viewer, f"?reseller={world.reseller_2.pk}")) == 1
    assert len(file_of(viewer, f"?reseller={world.reseller.pk}")) == 5
    reader = client_of(person("reader", "dids.view_did"))
    assert reader.get("/calendar/export/").status_code == 403
    assert "/calendar/export/" not in reader.get("/calendar/").content.decode()


def test_the_file_of_days_that_are_not_understood_leads_to_their_errors(world, viewer):
    answer = client_of(viewer).get("/calendar/export/?from=2020-01-01")
    assert answer.url == "/calendar/?from=2020-01-01"

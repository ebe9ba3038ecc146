"""The page, the statement and the CSV of who had which numbers at a given time."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from dids.models import DID
from tests.carrier import carrier, numbers_in, used_for_a_day
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

PAGE, STATEMENT, CSV = (f"/audit/who-had-it/{path}" for path in ("", "statement/", "csv/"))
START = datetime(2026, 5, 3, 11, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def house(db):
    return used_for_a_day(START)


@pytest.fixture
def browser(viewer):
    viewer.time_zone = "Europe/Vilnius"
    viewer.save()
    return client_of(viewer)


def look_up(browser, numbers, at="2026-05-03T14:03:00", path=PAGE):
    return browser.get(path, {"numbers": numbers, "at": at})


def table(response):
    return list(csv.DictReader(b"".join(response).decode().splitlines()))


def test_a_time_is_in_the_users_time_zone(browser, house):
    page = look_up(browser, "100")
    text = page.content.decode()
    assert page.status_code == 200
    assert "On 3 May 2026, 14:03:00 EEST" in text
    assert "North Bakery" in text and "north_bakery" in text and "Basic" in text
    assert "4 May 2026, 14:03:00 EEST" in text
    assert look_up(browser, "100", "2026-05-03T14:02:59").context["found"][0].kind == "free"
    assert look_up(browser, "100", "2026-05-03T11:03:00Z").context["found"][0].kind == "used"


def test_posting_a_short_list_redirects_to_a_bookmarkable_address(browser, house):
    sent = browser.post(PAGE, {"numbers": "101\n+100", "at": "2026-05-03T14:03:00"})
    assert sent.status_code == 302
    assert sent.url == f"{PAGE}?numbers=101,100&at=2026-05-03T14:03:00%2B03:00"
    page = browser.get(sent.url)
    assert [(one.number, one.kind) for one in page.context["found"]] == [("101", "free"), ("100", "used")]


def test_a_long_list_is_answered_without_a_redirect(browser, house):
    numbers = "\n".join(["100", *map(str, range(20_000, 20_600))])
    sent = browser.post(PAGE, {"numbers": numbers, "at": "2026-05-03T14:03:00"})
    text = sent.content.decode()
    assert sent.status_code == 200
    assert "<b>600</b> never in the inventory" in text and "<b>1</b> in use by a client" in text
    assert "Showing the first 500 of 601" in text
    again = {"numbers": ",".join(sent.context["numbers"]), "at": sent.context["at"].isoformat()}
    assert len(table(browser.post(CSV, again))) == 601
    assert browser.post(STATEMENT, again).content.count(b"Never in the inventory.") == 600


def test_a_post_from_another_site_is_refused(viewer, house):
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(viewer, backend="staff.backends.StaffBackend")
    for path in (PAGE, STATEMENT, CSV):
        assert strict.post(path, {"numbers": "100"}).status_code == 403


@pytest.mark.parametrize("send", [True, False])
def test_unreadable_numbers_are_named_at_the_field_with_their_line(browser, house, send):
    what = {"numbers": "100\nx12\n1-2-3x", "at": "2026-05-03T14:03:00"}
    page = browser.post(PAGE, what) if send else browser.get(PAGE, what)
    assert page.status_code == 422
    errors = page.context["form"].errors["numbers"]
    assert len(errors) == 2
    assert errors[0].startswith("Line 2, “x12”") and errors[1].startswith("Line 3, “1-2-3x”")
    assert "found" not in page.context
    assert "x12" in page.context["form"]["numbers"].value()


def test_more_than_ten_thousand_numbers_are_refused(browser, house):
    page = browser.post(PAGE, {"numbers": "10000-20000"})
    assert page.status_code == 422
    assert "10,001 numbers; at most 10,000 are allowed" in page.context["form"].errors["numbers"][0]


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("1 Jan 2999, 00:00", "Choose a year"),
        ("{tomorrow}", "This time is in the future. Choose an earlier one."),
        ("yesterday", "Enter a date and time like 28 Nov 2026, 17:45."),
        ("29 Mar 2026, 03:30", "03:30 did not exist that day in Europe/Vilnius"),
        (
            "26 Oct 2025, 03:30",
            "Enter 26 Oct 2025, 03:30 +03:00 for the first time, 26 Oct 2025, 03:30 +02:00",
        ),
    ],
)
def test_an_invalid_time_is_explained_at_its_field(browser, house, at, error):
    at = at.format(tomorrow=f"{timezone.now() + DAY:%-d %b %Y, %H:%M}")
    page = look_up(browser, "100", at)
    assert page.status_code == 422
    assert page.context["form"].errors["at"][0].startswith(error) or error in page.content.decode()
    assert f'value="{at}"' in page.content.decode()


def test_a_time_in_a_repeated_hour_is_entered_with_its_utc_offset(browser, house):
    page = look_up(browser, "100", "2025-10-26 03:30:00+02:00")
    assert page.status_code == 200
    assert "On 26 Oct 2025, 03:30:00 EET" in page.content.decode()
    assert 'value="26 Oct 2025, 03:30 +02:00"' in page.content.decode()


def test_a_blank_time_means_now(browser, house):
    page = browser.get(PAGE, {"numbers": "101"})
    assert page.context["found"][0].kind == "free"
    assert abs(timezone.now() - page.context["at"]) < timedelta(minutes=1)
    assert browser.get(PAGE).context["form"].is_bound is False


def test_one_number_comes_with_all_its_holders(browser, house):
    text = look_up(browser, "100").content.decode()
    assert "All holders of 100" in text
    assert text.count("On Hold after</span>") == 1
    assert "All holders of" not in look_up(browser, "100,101").content.decode()


def test_the_history_of_a_number_links_here(browser, house):
    did = DID.objects.get(number="100")
    text = browser.get(f"/dids/{did.pk}/history/").content.decode()
    assert f'href="{PAGE}?numbers=100"' in text
    assert browser.get(PAGE, {"numbers": "100"}).context["form"].initial["numbers"] == "100"


def test_the_csv_has_all_details(browser, house):
    response = look_up(browser, "100,101,999", path=CSV)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="who-had-it_2026-05-03_140300.csv"' in response["Content-Disposition"]
    first, second, third = table(response)
    assert first == {
        "DID": "100",
        "Time": "2026-05-03 14:03:00+03:00",
        "State": "in use",
        "Status": "Active",
        "Client": "North Bakery",
        "Client then": "",
        "Account": "north_bakery",
        "Account then": "",
        "Package": "Basic",
        "Package then": "",
        "From": "2026-05-03 14:03:00+03:00",
        "Started by": "the system",
        "Started with": "Assigned to north_bakery under package Basic",
        "Start change": first["Start change"],
        "Until": "2026-05-04 14:03:00+03:00",
        "Ended by": "the system",
        "Ended with": "Put on Hold",
        "End change": first["End change"],
        "Note": "",
    }
    assert first["Start change"].isdigit() and first["End change"].isdigit()
    assert (second["State"], second["Note"]) == ("unassigned", "Unassigned.")
    assert (third["State"], third["Status"], third["From"]) == ("never in the inventory", "", "")


def test_notes_in_the_csv_are_in_the_users_time_zone(browser, house):
    (row,) = table(look_up(browser, "100", "2026-05-04T14:03:00", CSV))
    assert row["State"] == "on Hold after use"
    assert "from 4 May 2026, 14:03:00 EEST" in row["Note"]


def test_the_csv_is_harmless_in_a_spreadsheet(browser, house):
    house.client.name = "=1+1"
    house.client.save()
    (row,) = table(look_up(browser, "100", path=CSV))
    assert row["Client"] == "'=1+1"


def test_the_csv_is_streamed_and_needs_permission_to_export(browser, viewer, house):
    assert look_up(browser, "100", path=CSV).streaming
    viewer.groups.clear()
    viewer.user_permissions.set(Permission.objects.filter(codename__in=["view_change", "view_did"]))
    assert look_up(browser, "100", path=CSV).status_code == 403
    assert CSV not in look_up(browser, "100").content.decode()


@pytest.mark.parametrize("path", [CSV, STATEMENT])
def test_a_csv_or_statement_of_invalid_input_redirects_to_the_errors(browser, house, path):
    back = look_up(browser, "x", path=path)
    assert (back.status_code, back.url.split("?")[0]) == (302, PAGE)
    assert browser.get(back.url).status_code == 422
    assert browser.post(path, {"numbers": "x"}).status_code == 422


def test_the_statement_names_who_requested_it_when_and_its_basis(browser, viewer, house):
    text = look_up(browser, "100,101", path=STATEMENT).content.decode()
    assert "<dt>Requested by</dt><dd>viewer</dd>" in text
    assert "<dt>Time zone</dt><dd>Europe/Vilnius</dd>" in text
    assert "2 numbers: 1 in use by a client, 1 unassigned" in text
    assert "3 May 2026, 14:03:00 EEST" in text and "2026-05-03T14:03:00+03:00" in text
    assert "Basis of this statement" in text
    assert "(change " in text
    assert "topbar" not in text and "<nav" not in text


def test_numbers_of_other_resellers_look_like_numbers_that_never_existed(house):
    south = carrier("South")
    numbers_in("instock", ["200"], south, now=START - DAY)
    sven = client_of(member("Viewer", username="sven", reseller=south.reseller))
    at = "2026-05-03T11:03:00Z"
    kinds = [answer.kind for answer in look_up(sven, "100,999,200", at).context["found"]]
    assert kinds == ["never", "never", "free"]
    own = {path: b"".join(look_up(sven, "100", at, path)).decode() for path in (PAGE, STATEMENT, CSV)}
    none = {path: b"".join(look_up(sven, "999", at, path)).decode() for path in (PAGE, STATEMENT, CSV)}
    assert "North" not in "".join(own.values())
    for path in (STATEMENT, CSV):
        assert len(own[path].replace("100", "999")) == len(none[path])


def test_looking_up_writes_nothing(browser, house):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_change")
        before = cursor.fetchone()
        for path in (PAGE, STATEMENT, CSV):
            b"".join(look_up(browser, "100", path=path))
            browser.post(path, {"numbers": "100"})
        cursor.execute("SELECT count(*) FROM audit_change")
        assert cursor.fetchone() == before

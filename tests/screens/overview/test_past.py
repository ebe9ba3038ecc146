"""The overview as of a past day: it shows what the page of that day showed, to whom it was shown."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from audit import SYSTEM
from didmgmt import clock
from dids.models import DID, ClientPackage, StockDay, StockLevel, head_geography, stock_days
from dids.overview import GROUPED, Overview
from dids.past_overview import PastOverview
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.world import client_of, member

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
KINDS = ("operator", *GROUPED)


def at(monkeypatch, now):
    """Set the clock of the product."""
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture
def houses(monkeypatch):
    """Two resellers with numbers of two countries, 40 days before NOON; the clock says NOON."""
    begin, found = NOON - 40 * DAY, []
    for name, digits in (("North", "1"), ("South", "2")):
        house = carrier(name)
        ClientPackage.objects.update(starts_at=begin - DAY)
        for place in ("4420794600", "1800555000", "4930123400"):
            numbers_in(
                "instock", [f"{place}{digits}{n}" for n in range(4)], house, now=begin, tags=["London"]
            )
        found.append(house)
    head_geography.renew()
    at(monkeypatch, NOON)
    return found


def of(house, status):
    return DID.objects.filter(operator=house.operator, status=status).order_by("number")


def some(house, status, count):
    return DID.objects.filter(pk__in=[did.pk for did in of(house, status)[:count]])


def live(house, now):
    """Do something on each day: numbers are assigned, go on Hold for two days and return."""
    some(house, "instock", 2).assign(house.client_package, house.account, by=SYSTEM, now=now - 3 * DAY / 24)
    some(house, "active", 1).edit(by=SYSTEM, hold_days=2, now=now - 2 * DAY / 24)
    some(house, "active", 1).hold(by=SYSTEM, now=now - DAY / 24)
    if house.operator.name.startswith("North"):
        some(house, "instock", 1).edit(by=SYSTEM, status="archive", now=now)


def viewer_of(house):
    return member("Viewer", username=house.reseller.name, reseller=house.reseller)


def figures(found):
    """Return what an overview says of its day."""
    groups = {
        by: [(group.key, group.name, group.counts, group.total) for group in found.grouped(by)]
        for by in KINDS
    }
    return [vars(one) for one in found.statuses], found.total, groups, [vars(one) for one in found.flows()]


def test_a_past_day_is_what_the_page_showed_on_that_day(houses):
    people = [
        member("Viewer"),
        *(member("Viewer", username=h.reseller.name, reseller=h.reseller) for h in houses),
    ]
    shown = {}
    for ago in range(38, 0, -1):
        now = NOON - ago * DAY
        for house in houses:
            live(house, now)
        if ago % 7 == 0:
            continue  # no worker runs
        stock_days.count_stock(now)
        for who in people:
            shown[ago, who] = figures(Overview(who, now))
    while stock_days.count_stock(NOON):
        pass
    assert any(counts[0]["before"] for counts, *_ in shown.values())
    for (ago, who), expected in shown.items():
        found = figures(PastOverview(who, stock_days.kept((NOON - ago * DAY).date()), None))
        flows = [one if one["assigned"] is not None else None for one in expected[3]]
        known = [one for one, was in zip(found[3], flows, strict=True) if was]
        assert (found[:3], known) == (expected[:3], list(filter(None, flows))), (ago, who)


def kept(now):
    """Keep the stock of the day of ``now`` as the worker does."""
    stock_days.count_stock(now)
    return now.date().isoformat()


def texts(page):
    assert page.status_code in (200, 422), page.content
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def links(page):
    """Return the addresses of lists of numbers that a page leads to, without the menu."""
    return {
        link.replace("&amp;", "&") for link in re.findall(r'href="(/dids/\?[^"]+)"', page.content.decode())
    }


def test_each_link_leads_to_as_many_numbers_as_the_page_counts(houses):
    live(houses[0], NOON - 10 * DAY)
    day = kept(NOON - 10 * DAY + timedelta(microseconds=5))
    live(houses[1], NOON - 9 * DAY)
    viewer = member("Viewer")
    browser = client_of(viewer)
    for by in GROUPED:
        page = browser.get(f"/overview/?as_of={day}&group={by}&reseller={houses[0].reseller.pk}")
        found = PastOverview(
            member("Viewer", username=by), stock_days.kept(NOON.date() - 10 * DAY), houses[0].reseller
        )
        counts = {count.status: count.numbers for count in found.statuses}
        totals = {group.key: group.total for one in ("operator", by) for group in found.grouped(one)}
        assert links(page)
        for link in links(page):
            query = parse_qs(urlsplit(link).query)
            assert query["as_of"] == ["2026-06-05T12:00:01+00:00"], link
            (key,) = [*query.get("operator", []), *query.get("tag", []), *query.get("q", []), ""][:1]
            expected = totals[key.rstrip("*")] if key else found.total
            expected = counts[query["status"][0]] if "status" in query else expected
            assert f'<span class="total">{expected}</span>' in browser.get(link).content.decode(), link
        assert ("country=" in page.text) is False and "/blocks/?" not in page.text


def test_the_present_is_left_out_and_one_click_away(houses):
    day = kept(NOON - 10 * DAY)
    browser = client_of(member("Viewer"))
    page = browser.get(f"/overview/?as_of={day}&group=type&forecast=tag")
    text = texts(page)
    assert "Stock as of 5 Jun 2026 , last counted on 5 Jun 2026, 12:00 ." in text
    assert "What needs attention, returns from Hold and forecasts are shown for the present only." in text
    assert (
        "Runs dry first" not in text
        and "Needs attention" not in text
        and "Returns from Hold by day" not in text
    )
    assert "the 90 days up to 5 Jun 2026" in text and "By type" in text
    assert 'href="/overview/?group=type&amp;forecast=tag"' in page.text
    assert f'href="?as_of={day}&amp;group=country&amp;forecast=tag#groups"' in page.text
    assert f'name="as_of" value="{day}"' in page.text  # of the form that chooses a reseller
    assert 'name="group" value="type"' in page.text


def test_who_has_another_time_zone_is_told_of_which_the_days_are(houses):
    day = kept(NOON - 10 * DAY)
    person = member("Viewer", time_zone="Asia/Tokyo")
    assert "(days are those of UTC)" in texts(client_of(person).get(f"/overview/?as_of={day}"))


def test_a_bound_person_sees_the_branch_as_it_was_then(houses):
    north, south = houses
    day = kept(NOON - 10 * DAY)
    operator = north.operator
    Operator.objects.filter(pk=operator.pk).update(reseller=south.reseller, name="Moved Telecom")
    kept(NOON - 9 * DAY)
    of_north, of_south = (client_of(viewer_of(house)) for house in houses)
    then = texts(of_north.get(f"/overview/?as_of={day}"))
    assert "North Telecom In Stock: 12 12 12" in then and "Moved" not in then and "South" not in then
    assert "North Telecom" not in texts(of_south.get(f"/overview/?as_of={day}"))
    assert "Moved" not in texts(of_south.get(f"/overview/?as_of={day}"))
    after = texts(of_north.get("/overview/?as_of=2026-06-06"))
    assert "No numbers on this day" in after
    assert of_north.get(f"/overview/?as_of={day}&reseller={south.reseller.pk}").status_code == 404


def test_an_operator_that_is_gone_is_named_as_of_the_days_it_had(houses):
    day = kept(NOON - 10 * DAY)
    of(houses[0], "instock").delete_unused(by=SYSTEM)
    houses[0].operator.delete()
    page = client_of(member("Viewer")).get(f"/overview/?as_of={day}")
    assert "North Telecom In Stock: 12 12 12" in texts(page)


@pytest.mark.parametrize(
    ("day", "sentence", "nearest"),
    [
        (
            "2026-06-04",
            "The stock of 4 Jun 2026 was not kept. The last day before it that was kept is 3 Jun 2026.",
            3,
        ),
        ("2026-06-02", "The stock of 2 Jun 2026 was not kept. The first day that was kept is 3 Jun 2026.", 3),
        ("2026-06-15", "15 Jun 2026 is not over. The last day before it that was kept is 10 Jun 2026.", 10),
        ("2027-01-01", "1 Jan 2027 is not over. The last day before it that was kept is 10 Jun 2026.", 10),
        ("2026-06-31", "There is no 31 Jun 2026", None),
        ("x", "Enter a date like 28 Nov 2026.", None),
    ],
)
def test_a_day_that_was_not_kept_is_refused_with_the_nearest_one(houses, day, sentence, nearest):
    for ago in (12, 5, 0):
        kept(NOON - ago * DAY)
    browser = client_of(member("Viewer"))
    page = browser.get(f"/overview/?group=type&as_of={day}")
    assert page.status_code == 422 and sentence in texts(page)
    link = f'href="?group=type&amp;as_of=2026-06-{nearest:02}"' if nearest else ""
    assert link in page.text and (nearest or "Show 3" not in page.text)
    assert browser.get(f"/overview/export/?as_of={day}").url == f"/overview/?as_of={day}"


def test_without_any_day_the_worker_is_named(houses):
    page = client_of(member("Viewer")).get("/overview/?as_of=2026-06-04")
    assert page.status_code == 422
    assert "No day has been kept yet: the worker keeps the stock of each day on which it runs." in texts(page)


def test_days_before_countries_were_kept_say_so(houses):
    day = kept(NOON - 10 * DAY)
    StockDay.objects.filter(of__in=["country", "type"]).delete()
    browser = client_of(member("Administrator"))
    assert "Countries are not kept yet." in texts(browser.get(f"/overview/?as_of={day}&group=country"))
    kept(NOON - 8 * DAY)
    page = browser.get(f"/overview/?as_of={day}&group=type")
    assert "Types have been kept since 7 Jun 2026 only." in texts(page)
    assert "/overview/export/" not in page.text
    exported = browser.get(f"/overview/export/?as_of={day}&group=country")
    assert exported.url == f"/overview/?as_of={day}&group=country"
    assert "United Kingdom" in texts(browser.get("/overview/?as_of=2026-06-07&group=country"))


def test_the_file_is_as_of_that_day_too(houses):
    live(houses[0], NOON - 10 * DAY)
    day = kept(NOON - 10 * DAY)
    some(houses[0], "instock", 5).edit(by=SYSTEM, status="archive")
    browser = client_of(member("Viewer"))
    page = browser.get(f"/overview/?as_of={day}&group=country").text
    address = f"/overview/export/?group=country&as_of={day}"
    assert f'href="{address.replace("&", "&amp;")}"' in page
    answer = browser.get(address)
    assert f"stock_as-of-{day}-by-country_2026-06-15" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode())))
    assert rows[1] == ["all", "", "1", "0", "1", "0", "21", "1", "24"]
    assert ["country", "Germany", "0", "0", "0", "0", "8", "0", "8"] in rows


def test_it_is_read_without_the_numbers(houses, django_assert_max_num_queries):
    day = kept(NOON - 10 * DAY)
    browser = client_of(member("Viewer"))
    browser.get(f"/overview/?as_of={day}")
    for by in GROUPED:
        with django_assert_max_num_queries(14) as queries:
            browser.get(f"/overview/?as_of={day}&group={by}")
        assert not [one for one in queries.captured_queries if 'dids_did"' in one["sql"]]


def test_prefixes_of_a_level_are_no_groups_of_their_own(houses):
    StockLevel(prefix="44207", minimum=5).create(by=SYSTEM)
    kept(NOON - 10 * DAY)
    found = PastOverview(member("Viewer"), stock_days.kept(NOON.date() - 10 * DAY))
    assert sorted(group.key for group in found.grouped("prefix")) == ["1800", "4420", "4930"]

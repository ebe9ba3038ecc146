"""The overview: what it says of the stock, to whom, and what it costs."""

import csv
import io
import re
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import SYSTEM
from dids.models import DID, CountedDay, StockDay, StockOutlook, head_geography, stock_days
from dids.overview import Overview
from tests.carrier import carrier, numbers_in, person
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


def texts(response):
    assert response.status_code == 200, response.content
    html = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", response.content.decode())
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture
def visitor(viewer):
    return client_of(viewer)


@pytest.fixture
def stock(world):
    """Create numbers of London of both resellers, with a past of 31 days that was written down by hand."""
    for operator, first, count in ((world.operator, 100, 12), (world.operator_2, 200, 40)):
        numbers = [f"4420000{first + n}" for n in range(count)]
        DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM, tags=["London"])
    now = timezone.now()
    head_geography.renew()
    stock_days.count_stock(now)
    today = stock_days.local_day(now)
    days = [today - timedelta(days=n) for n in range(1, 31)]
    CountedDay.objects.bulk_create([CountedDay(day=day, stock_at=now, flows_at=now) for day in days])
    for operator, reseller in ((world.operator, world.reseller), (world.operator_2, world.reseller_2)):
        for of, key in (("operator", str(operator.pk)), ("prefix", "4420"), ("tag", "London")):
            rows = [
                StockDay(of=of, key=key, reseller=reseller, day=day, instock=50, assigned=2, released=1)
                for day in days
            ]
            StockDay.objects.bulk_create(rows)
    StockOutlook.objects.update(out_30=60)
    return world


def test_it_shows_what_is_in_stock_and_where_it_runs_dry(stock, visitor):
    text = texts(visitor.get("/overview/"))
    dry = stock_days.local_day(timezone.now()) + timedelta(days=13)  # 52 at 2 + 2 a day
    assert f"+44 20 United Kingdom runs dry: 52 In Stock, 4.0 a day leave {dry.day} {dry:%b %Y}" in text
    assert "8 of" not in text and "1 of 1 prefixes" in text
    assert "4 assigned and 2 released a day on average" in text
    assert "In Stock 54" in text and "DID Operator 2 In Stock: 41 41 41" in text
    assert "London" in texts(visitor.get("/overview/?forecast=tag:London&group=country"))
    assert "United Kingdom In Stock: 52 52 52" in texts(visitor.get("/overview/?group=country"))
    assert "By type" in texts(visitor.get("/overview/?group=type"))
    assert "+44 20 United Kingdom In Stock: 52 52 52" in texts(visitor.get("/overview/?group=prefix"))
    assert "There is no tag “Oslo”" in texts(visitor.get("/overview/?forecast=tag:Oslo"))


def test_a_bound_person_sees_the_branch_alone(stock):
    bound = client_of(member("Viewer", reseller=stock.reseller))
    text = texts(bound.get("/overview/"))
    dry = stock_days.local_day(timezone.now()) + timedelta(days=6)
    assert f"runs dry: 12 In Stock, 2.0 a day leave {dry.day} {dry:%b %Y}" in text
    assert "DID Operator 2" not in text and "2 assigned and 1 released a day" in text
    assert bound.get(f"/overview/?reseller={stock.reseller_2.pk}").status_code == 404
    everybody = client_of(member("Viewer", username="all"))
    one = texts(everybody.get(f"/overview/?reseller={stock.reseller.pk}"))
    assert f"12 In Stock, 2.0 a day leave {dry.day}" in one and "Numbers of Reseller 1 only" in one


@pytest.mark.parametrize(("by", "query"), [("prefix", "prefix=4420"), ("country", "country=GB")])
def test_prefixes_and_countries_lead_to_their_blocks(stock, visitor, by, query):
    page = visitor.get(f"/overview/?group={by}")
    assert f'href="/blocks/?{query}"' in page.text
    assert "52 numbers, 52 In Stock" in texts(visitor.get(f"/blocks/?{query}"))


def test_the_overview_of_one_reseller_leads_to_no_blocks_of_all(stock, visitor):
    page = visitor.get(f"/overview/?group=prefix&reseller={stock.reseller.pk}")
    assert "London" in texts(page) and "/blocks/?prefix" not in page.text


def test_what_returns_from_hold_is_shown_by_day_and_status(stock, visitor):
    text = texts(visitor.get("/overview/"))
    assert "1 in 45 days, and what they become" in text
    assert "1 numbers return in 45 days: 1 become In Stock, 0 Reserved, 0 Archive." in text


def test_a_new_system_says_what_is_missing(world, visitor):
    text = texts(visitor.get("/overview/"))
    assert "has not taken one yet" in text and "Needs 30 days of history, has 0." in text
    assert "Nothing needs you now." in text
    stock_days.count_stock(timezone.now())
    assert "Trends and forecasts are from the snapshot of" in texts(visitor.get("/overview/"))


def test_an_empty_system_leads_to_new_dids(clerk):
    page = client_of(clerk).get("/overview/")
    assert "No numbers yet" in texts(page) and 'href="/dids/new/"' in page.content.decode()
    assert '<svg class="plot"' not in page.content.decode()


def test_who_wants_it_begins_with_it(world, visitor, viewer):
    assert visitor.get("/").url == "/dids/"
    sent = visitor.post("/me/", {"time_zone": "UTC", "first_page": "overview"})
    assert sent.status_code == 302 and visitor.get("/").url == "/overview/"
    visitor.post("/me/", {"time_zone": "Asia/Tokyo"})  # without the choice it stays
    assert visitor.get("/").url == "/overview/"
    assert visitor.post("/me/", {"time_zone": "UTC", "first_page": "x"}).status_code == 422


@pytest.mark.parametrize(
    "query", ["forecast=nonsense", "group=nonsense", "reseller=x", "subjects=some", "sort=stock"]
)
def test_what_is_not_understood_is_refused(world, visitor, query):
    assert visitor.get(f"/overview/?{query}").status_code == 400


def test_the_stock_is_read_without_counting_numbers(stock, visitor):
    visitor.get("/overview/")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        visitor.get("/overview/?subjects=all")
    numbers = [query["sql"] for query in queries if re.search(r'(FROM|JOIN) "?dids_did\b', query["sql"])]
    assert len(queries) <= 40
    assert all("hold_until" in sql or "EXISTS" in sql for sql in numbers), numbers


@pytest.mark.parametrize("by", ["operator", "tag", "country", "type", "prefix"])
@pytest.mark.parametrize("is_bound", [False, True])
def test_a_hold_that_is_over_counts_as_over_in_every_group(by, is_bound):
    house, other = carrier(), carrier("South")
    for one, digits in ((house, "1"), (other, "2")):
        numbers = [f"4420794600{digits}{n}" for n in range(3)]
        numbers_in("hold", numbers, one, tags=["London"], hold_days=5)
        DID.objects.filter(number=numbers[0]).edit(by=SYSTEM, after_hold="reserved")
        DID.objects.filter(number=numbers[2]).edit(by=SYSTEM, hold_days=50)
    head_geography.renew()
    viewer = member("Viewer", reseller=house.reseller if is_bound else None)
    of_all = 1 if is_bound else 2
    for days, expected in ((0, {"hold": 3}), (6, {"hold": 1, "reserved": 1, "instock": 1})):
        found = Overview(viewer, timezone.now() + timedelta(days=days)).grouped(by)
        counts = Counter()
        for group in found:
            counts.update(group.counts)
        assert +counts == {status: of_all * count for status, count in expected.items()}
        if by in ("country", "type"):
            assert [group.name for group in found] == [
                {"country": "United Kingdom", "type": "Geographic"}[by]
            ]


def test_overdue_holds_cost_two_queries_however_many_there_are(django_assert_num_queries):
    house = carrier()
    numbers_in("hold", [f"4420794{n:03}00" for n in range(30)], house, hold_days=5)
    head_geography.renew()
    found = Overview(member("Viewer"), timezone.now() + timedelta(days=6))
    assert found._overdue
    with django_assert_num_queries(3):  # the counters, the holds by head, and where these heads belong
        found.grouped("country")


def file_of(who, query=""):
    answer = client_of(who).get(f"/overview/export/{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.reader(io.StringIO(answer.getvalue().decode())))


def test_the_file_has_all_numbers_and_those_of_each_operator_and_group(stock, viewer):
    header, everything, *rows = file_of(viewer, "?group=country")
    assert header == ["Group", "Name", "Active", "Blocked", "Hold", "Reserved", "In Stock", "Archive", "All"]
    counts = Counter(DID.objects.values_list("status", flat=True))
    in_order = [str(counts[one]) for one in ("active", "blocked", "hold", "reserved", "instock", "archive")]
    assert everything == ["all", "", *in_order, str(DID.objects.count())]
    assert ["operator", "DID Operator 2", "0", "0", "0", "0", "41", "0", "41"] in rows
    assert ["country", "United Kingdom", "0", "0", "0", "0", "52", "0", "52"] in rows
    assert ["tag", "London", "0", "0", "0", "0", "52", "0", "52"] in file_of(viewer)
    page = client_of(viewer).get(f"/overview/?group=type&reseller={stock.reseller.pk}").content.decode()
    assert f'href="/overview/export/?group=type&amp;reseller={stock.reseller.pk}"' in page


def test_the_file_has_the_branch_alone_and_needs_the_right(stock, viewer):
    bound = member("Viewer", username="bound", reseller=stock.reseller)
    own = file_of(bound, "?group=prefix")
    assert own == file_of(viewer, f"?group=prefix&reseller={stock.reseller.pk}")
    assert not any("DID Operator 2" in row for row in own)
    assert client_of(bound).get(f"/overview/export/?reseller={stock.reseller_2.pk}").status_code == 404
    reader = client_of(person("reader", "dids.view_did"))
    assert reader.get("/overview/export/").status_code == 403
    assert "/overview/export/" not in reader.get("/overview/").content.decode()
    assert client_of(viewer).get("/overview/export/?group=nonsense").status_code == 400

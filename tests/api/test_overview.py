"""The figures of the overview and the minimum holds, for programs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from didmgmt.dates import show_day
from dids.models import AgeingRule, CountedDay, StockDay, StockOutlook, stock_days
from dids.overview import Overview
from dids.past_overview import PastOverview
from tests.screens.overview.test_overview import stock  # noqa: F401 - a fixture
from tests.world import member

pytestmark = pytest.mark.django_db


def test_the_figures_are_those_of_the_page(stock, owner, administrator, api):  # noqa: F811
    found, page = (
        api(administrator, "overview:read").get("/overview").json,
        Overview(administrator, timezone.now()),
    )
    assert found["total"] == page.total == sum(one["numbers"] for one in found["statuses"])
    (prefix,) = [one for one in found["groups"]["prefixes"] if one["key"] == "4420"]
    name = "+44 20 United Kingdom"
    assert prefix == {"key": "4420", "name": name, "numbers": 52, "statuses": {"instock": 52}}
    assert {"GB"} <= {one["key"] for one in found["groups"]["countries"]}
    assert [one["key"] for one in found["groups"]["tags"]] == ["London"]
    assert found["history_days"] == 30 and len(found["flows"]) == 90
    yesterday = stock_days.local_day(timezone.now()) - timedelta(days=1)
    assert {"day": str(yesterday), "assigned": 4, "released": 2} in found["flows"]
    (forecast,) = [one for one in found["forecasts"] if one["of"] == "prefix"]
    dry = stock_days.local_day(timezone.now()) + timedelta(days=13)
    assert (forecast["name"], forecast["in_stock"], forecast["dry_on"]) == (name, 52, str(dry))
    assert forecast["out_a_day"] == 4.0 and forecast["below_level_on"] is None


def test_a_branch_gets_its_own_figures(stock, world, owner, administrator, api):  # noqa: F811
    own = api(owner).get("/overview").json
    of_reseller = api(administrator).get("/overview", reseller=str(world.reseller.pk)).json
    assert own == of_reseller and own["groups"]["prefixes"][0]["numbers"] == 12
    assert "?reseller" in api(owner).get("/overview", reseller=str(world.reseller.pk)).errors
    assert "?reseller" in api(administrator).get("/overview", reseller="x").errors
    assert "?group" in api(administrator).get("/overview", group="tag").errors


def test_what_returns_from_hold_is_there_by_day_once_it_is_counted(world, administrator, api):
    assert api(administrator).get("/overview").json["counted_at"] is None
    stock_days.count_stock(timezone.now())
    found = api(administrator).get("/overview").json
    assert found["counted_at"] and found["forecasts"] == [] and CountedDay.objects.exists()
    assert sum(sum(one["statuses"].values()) for one in found["returns"]) == 1
    assert StockOutlook.objects.exists()


def test_the_figures_of_a_past_day_are_those_of_its_page(stock, administrator, api):  # noqa: F811
    today = stock_days.local_day(timezone.now())
    day = today - timedelta(days=1)
    StockDay.objects.filter(day=day, of="operator").delete()
    StockDay.objects.filter(day=today, of__in=["country", "operator"]).update(day=day)
    found = api(administrator, "overview:read").get("/overview", as_of=str(day)).json
    page = PastOverview(administrator, stock_days.kept(day))
    assert found["total"] == page.total > 0 and found["flows"][-1]["day"] == str(day)
    assert [one["numbers"] for one in found["statuses"]] == [one.numbers for one in page.statuses]
    names = [(one["key"], one["name"]) for one in found["groups"]["countries"]]
    assert ("GB", "United Kingdom") in names
    assert (found["returns"], found["forecasts"], found["groups"]["types"]) == ([], [], None)
    one = api(administrator).get("/overview", as_of=str(day), reseller=str(stock.reseller.pk)).json
    assert 0 < one["total"] < found["total"]
    refused = api(administrator).get("/overview", as_of=str(today)).errors
    assert f"The last day before it that was kept is {show_day(day)}." in refused["?as_of"]


def test_minimum_holds_have_their_days_and_who_accepted_them(world, owner, administrator, api):
    rule = AgeingRule(prefix="25", days=45, place="Elsewhere", source="the contract")
    rule.create(by=administrator)
    AgeingRule.objects.get(pk=rule.pk).accept(by=administrator)
    found = {
        one["prefix"]: one for one in api(administrator, "minimum-holds:read").get("/minimum-holds").items
    }
    one = found.pop("25")
    assert one.pop("accepted_at").endswith("Z")
    assert one == {
        "id": rule.pk,
        "prefix": "25",
        "place": "Elsewhere",
        "days": 45,
        "source": "the contract",
        "accepted_by": "administrator",
    }
    assert found and all(one["accepted_at"] is None for one in found.values())  # suggested
    of_branch = api(owner).get("/minimum-holds").items
    assert {one["accepted_by"] for one in of_branch} == {None} and "25" in {
        one["prefix"] for one in of_branch
    }
    assert "?prefix" in api(owner).get("/minimum-holds", prefix="4").errors


@pytest.mark.parametrize("path", ["overview", "minimum-holds"])
def test_each_needs_its_scope(owner, api, path):
    assert api(owner, f"{path}:read").get(f"/{path}").status == 200
    assert api(owner, f"{path}:read").get("/dids").status == 403
    assert api(owner, "dids:read").get(f"/{path}").status == 403
    assert api(member("Viewer"), f"{path}:read").get(f"/{path}").status == 200

"""Programs filter numbers by mark and read which rule marks them."""

import pytest

from dids.models import DID, PatternRule
from tests.dids.models.test_marks import set_rules
from tests.world import client_of, member

pytestmark = pytest.mark.django_db
THREE_ALIKE = {"class": "silver", "rule": "AAA"}


@pytest.fixture
def marked(world):
    set_rules([("silver", "pattern", "AAA")])
    return world


def test_a_list_is_filtered_by_mark_and_tells_the_rule(api, marked):
    program = api(member("Viewer"))
    found = program.get("/dids", mark="silver", fields="number,mark").json["items"]
    assert found == [{"number": number, "mark": THREE_ALIKE} for number in ("111", "256999", "3333")]
    (none,) = program.get("/dids", mark="none", q="=2567", fields="number,mark").json["items"]
    assert none == {"number": "2567", "mark": None}
    assert "mark" not in program.get("/dids", limit=1).json["items"][0]
    assert program.get("/dids", mark="platinum").status == 422
    rule = PatternRule.objects.get().pk
    assert program.get("/dids", mark_rule=rule, fields="number,mark").json["items"] == found
    (error,) = program.get("/dids", mark_rule=rule + 1).json["errors"]
    assert "There is no pattern rule" in error["sentence"]


def test_one_number_tells_its_rule_and_a_past_one_does_not(api, marked):
    program = api(member("Viewer"))
    assert program.get("/dids/111", fields="mark").json == {"mark": THREE_ALIKE}
    assert program.get("/dids/112", fields="mark").json == {"mark": None}
    assert program.get("/dids", as_of="2026-01-01T00:00", fields="mark").status == 422


def test_the_list_and_the_page_of_a_number_show_its_mark(marked):
    browser = client_of(member("Viewer"))
    page = browser.get("/dids/?columns=number,mark&q=256999").content.decode()
    assert '<span class="medal medal-silver" title="AAA">silver</span>' in page
    shown = browser.get(f"/dids/{DID.objects.get(number='256999').pk}/").content.decode()
    assert "256<b>999</b>" in shown
    assert "medal" not in browser.get(f"/dids/{DID.objects.get(number='2567').pk}/").content.decode()

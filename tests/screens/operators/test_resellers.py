"""Resellers, managed by administrators without a reseller of their own."""

from datetime import timedelta

import pytest

from audit.models import Change
from clients.models import Reseller, ResellerHistory
from dids.models import DID
from tests.world import client_of


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


def test_the_list_counts_what_each_owns(world, administrator):
    page = client_of(administrator).get("/resellers/")
    found = [
        (r.name, r.operator_count, r.client_count, r.package_count, r.did_count)
        for r in page.context["listing"].rows
    ]
    assert found == [("Reseller 1", 1, 1, 1, 12), ("Reseller 2", 1, 0, 0, 1)]


@pytest.mark.parametrize("sort", ["id", "name", "days", "operators", "clients", "packages", "dids"])
def test_it_sorts_by_every_column_at_the_same_cost(world, administrator, sort, django_assert_num_queries):
    Reseller.objects.bulk_create(Reseller(name=f"R {n}") for n in range(60))
    browser = client_of(administrator)
    with django_assert_num_queries(7):
        page = browser.get(f"/resellers/?per_page=50&sort=-{sort}")
    assert len(page.context["listing"].rows) == 50


def test_a_reseller_is_created_renamed_and_deleted(world, administrator):
    browser = client_of(administrator)
    assert messages_of(browser.post("/resellers/new/", {"name": "South"}, follow=True)) == [
        "Reseller South saved."
    ]
    south = Reseller.objects.get(name="South")
    browser.post(f"/resellers/{south.pk}/", {"name": "Far South", "hold_days": "9"}, follow=True)
    answer = browser.post(f"/resellers/{south.pk}/delete/", follow=True)
    assert messages_of(answer) == ["Reseller Far South deleted."]
    rows = ResellerHistory.objects.filter(object_id=south.pk).order_by("history_id")
    assert [(row.event, row.name, row.change.kind) for row in rows] == [
        ("+", "South", "reseller"),
        ("~", "Far South", "reseller"),
        ("-", "Far South", "reseller"),
    ]


def test_a_name_is_taken_once(world, administrator):
    page = client_of(administrator).post("/resellers/new/", {"name": "Reseller 1"})
    assert page.status_code == 422
    assert page.context["form"].errors["name"] == ["There is already a reseller with this name."]


def test_changed_hold_days_move_the_ends_of_holds(world, administrator):
    before = DID.objects.get(number="2563").hold_until
    answer = client_of(administrator).post(
        f"/resellers/{world.reseller.pk}/", {"name": "Reseller 1", "hold_days": "31"}, follow=True
    )
    assert messages_of(answer) == [
        "Reseller Reseller 1 saved. 1 number on Hold now ends at a different time."
    ]
    assert DID.objects.get(number="2563").hold_until == before + timedelta(days=1)
    assert Change.objects.latest("pk").touched == 2


def test_a_reseller_in_use_is_not_deleted(world, administrator):
    page = client_of(administrator).post(f"/resellers/{world.reseller.pk}/delete/")
    assert page.status_code == 422
    assert "It has 1 client, 1 package and 1 operator. Delete them first" in page.content.decode()
    assert Reseller.objects.filter(pk=world.reseller.pk).exists()


def test_other_users_have_no_access(world, supervisor, stranger):
    for person in (supervisor, stranger):
        browser = client_of(person)
        for path in ("", "new/", f"{world.reseller_2.pk}/", f"{world.reseller_2.pk}/delete/"):
            assert browser.get(f"/resellers/{path}").status_code == 403

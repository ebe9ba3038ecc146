"""Rows of files of numbers, now and as of a past time."""

import csv
import io
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

import sheets
from audit import SYSTEM
from dids import marks
from dids.exports import rows as export_rows
from dids.exports.columns import HEADER
from dids.lists.listing import did_listing
from dids.models import DID, MarkState, PatternRule, head_geography
from tests.carrier import carrier, numbers_in
from tests.world import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    """One number in each of five statuses."""
    house = carrier()
    for number, status in enumerate(("reserved", "instock", "active", "blocked", "hold"), start=4420):
        numbers_in(status, [str(number)], house, tags=["Gold"], notes=f"was {status}")
    return house


def test_past_rows_have_the_columns_of_current_rows(house):
    now = timezone.now() + timedelta(microseconds=1)
    listing = did_listing(QueryDict(f"as_of={now.isoformat().replace('+', '%2B')}"), member("Administrator"))
    assert listing.valid, listing.errors
    current = list(export_rows.CurrentRows(DID.objects.order_by("number"), now))
    past = export_rows.past_rows(listing)
    assert b"".join(sheets.write(past)) == b"".join(sheets.write(current))
    assert current[0] == HEADER
    assert len(current) == 6


def test_rows_of_chosen_keys_of_a_past_list(house):
    now = timezone.now() + timedelta(microseconds=1)
    listing = did_listing(QueryDict(f"as_of={now.isoformat().replace('+', '%2B')}"), member("Administrator"))
    _, *rows = export_rows.past_rows(listing, listing.keys[1:3])
    assert [row[3] for row in rows] == ["4421", "4422"]


def test_rows_in_chunks_keep_the_order_and_leave_out_numbers_deleted_since(house, monkeypatch):
    monkeypatch.setattr(export_rows, "CHUNK", 2)
    rows = export_rows.rows_in_chunks(DID.objects.order_by("-number"), timezone.now())
    numbers = [next(rows)[3], next(rows)[3]]
    DID.objects.filter(number="4421").delete_unused(by=SYSTEM)
    numbers += [row[3] for row in rows]
    assert numbers == ["DID", "4424", "4423", "4422", "4420"]


@pytest.mark.parametrize("rows_of", [export_rows.listing_rows, export_rows.listing_rows_in_chunks])
def test_a_current_list_is_exported_in_its_order(house, rows_of):
    listing = did_listing(QueryDict("sort=-number&status=active&status=hold"), member("Administrator"))
    _, *rows = rows_of(listing, timezone.now())
    assert [row[3] for row in rows] == ["4424", "4422"]


def test_the_country_the_area_and_the_type_of_each_number_are_in_the_file(house):
    for number in ("442079460001", "447400123456", "493022610001", "18005550100"):
        numbers_in("instock", [number], house)
    found = rows_by_number(DID.objects.all())
    assert found["442079460001"] == ("United Kingdom", "London", "Geographic")
    assert found["447400123456"][::2] == ("United Kingdom", "Mobile")
    assert found["493022610001"] == ("Germany", "Berlin", "Geographic")
    assert found["18005550100"][1:] == ("", "Toll-free")
    assert found["4420"] == ("", "", "")


def test_the_mark_of_each_number_is_in_the_file_and_no_mark_of_a_deleted_rule(house):
    administrator = member("Administrator")
    marks.use_suggested(by=administrator, version=0)
    numbers_in("instock", ["442079460000", "442079461231", "442079464477"], house)
    assert marks_by_number() == {"442079460000": "gold", "442079461231": "", "442079464477": "silver"}
    gold = PatternRule.objects.get(text="AAAA")
    marks.delete_rule(gold.pk, by=administrator, version=MarkState.current().version)
    assert marks_by_number()["442079460000"] == ""


def marks_by_number():
    rows = export_rows.CurrentRows(DID.objects.filter(number__startswith="44207946"), timezone.now())
    header, *rows = csv.reader(io.StringIO(b"".join(rows.csv()).decode()))
    return {row[3]: row[header.index("Mark")] for row in rows}


def rows_by_number(dids):
    header, *rows = export_rows.CurrentRows(dids.order_by("number"), timezone.now())
    assert header[-3:] == ["Country", "Area", "Type"]
    return {row[3]: row[-3:] for row in rows}


def test_geography_costs_one_query_for_each_chunk_with_new_heads(
    house, monkeypatch, django_assert_num_queries
):
    for head in range(20, 26):
        numbers_in("instock", [f"44{head}79460001", f"44{head}79460002"], house)
    monkeypatch.setattr(export_rows, "CHUNK", 4)
    monkeypatch.setattr(head_geography, "_known", {})
    chunks = 4  # and a fifth with the last number of a head
    with django_assert_num_queries(1 + chunks):
        rows_by_number(DID.objects.all())
    with django_assert_num_queries(1):
        rows_by_number(DID.objects.all())


def test_the_library_is_asked_once_for_each_head(house, monkeypatch):
    numbers_in("instock", [f"44207946{last:04}" for last in range(30)], house)
    monkeypatch.setattr(head_geography, "_known", {})
    asked = []
    of_head = head_geography.geography.of_head
    monkeypatch.setattr(head_geography.geography, "of_head", lambda head: asked.append(head) or of_head(head))
    rows_by_number(DID.objects.all())
    assert sorted(asked) == ["", "44207946"]

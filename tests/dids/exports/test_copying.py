"""A CSV that PostgreSQL formats has the same bytes as one that we format row by row."""

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import sheets
from clients.models import Account, Client, Package, Reseller
from dids.exports.rows import CurrentRows, listing_rows
from dids.lists.listing import did_listing
from dids.models import DID, TagSet, head_geography
from dids.models.head_geography import HeadGeography
from operators.models import Operator
from tests.carrier import carrier, numbers_in
from tests.examples import scaled
from tests.world import member

pytestmark = pytest.mark.django_db

HOSTILE = [
    "",
    "'",
    "''",
    '"',
    ",",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "=",
    "+",
    "-",
    "@",
    "＝",
    "＋",
    "－",
    "＠",
    "\\.",
]
HOSTILE += [
    "\\N",
    "\\",
    "é",
    "数",
    "😀",
    "\x01",
    "\x0b",
    "\u2028",
    " ",
    "%s",
    "%",
    "NULL",
    "a",
    "'=",
    "''-1",
    ";",
]
TEXT = some.lists(some.sampled_from(HOSTILE), max_size=5).map("".join) | some.text(
    some.characters(codec="utf-8", exclude_characters="\0"), max_size=5
)
NAME = TEXT.map(lambda text: f"{text}x"[-40:])  # a name is not empty


@pytest.fixture
def house():
    """Numbers with and without a client, tags, notes and a country, whose heads the worker has met."""
    house = carrier()
    for number, status in enumerate(("reserved", "instock", "active", "blocked", "hold"), start=4420):
        tags = ["Gold"] if number % 2 else []
        numbers_in(status, [str(number)], house, tags=tags, notes="")
    for number in ("442079460001", "442079460002", "493022610001", "800123400001", "1"):
        numbers_in("instock", [number], house)
    head_geography.renew()
    return house


def is_same(rows):
    assert not head_geography.any_missing()  # else both are formatted here
    return b"".join(rows.csv()) == b"".join(sheets.write(rows))


@given(TEXT, TEXT, some.lists(NAME, min_size=6, max_size=6))
@settings(max_examples=scaled(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_text_is_written_alike(house, note, other, names):
    dids = DID.objects.order_by("number")
    dids.filter(number__lt="4422").update(notes=note)
    dids.filter(number__gte="4422").update(notes=other)
    for model, name in zip((Reseller, Operator, Client, Account, Package), names, strict=False):
        model.objects.update(name=name)
    TagSet.objects.update(label=names[5])

    rows = CurrentRows(dids, timezone.now(), missing=[("", "deleted", None, "777")])

    assert is_same(rows)


@pytest.mark.parametrize("sign", HOSTILE)
def test_each_sign_at_the_beginning_is_written_alike(house, sign):
    DID.objects.update(notes=f"{sign}1")
    Operator.objects.update(name=f"{sign}name")
    assert is_same(CurrentRows(DID.objects.order_by("number"), timezone.now()))


@pytest.mark.parametrize(
    "query", ["", "sort=-operator", "status=hold", "q=4420, 4421, 999", "client=0", "page=2"]
)
def test_a_list_is_written_alike(house, query):
    for who in (member("Administrator"), member("Supervisor", reseller=house.operator.reseller)):
        listing = did_listing(QueryDict(query), who)
        assert is_same(CurrentRows(listing.ordered, timezone.now()))
        rows = list(listing_rows(listing, timezone.now()))
        assert b"".join(sheets.write(rows)) == b"".join(listing_rows(listing, timezone.now()).csv())


def test_a_hold_that_is_over_is_written_alike(house):
    after = DID.objects.get(status="hold").hold_until
    assert is_same(CurrentRows(DID.objects.order_by("number"), after))


def test_a_head_that_the_worker_has_not_met_is_written_alike(house):
    rows = CurrentRows(DID.objects.order_by("number"), timezone.now())
    complete = b"".join(rows.csv())
    assert b",United Kingdom,London,Geographic\r\n" in complete
    HeadGeography.objects.filter(head="44207946").delete()
    assert b"".join(rows.csv()) == complete


def test_the_geography_of_another_version_of_the_library_is_not_written(house):
    rows = CurrentRows(DID.objects.order_by("number"), timezone.now())
    complete = b"".join(rows.csv())
    old = HeadGeography.objects.get(head="44207946")
    HeadGeography.objects.filter(pk=old.pk).update(version="old", area="Londinium")
    assert b"".join(rows.csv()) == complete


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_abandoned_half_way_leaves_the_connection_usable(house, monkeypatch):
    monkeypatch.setattr("dids.exports.copying.CHUNK", 10)
    blocks = CurrentRows(DID.objects.order_by("number"), timezone.now()).csv()
    assert [next(blocks), next(blocks)]
    blocks.close()
    assert is_same(CurrentRows(DID.objects.order_by("number"), timezone.now()))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite’s rows are formatted by Python")
def test_rows_come_in_several_blocks(house, monkeypatch):
    monkeypatch.setattr("dids.exports.copying.CHUNK", 10)
    rows = CurrentRows(DID.objects.order_by("number"), timezone.now())
    assert len(list(rows.csv())) == 11
    assert is_same(rows)

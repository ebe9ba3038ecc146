"""What the check says an import will do, row by row, and that the import then does so."""

from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import SYSTEM
from dids.imports import tally
from dids.imports.options import CLEAR
from dids.models import DID, DIDHistory
from operators.models import Operator
from tests.imports import client_with_package, finished, importer, staged

pytestmark = pytest.mark.django_db


def effects(number_import, shown="all", page=1, size=100):
    return number_import.effects(shown, page, size).rows


def texts(effect):
    """Return {field: (old, new)} of the fields that change."""
    return {name: (value.old, value.new) for name, value in effect.values.items() if value.changes}


def test_a_new_number_is_shown_as_it_will_be_stored(world):
    client_with_package(world.reseller)
    header = "DID,Status,Operator,Client,Account,Package,Tag\n"
    text = header + "+1 900,active,DID Operator,Bakery,main,Loaf,\n901,,,,,,vip\n"

    number_import = staged(text, importer(world), operator=world.operator, notes="new", tags="gold")
    named, plain = effects(number_import)

    assert (named.line, named.result, named.cell, named.number) == (2, "created", "+1 900", "1900")
    assert {name: value.new for name, value in named.values.items()} == {
        "status": "active", "client": "Bakery", "account": "main", "package": "Loaf", "tags": "gold",
        "operator": "DID Operator", "notes": "new", "after_hold": "In Stock", "hold_days": "",
    }  # fmt: skip
    assert (plain.cell, plain.values["status"].new, plain.values["tags"].new) == ("901", "instock", "vip")
    number_import.apply(number_import.checked)
    stored = DID.objects.get(number="1900")
    assert (stored.status, stored.account.name, stored.notes, stored.tag_set.label) == (
        "active", "main", "new", "gold",
    )  # fmt: skip


def test_records_that_will_be_created_are_shown_by_name(world):
    text = "DID,Reseller,Operator,Status,Client,Account,Package\n900,New,Op,active,C,A,P\n"

    (effect,) = effects(staged(text, importer(world), create=True))

    shown = {name: effect.values[name].new for name in ("operator", "client", "account", "package")}
    assert shown == {"operator": "Op", "client": "C", "account": "A", "package": "P"}


def test_an_update_shows_each_field_before_and_after(world):
    client_with_package(world.reseller)
    Operator.objects.create(reseller=world.reseller, name="Sister")
    DID.objects.filter(number="256999").edit(by=SYSTEM, notes="old", tags=["gold"])
    text = (
        "DID,Status,Client,Account,Package,Operator,Notes,Tag\n256999,active,Bakery,main,Loaf,Sister,,vip\n"
    )

    (effect,) = effects(staged(text, importer(world), existing=CLEAR))

    assert effect.result == "updated"
    assert texts(effect) == {
        "status": ("instock", "active"), "client": ("", "Bakery"), "account": ("", "main"),
        "package": ("", "Loaf"), "operator": ("DID Operator", "Sister"), "notes": ("old", ""),
        "tags": ("gold", "vip"),
    }  # fmt: skip


def test_a_range_shows_its_cell_once(world):
    number_import = staged("DID\n900-902\n910\n", importer(world), operator=world.operator)

    assert [(effect.cell, effect.number) for effect in effects(number_import)] == [
        ("900-902", "900"), ("", "901"), ("", "902"), ("910", "910"),
    ]  # fmt: skip


def test_a_refused_row_shows_its_cell_and_its_reason(world):
    number_import = staged("DID\n12x\n900\n900\n", importer(world), operator=world.operator)
    flaw, _, duplicate = effects(number_import)

    assert (flaw.cell, flaw.values) == ("12x", {})
    assert duplicate.refusal["reason"] == "Duplicate of line 3, which is used."


MIXED = "DID,Notes\n" + "".join(
    f"{'x' if n % 10 == 3 else ''}{5_000 + n},{'' if n % 4 else 'note'}\n" for n in range(60)
)


@pytest.mark.parametrize("kept", [0, 6, 2_000])
@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_the_pages_of_a_result_are_its_rows_in_file_order(monkeypatch, block, kept, world):
    monkeypatch.setattr(tally, "KEPT", kept)
    monkeypatch.setattr(tally, "BLOCK", block)
    monkeypatch.setattr("dids.imports.effects.BLOCK", block)
    number_import = staged(MIXED, importer(world), operator=world.operator)
    everything = effects(number_import)

    for size, shown in product((4, 100), ("created", "refused")):
        pages = number_import.effects(shown, 1, size).pages
        lines = [
            row.line for page in range(1, pages + 1) for row in effects(number_import, shown, page, size)
        ]
        assert lines == [row.line for row in everything if row.result == shown], size
    assert [row.line for row in everything] == list(range(2, 62))


def test_a_page_of_a_rare_result_reads_only_its_rows(monkeypatch, world):
    monkeypatch.setattr(tally, "BLOCK", 5)
    number_import = staged(MIXED, importer(world), operator=world.operator)

    with CaptureQueriesContext(connection) as queries:
        assert len(effects(number_import, "refused", 1, 4)) == 4

    (page,) = [one["sql"] for one in queries if 'LEFT OUTER JOIN "dids_importgroup"' in one["sql"]][:1]
    assert '"dids_importrow"."id" IN (' in page and 'verdict" IN' not in page


def test_a_page_beyond_the_last_and_an_unknown_result_show_what_there_is(world):
    number_import = staged(MIXED, importer(world), operator=world.operator)

    beyond, unknown = number_import.effects("all", 99, 50), number_import.effects("nonsense", 1, 50)

    assert (beyond.page, len(beyond.rows), beyond.first, beyond.last) == (2, 10, 51, 60)
    assert unknown.shown == "sample"


def test_the_sample_has_one_or_two_rows_of_each_kind(world):
    text = MIXED + "111,changed\n256999,\n7000-7009,\n5001,\n"

    sample = effects(staged(text, importer(world), operator=world.operator), "sample")

    assert len(sample) <= tally.SAMPLE
    assert [row.line for row in sample] == sorted(row.line for row in sample)
    assert {row.result for row in sample} == {"created", "updated", "unchanged", "refused"}
    assert {row.number for row in sample} >= {"7000", "7001", "111", "256999"}
    assert "Duplicate of line 3, which is used." in [row.refusal["reason"] for row in sample if row.refusal]


def test_a_page_costs_the_same_queries_whatever_its_size(world):
    number_import = staged(MIXED, importer(world), operator=world.operator)

    def queries(size):
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert len(effects(number_import, "all", 1, size)) == min(size, 60)
        return len(found)

    queries(1)  # caches the permissions of the owner
    assert queries(4) == queries(60) <= 6


def test_a_number_that_has_moved_out_of_sight_shows_no_values(world):
    number_import = staged("DID\n111\n", importer(world, bound=True))
    DID.objects.filter(number="111").update(operator=world.operator_2)

    (effect,) = effects(number_import)

    assert (effect.number, effect.values) == ("111", {})


def test_staged_rows_are_deleted_when_they_are_written_and_refused_ones_stay(world):
    number_import = staged(MIXED, importer(world), operator=world.operator)
    batch = number_import.job.batches.get()

    number_import.apply(number_import.checked)
    finished(number_import)

    assert batch.rows.count() == batch.refused.count() == 6
    assert list(batch.groups.values_list("pk")) == list(batch.rows.values_list("group").distinct())
    assert len(list(number_import.file_of(number_import.refused))) == 7


def test_the_result_counts_reasons_and_statuses(world):
    text = "DID,Status\n12q,\n13q,\n900,\n900,\n901,reserved\n111,blocked\n"
    number_import = staged(text, importer(world), operator=world.operator)

    number_import.apply(number_import.checked)
    finished(number_import)

    assert number_import.headline == "2 numbers created"
    assert number_import.statuses["created"] == "1 Reserved, 1 In Stock"
    reasons = [(reason["rows"], reason["line"], reason["value"]) for reason in number_import.reasons]
    assert reasons == [(2, 2, "12q"), (1, 5, "900"), (1, 7, "blocked")]


def test_an_import_that_writes_nothing_counts_no_writes_outside_the_application(world):
    number_import = staged("DID\n12x\n", importer(world), operator=world.operator)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dids_did SET notes = 'by hand' WHERE number = '111'")
    assert DIDHistory.objects.filter(change=None).exists()

    number_import.apply(number_import.checked)

    assert finished(number_import).job.result["statuses"] == {"created": {}, "updated": {}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DID\n900\n", "The import will create 1 number."),
        ("DID\n900\n901\n111\n", "The import will create 2 numbers and leave 1 unchanged."),
        (
            "DID,Notes\n900,\n111,x\n256999,\n12x,\n",
            "The import will create 1 number, update 1 and leave 1 unchanged; it will refuse 1 row.",
        ),
        ("DID\n12x\n13x\n", "The import will refuse 2 rows."),
    ],
)
def test_the_forecast_counts_what_will_happen(text, sentence, world):
    assert staged(text, importer(world), operator=world.operator).forecast == sentence


def test_ticked_lines_are_written_and_can_be_unticked(world):
    rows = "".join(f"4416320000{n:02}\n" for n in range(30))
    number_import = staged(f"DID\n{rows}1212\n1313\n", importer(world), operator=world.operator)
    assert number_import.check(all_or_nothing=False, typical=[12, 12, 30])
    assert number_import.counts["flagged"] == 2
    assert [row.tick for row in effects(number_import, "flagged")] == ["1212", "1313"]

    assert number_import.write_flagged(shown=[32, 33], ticked=[33])

    assert (number_import.counts["created"], number_import.counts["flagged"]) == (31, 1)
    ticked = next(row for row in effects(number_import, "sample") if row.ticked)
    assert (ticked.line, ticked.result, ticked.tick) == (33, "created", "1313")
    assert number_import.write_flagged(shown=[33], ticked=[])
    assert number_import.counts["flagged"] == 2
    number_import.apply(number_import.checked)
    assert not DID.objects.filter(number__in=["1212", "1313"]).exists()


def test_discarding_deletes_the_file_and_the_rows_and_leaves_a_cancelled_job(world):
    number_import = staged("DID\n900\n", importer(world), operator=world.operator)
    storage, name = number_import.job.file.storage, number_import.job.file.name

    assert number_import.discard()
    assert not number_import.discard()

    assert not storage.exists(name)
    assert not number_import.job.batches.exists()
    assert not number_import.apply(number_import.checked)
    assert number_import.job.state == "cancelled"
    assert number_import.job.sentence.startswith("Discarded.")


def test_an_import_that_has_written_numbers_cannot_be_discarded(world):
    number_import = staged("DID\n900\n", importer(world), operator=world.operator)
    number_import.apply(number_import.checked)

    assert not finished(number_import).discard()


def test_a_number_tells_how_its_cell_was_read(world):
    numbers = "".join(f"44163296{n:04}\n" for n in range(20))
    doubtful = '1632960411\n+44 (0)1632 960116\n"441632970001, 441632970002"\n441632980000-441632980002\n'
    text = f"DID\n{numbers}{doubtful}"
    answers = {"readings": {"zero": "drop", "several": "split"}, "lost": "put", "front": "44"}

    number_import = staged(text, importer(world), operator=world.operator)
    number_import.check(typical=[12, 12, 20], **answers)

    read = [(effect.number, effect.nth, effect.named, effect.settled) for effect in effects(number_import)]
    assert read[19] == ("441632960019", None, None, ())
    assert read[20:] == [
        ("441632960411", None, None, ("put",)),
        ("441632960116", None, None, ("zero",)),
        ("441632970001", 1, 2, ("several",)),
        ("441632970002", 2, 2, ()),
        ("441632980000", 1, 3, ()),
        ("441632980001", 2, 3, ()),
        ("441632980002", 3, 3, ()),
    ]


def test_a_number_tells_that_zeros_were_added(world):
    numbers = "".join(f"01632{n:06}\n" for n in range(20))

    number_import = staged(f"DID\n{numbers}1632960411\n", importer(world), operator=world.operator)
    number_import.check(typical=[11, 11, 20], lost="pad", pad=11)

    effect = effects(number_import)[-1]
    assert (effect.cell, effect.number, effect.settled) == ("1632960411", "01632960411", ("pad",))


def seen(number):
    """Return how the list shows a number: its status and its client."""
    did = DID.objects.for_table().get(number=number)
    return did.status_now, did.client_name or ""


def shown(effect):
    return effect.values["status"].new, effect.values["client"].new


@pytest.mark.parametrize("owner", ["row", "package", "operator", "reseller", "setting"])
def test_a_hold_of_no_days_is_shown_as_it_will_be_seen(settings, owner, world):
    loaf = client_with_package(world.reseller).package
    parents = {"package": loaf, "operator": world.operator, "reseller": world.reseller}
    if owner in parents:
        parents[owner].hold_days = 0
        parents[owner].save()
    settings.HOLD_DAYS = 0 if owner == "setting" else 30
    days = "0" if owner == "row" else ""
    header = "DID,Status,Client,Account,Package,Hold days\n"
    text = f"{header}900,hold,Bakery,main,Loaf,{days}\n2567,hold,,,,{days}\n"

    number_import = staged(text, importer(world), operator=world.operator)
    new, existing = effects(number_import)
    forecast = {"900": shown(new), "2567": shown(existing)}

    assert forecast["900"] == ("instock", "")
    number_import.apply(number_import.checked)
    assert forecast == {number: seen(number) for number in forecast}


def test_a_running_hold_that_becomes_too_short_is_shown_as_over(world):
    number_import = staged("DID,Hold days\n2563,0\n", importer(world))
    (effect,) = effects(number_import)

    assert (effect.values["status"].old, *shown(effect)) == ("hold", "instock", "")
    number_import.apply(number_import.checked)
    assert seen("2563") == shown(effect)

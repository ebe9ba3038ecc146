"""Numbers as a CSV file or a workbook."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

import sheets
from audit import SYSTEM
from dids.exports import rows as export_rows
from dids.models import DID
from jobs.models import Job
from tests.carrier import person
from tests.world import NUMBERS, client_of, member

pytestmark = pytest.mark.django_db

HEADER = [
    "ID",
    "Status",
    "Operator",
    "DID",
    "Tag",
    "Notes",
    "Client",
    "Account",
    "Package",
    "After Hold",
    "Reseller",
    "Mark",
    "Country",
    "Area",
    "Type",
]


@pytest.fixture
def browser(world, viewer):
    return client_of(viewer)


def rows_of(response):
    """Return the rows of the file by number, in its order."""
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(response.getvalue().decode(), newline=""))
    assert header == HEADER
    return {row[3]: dict(zip(HEADER, row, strict=True)) for row in rows}


def name_of(response):
    return re.fullmatch(r'attachment; filename="(.*)"', response.headers["Content-Disposition"])[1]


def test_the_file_has_every_number_as_the_list_shows_it(browser, world):
    rows = rows_of(browser.get("/dids/export/"))
    assert list(rows) == sorted(NUMBERS)
    assert {number: row["Status"] for number, row in rows.items()} == {
        number: status for number, (_, status) in NUMBERS.items()
    }
    assert rows["2567"] == {
        "ID": str(world.did("2567").pk),
        "Status": "active",
        "Operator": "DID Operator",
        "DID": "2567",
        "Tag": "",
        "Notes": "",
        "Client": "Rose Orig",
        "Account": "rose_orig",
        "Package": "Basic",
        "After Hold": "instock",
        "Reseller": "Reseller 1",
        "Mark": "",
        "Country": "",
        "Area": "",
        "Type": "",
    }
    assert rows["3333"]["Client"] == rows["3333"]["Package"] == ""


def test_text_is_unchanged_after_a_round_trip(browser):
    notes = "She said \"yes\", then\r\nleft; ünï ✓ 'quoted'"
    DID.objects.filter(number="111").edit(by=SYSTEM, notes=notes, tags=["b tag", "A"])
    row = rows_of(browser.get("/dids/export/?q==111"))["111"]
    assert (row["Notes"], row["Tag"]) == (notes, "A, b tag")


@pytest.mark.parametrize("notes", ["=1+2", "+49", "-x", "@SUM(A1)", "\t=1", "'=1", '=HYPERLINK("http://x")'])
def test_a_formula_is_escaped_and_can_be_imported_again(browser, notes):
    DID.objects.filter(number="111").edit(by=SYSTEM, notes=notes)
    cell = rows_of(browser.get("/dids/export/?q==111"))["111"]["Notes"]
    assert cell.startswith("'")
    assert sheets.unescape(cell) == notes


def test_the_file_uses_the_filter_of_the_list(browser, world):
    assert set(rows_of(browser.get("/dids/export/?status=hold&status=blocked"))) == {"2563", "2568"}
    assert set(rows_of(browser.get(f"/dids/export/?q=256&client={world.client.pk}"))) == {
        "2563",
        "2567",
        "2568",
    }
    assert list(rows_of(browser.get("/dids/export/?q=4711"))) == []


def test_the_file_uses_the_order_of_the_list(browser):
    assert list(rows_of(browser.get("/dids/export/?sort=-number"))) == sorted(NUMBERS, reverse=True)
    by_status = [row["Status"] for row in rows_of(browser.get("/dids/export/?sort=status")).values()]
    assert by_status == sorted(status for _, status in NUMBERS.values())


def test_one_page_can_be_exported(browser, world):
    DID.objects.create_numbers(map(str, range(5000, 5050)), operator=world.operator, by=SYSTEM)
    page = browser.get("/dids/export/?q=50&match=begins&page=2&per_page=20&scope=page")
    assert list(rows_of(page)) == [str(n) for n in range(5020, 5040)]
    last = browser.get("/dids/export/?q=50&match=begins&sort=-number&page=3&scope=page")
    assert list(rows_of(last)) == [str(n) for n in range(5009, 4999, -1)]
    assert len(rows_of(browser.get("/dids/export/?q=50&match=begins&page=2&per_page=20"))) == 50


def test_an_overdue_hold_is_exported_with_its_next_status(browser):
    DID.objects.filter(number="2563").update(hold_until=timezone.now() - timedelta(seconds=1))
    row = rows_of(browser.get("/dids/export/"))["2563"]
    assert (row["Status"], row["Client"], row["Account"], row["Package"]) == ("instock", "", "", "")
    assert "2563" in rows_of(browser.get("/dids/export/?status=instock"))
    assert "2563" not in rows_of(browser.get("/dids/export/?status=hold"))


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("status=hodl", "There is no status “hodl”."),
        ("operator=999", "There is no operator “999”."),
        ("q=abc", "“abc”"),
        ("sort=password", "there is no column “password”."),
    ],
)
def test_an_invalid_search_shows_its_error_instead_of_a_file(browser, query, error):
    response = browser.get(f"/dids/export/?{query}", follow=True)
    assert response.redirect_chain == [(f"/dids/?{query}", 302)]
    assert error in response.text


# --- a selection ------------------------------------------------------------------------------------


def test_ticked_rows_are_exported(browser, world):
    ids = f"{world.did('3333').pk},{world.did('111').pk}"
    response = browser.post("/dids/export/", {"scope": "ids", "ids": ids})
    assert list(rows_of(response)) == ["111", "3333"]


def test_all_that_match_are_exported_however_many(browser, settings):
    settings.REQUEST_LIMIT = 2
    response = browser.post("/dids/export/", {"scope": "all", "query": "status=reserved", "expected": "7"})
    assert len(rows_of(response)) == 7


@pytest.mark.parametrize(
    ("posted", "sentence"),
    [
        ({"scope": "all", "query": "status=hodl", "expected": "13"}, "Nothing is selected"),
        ({"scope": "all", "query": "status=reserved", "expected": "6"}, "7 match now"),
        ({"scope": "ids", "ids": ""}, "No DIDs are selected"),
        ({"scope": "ids", "ids": "1,x"}, "is not a row ID"),
    ],
)
def test_an_invalid_selection_is_refused(browser, posted, sentence):
    response = browser.post("/dids/export/", posted, follow=True)
    assert response.redirect_chain[0][0] == f"/dids/?{posted.get('query', '')}"
    assert sentence in response.text


# --- file name --------------------------------------------------------------------------------------


def test_the_file_name_has_the_filter_and_the_time(browser, world, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 3, 14, 5, tzinfo=UTC))
    assert name_of(browser.get("/dids/export/")) == "dids_2026-11-03_1405.csv"
    address = f"/dids/export/?status=active&status=hold&operator={world.operator.pk}&q=25&match=begins"
    assert name_of(browser.get(address)) == (
        "dids_number-begins-with-25_status-active_status-hold_operator-did-operator_2026-11-03_1405.csv"
    )
    assert name_of(browser.get("/dids/export/?scope=page&page=1")) == "dids_page-1_2026-11-03_1405.csv"
    ticked = {"ids": [world.did("111").pk, world.did("112").pk]}
    assert name_of(browser.post("/dids/export/", ticked)) == "dids_2-selected_2026-11-03_1405.csv"
    matching = {"scope": "all", "query": "status=hold", "expected": "1"}
    assert name_of(browser.post("/dids/export/", matching)) == "dids_status-hold_2026-11-03_1405.csv"


# --- permissions ------------------------------------------------------------------------------------


def test_a_user_of_another_reseller_exports_only_its_numbers(world, stranger):
    browser = client_of(stranger)
    assert set(rows_of(browser.get("/dids/export/"))) == {"3333"}
    ids = f"{world.did('3333').pk},{world.did('111').pk}"
    assert set(rows_of(browser.post("/dids/export/", {"ids": ids}))) == {"3333"}
    refused = browser.post("/dids/export/", {"ids": world.did("111").pk}, follow=True)
    assert "None of the selected DIDs exist any more." in refused.text


def test_exporting_requires_permission(world):
    reader = client_of(person("reader", "dids.view_did"))
    assert reader.get("/dids/export/").status_code == 403
    assert reader.post("/dids/export/", {"ids": world.did("111").pk}).status_code == 403
    assert client_of(member("Viewer")).get("/dids/export/").status_code == 200


def test_other_methods_are_refused(browser):
    assert browser.put("/dids/export/").status_code == 405


# --- streaming --------------------------------------------------------------------------------------


def test_any_number_of_rows_needs_one_query(world, django_assert_max_num_queries):
    DID.objects.create_numbers(map(str, range(20_000, 25_000)), operator=world.operator, by=SYSTEM)
    list(export_rows.CurrentRows(DID.objects.all(), timezone.now()))  # heads are read once by each process
    # PostgreSQL needs a transaction for the server-side cursor.
    with django_assert_max_num_queries(3) as spent:
        rows = list(export_rows.CurrentRows(DID.objects.order_by("number"), timezone.now()))
    assert len(rows) == 1 + 5_000 + len(NUMBERS)
    assert sum(query["sql"].lstrip("(").startswith("SELECT") for query in spent.captured_queries) <= 1


@pytest.mark.django_db(transaction=True)
def test_an_abandoned_download_leaves_nothing_open(world, viewer):
    response = client_of(viewer).get("/dids/export/")
    assert next(iter(response.streaming_content)).startswith(b"ID,Status")
    response.close()
    assert DID.objects.filter(number="111").edit(by=SYSTEM, notes="after").done == 1


# --- a workbook -------------------------------------------------------------------------------------


def sheet_of(response):
    assert response.status_code == 200
    assert response.headers["Content-Type"].endswith("spreadsheetml.sheet")
    with sheets.load(io.BytesIO(response.getvalue())) as loaded:
        return [row.cells for row in sheets.read(loaded.file, loaded.format)]


def test_a_workbook_has_the_same_rows_as_the_csv_file(browser, world):
    DID.objects.create_numbers(["00440"], operator=world.operator, by=SYSTEM, notes="=1+1", tags=["b", "a"])
    header, *rows = sheet_of(browser.get("/dids/export/?format=xlsx&sort=-number"))
    assert header == HEADER
    csv_rows = rows_of(browser.get("/dids/export/?sort=-number"))
    assert [row[3] for row in rows] == list(csv_rows)
    unmarked = {k: sheets.unescape(v) for k, v in csv_rows["00440"].items()}
    assert dict(zip(HEADER, next(row for row in rows if row[3] == "00440"), strict=True)) == unmarked


def test_one_page_and_ticked_rows_are_exported_as_a_workbook(browser, world):
    assert len(sheet_of(browser.get("/dids/export/?format=xlsx&scope=page&per_page=20"))) == 14
    ids = f"{world.did('3333').pk},{world.did('111').pk}"
    ticked = browser.post("/dids/export/", {"scope": "ids", "ids": ids, "format": "xlsx"})
    assert name_of(ticked).endswith(".xlsx")
    assert [row[3] for row in sheet_of(ticked)] == ["DID", "111", "3333"]


def test_a_worker_creates_a_large_workbook_that_only_its_owner_can_download(browser, world, viewer):
    numbers = [str(10**9 + n) for n in range(10_001)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    address = "/dids/export/?status=instock&sort=-number"
    refused = browser.get(f"{address}&format=xlsx", follow=True)
    assert refused.redirect_chain[-1] == ("/dids/?status=instock&sort=-number", 302)
    assert "written in the background. Start it with the button" in refused.text
    assert f'method="post" action="{address.replace("&", "&amp;")}"' in " ".join(refused.text.split())
    assert not Job.objects.exists()
    response = browser.post(address, {"scope": "list", "format": "xlsx"})
    job = Job.objects.get()
    assert response.url == f"/jobs/{job.pk}/"
    assert browser.get(f"/jobs/{job.pk}/file/").status_code == 404
    DID.objects.filter(number=numbers[0]).edit(by=SYSTEM, status="reserved")

    call_command("worker", "--once")

    assert "10,002 numbers written." in browser.get(f"/jobs/{job.pk}/").text
    file = browser.get(f"/jobs/{job.pk}/file/")
    assert re.fullmatch(r"dids_status-in-stock_.*\.xlsx", name_of(file))
    assert [row[3] for row in sheet_of(file)] == ["DID", "3333", "256999", *reversed(numbers[1:])]
    assert client_of(member("Administrator")).get(f"/jobs/{job.pk}/file/").status_code == 404


def test_a_job_exports_what_its_owner_may_see_when_it_runs(world):
    numbers = [str(10**9 + n) for n in range(10_001)]
    DID.objects.create_numbers(numbers, operator=world.operator, by=SYSTEM)
    owner = member("Viewer", username="mover", reseller=world.reseller)
    browser = client_of(owner)
    browser.post("/dids/export/", {"scope": "list", "format": "xlsx"})
    owner.reseller = world.reseller_2
    owner.save()
    call_command("worker", "--once")
    file_url = Job.objects.get().get_absolute_url() + "file/"
    assert [row[3] for row in sheet_of(browser.get(file_url))] == ["DID", "3333"]
    owner.reseller = world.reseller
    owner.save()
    assert browser.get(file_url).status_code == 404
    assert "Download" not in browser.get(Job.objects.get().get_absolute_url()).text
    owner.reseller = None
    owner.save()
    assert len(sheet_of(browser.get(file_url))) == 2


def test_an_unknown_format_is_refused(browser, world):
    for response in (
        browser.get("/dids/export/?format=pdf", follow=True),
        browser.post("/dids/export/", {"ids": world.did("111").pk, "format": "pdf"}, follow=True),
    ):
        assert response.redirect_chain == [("/dids/", 302)]
        assert "There is no export format “pdf”. Choose csv or xlsx." in response.text

"""The four steps of the import wizard: file, columns, check, result."""

from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from openpyxl import Workbook

from audit import SYSTEM
from audit.models import Change
from clients.models import Reseller
from dids.models import DID, DIDHistory
from dids.models.staging import ImportRow
from jobs.models import Job
from operators.models import Operator
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db

EXPORT = """ID,Status,Operator,DID,Tag,Notes,Client,Account,Package,After Hold,Reseller
4,reserved,Oliver,0100,,,,,,reserved,North
5,archive,Oliver,0200,"gold, vip",'=note,,,,instock,North
6,active,Oliver,0300,,,Bakery,bakery_1,Pack,instock,North
7,blocked,Oliver,0400,,,Bakery,bakery_1,Pack,archive,North
8,hold,Oliver,0500,,,Bakery,bakery_1,Pack,instock,North
9,instock,Second,0600,,,,,,instock,North
"""
SEEDS = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def browser():
    return client_of(member("Administrator"))


@pytest.fixture
def operator():
    return Operator.objects.create(reseller=Reseller.objects.create(name="North"), name="Oliver")


def upload(browser, text, name="numbers.csv", **fields):
    data = text if isinstance(text, bytes) else text.encode()
    fields = {"status": "instock", "after_hold": "instock"} | fields
    return browser.post("/dids/import/", fields | {"file": SimpleUploadedFile(name, data)})


def columns_of(page):
    """Return the data that a browser posts when the columns page is submitted unchanged."""
    form = page.context["form"]
    data = {}
    for field in form:
        value = field.value()
        if value is True:
            data[field.name] = "on"
        elif value not in (None, False):
            data[field.name] = value
    return data


def wizard(browser, text, *, name="numbers.csv", operator="", **columns):
    """Take a file through all steps and return the result page."""
    step_2 = browser.get(upload(browser, text, name, operator=operator).url)
    step_3 = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | columns)
    assert step_3.status_code == 302, step_3.context["form"].errors
    return browser.post(step_3.url, follow=True)


def outcome(page):
    """Return the counts of a check or result page as text."""
    return ", ".join(
        f"{count:,} {result}" for result, count in page.context["counts"].items() if result != "flagged"
    )


def refusals(page):
    """Return what a check page or a result page says about refused rows."""
    if "rows" in page.context:
        return [effect.refusal for row in page.context["rows"] if (effect := row["effect"]).refusal]
    return page.context["reasons"]


def export(browser):
    return b"".join(browser.get("/dids/export/").streaming_content).decode()


def without_ids(text):
    """Return the lines of an export, without what an import leaves out, which only some of them have."""
    lines = [line.split(",", 1)[1] for line in text.splitlines()]
    return [line.removesuffix(",Mark,Country,Area,Type").removesuffix(",,,,") for line in lines]


def test_a_file_is_imported_in_four_steps_and_recorded_as_one_change(browser):
    result = wizard(browser, EXPORT, create="on")

    assert outcome(result) == "6 created, 0 updated, 0 unchanged, 0 refused"
    created = DID.objects.order_by("number").values_list("number", "status")
    assert list(created) == [
        ("0100", "reserved"),
        ("0200", "archive"),
        ("0300", "active"),
        ("0400", "blocked"),
        ("0500", "hold"),
        ("0600", "instock"),
    ]
    assert DID.objects.get(number="0200").notes == "=note"
    assert str(DID.objects.get(number="0300").client_package) == "Pack of Bakery"
    change = Change.objects.get(kind="import")
    assert DIDHistory.objects.filter(change=change).count() == 6
    assert change.actor.username == result.wsgi_request.user.username


def test_an_export_imports_back_unchanged_and_restores_an_empty_system(browser):
    wizard(browser, EXPORT, create="on")
    exported = export(browser)
    assert without_ids(exported) == without_ids(EXPORT)
    before = DIDHistory.objects.count()

    again = wizard_to_check(browser, exported)

    assert again.context["counts"] == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0, "flagged": 0}
    assert again.context["apply_label"] == ""
    assert DIDHistory.objects.count() == before


def wizard_to_check(browser, text, **columns):
    step_2 = browser.get(upload(browser, text).url)
    step_3 = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | columns)
    return browser.get(step_3.url)


@pytest.mark.parametrize(("name", "count"), [("seed-export.csv", 8), ("seed-import.csv", 9)])
def test_the_sample_files_import_and_export_unchanged(browser, name, count):
    if not (SEEDS / name).exists():
        pytest.skip("the sample files are not available")
    text = (SEEDS / name).read_text()

    result = wizard(browser, text, create="on")

    assert outcome(result) == f"{count} created, 0 updated, 0 unchanged, 0 refused"
    exported = export(browser)
    assert sorted(without_ids(exported)) == sorted(without_ids(text))
    assert wizard_to_check(browser, exported).context["counts"]["unchanged"] == count


def test_the_check_writes_nothing(browser):
    wizard_to_check(browser, EXPORT, create="on")

    assert not DID.objects.exists()
    assert not Reseller.objects.exists()


def test_refused_rows_show_line_value_and_reason_and_can_be_downloaded(browser):
    text = "DID,Operator\n100,DID Operator\n12x,DID Operator\n100,DID Operator\n200,Nobody\n"
    make_world()

    check = wizard_to_check(browser, text)

    assert check.context["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 3, "flagged": 0}
    assert [(r["line"], r["value"]) for r in refusals(check)] == [
        (3, "12x"),
        (4, "100"),
        (5, "Nobody"),
    ]
    assert "Duplicate of line 2, which is used." in check.text
    refused = b"".join(browser.get(check.context["refused_url"]).streaming_content).decode()
    assert refused.splitlines()[0] == "DID,Operator,Refused because"
    corrected = refused.replace("12x", "120").replace("100,", "130,").replace("Nobody", "DID Operator")
    assert outcome(wizard(browser, corrected)) == "3 created, 0 updated, 0 unchanged, 0 refused"


def test_existing_numbers_are_updated_or_left_alone_as_chosen(browser):
    make_world()
    text = "DID;Notes;Status\n256999;new note;reserved\n2567;x;reserved\n"

    left = wizard_to_check(browser, text, existing="leave")
    assert left.context["counts"]["updated"] == 0
    updated = wizard(browser, text)

    assert outcome(updated) == "0 created, 1 updated, 0 unchanged, 1 refused"
    did = DID.objects.get(number="256999")
    assert (did.notes, did.status) == ("new note", "reserved")
    assert DID.objects.get(number="2567").notes == ""


def test_new_tags_come_from_the_file_and_the_defaults(browser):
    make_world()
    text = 'DID,Operator,Tag\n100,DID Operator,"vip, gold"\n101,DID Operator,\n256999,,silver\n'

    def check():
        step_2 = browser.get(upload(browser, text, tags="fresh").url)
        return browser.post(step_2.request["PATH_INFO"], columns_of(step_2)).url

    browser.post(check())

    tags = {number: DID.objects.get(number=number).tag_set.label for number in ("100", "101", "256999")}
    assert tags == {"100": "gold, vip", "101": "fresh", "256999": "silver"}
    assert browser.get(check()).context["counts"]["unchanged"] == 3


def test_applying_twice_writes_once(browser):
    step_2 = browser.get(upload(browser, EXPORT).url)
    check = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | {"create": "on"}).url
    browser.post(check)
    again = browser.post(check)

    assert again.status_code == 302
    assert DIDHistory.objects.count() == 6


def test_a_number_that_changed_between_check_and_apply_is_refused(browser):
    make_world()
    admin = member("Administrator", username="other")
    step_2 = browser.get(upload(browser, "DID,Notes\n256999,from the file\n111,from the file\n").url)
    check = browser.post(step_2.request["PATH_INFO"], columns_of(step_2)).url
    DID.objects.filter(number="111").edit(by=admin, notes="by hand")

    result = browser.post(check, follow=True)

    assert outcome(result) == "0 created, 1 updated, 0 unchanged, 1 refused"
    assert "Someone changed this number after the check" in result.text
    assert DID.objects.get(number="111").notes == "by hand"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty."),
        (b"PK\x03\x04" + b"\0" * 200, "CSV"),
        (b"<!doctype html><html><body>Sign in</body></html>", "CSV"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused_at_its_field(browser, data, reason):
    answer = upload(browser, data)

    assert answer.status_code == 422
    assert not Job.objects.exists()
    assert reason in answer.context["form"].errors["file"][0]


def test_too_many_rows_are_refused_before_anything_is_stored(browser, settings):
    settings.IMPORT_ROWS = 5
    answer = upload(browser, "DID\n" + "\n".join(str(n) for n in range(1000, 1100)))

    assert "more than 5 rows" in answer.context["form"].errors["file"][0]
    assert not Job.objects.exists()


def test_the_columns_page_requires_the_number_and_no_column_twice(browser):
    page = browser.get(upload(browser, "DID,Notes\n100,x\n").url)
    path = page.request["PATH_INFO"]

    none = browser.post(path, columns_of(page) | {"column0": ""})
    twice = browser.post(path, columns_of(page) | {"column1": "number"})

    assert "No column holds the DID" in none.text
    assert "Column 1 is already DID" in twice.text


def test_an_exported_workbook_imports_back_unchanged(browser):
    wizard(browser, EXPORT, create="on")
    DID.objects.filter(number="0600").edit(by=SYSTEM, notes="'=not marked", tags=["x"])
    book = browser.get("/dids/export/?format=xlsx").getvalue()
    result = wizard(browser, book, name="dids.xlsx")
    assert outcome(result) == "0 created, 0 updated, 6 unchanged, 0 refused"


# --- reading the file -------------------------------------------------------------------------------


def workbook(rows, title="Numbers"):
    """Return an .xlsx of ``rows`` as bytes; text stays text, an int becomes a number cell."""
    book, file = Workbook(), BytesIO()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    other = book.create_sheet("Second")
    other.append(["DID"])
    other.append(["999"])
    book.save(file)
    return file.getvalue()


def test_a_workbook_is_imported(browser, operator):
    rows = [["Phone number", "Comment"], ["0044100", "first"], ["0044200", None]]
    result = wizard(browser, workbook(rows), name="numbers.xlsx", operator=operator.pk)
    assert outcome(result) == "2 created, 0 updated, 0 unchanged, 0 refused"
    assert set(DID.objects.values_list("number", "notes")) == {("0044100", "first"), ("0044200", "")}


def test_another_sheet_can_be_chosen_and_is_shown(browser):
    step = upload(browser, workbook([["DID"], ["100"], ["200"]]), name="numbers.xlsx")
    page = browser.get(step.url)
    assert "sheet “Numbers”" in page.text and "<td>" in page.text
    again = browser.post(page.context["reading_url"], {"sheet": "Second"}, follow=True)
    assert "sheet “Second”" in again.text
    assert [row["cells"] for row in again.context["rows"]] == [["DID"], ["999"]]


def test_delimiter_and_encoding_can_be_corrected_if_the_guess_was_wrong(browser):
    page = browser.get(upload(browser, "DID;Notes\n100;zażółć\n".encode("cp1250"), encoding="cp1252").url)
    assert "zażółć" not in page.text
    data = {"delimiter": "semicolon", "encoding": "cp1250"}
    right = browser.post(page.context["reading_url"], data, follow=True)
    assert "zażółć" in right.text
    data["delimiter"] = "comma"
    one_column = browser.post(page.context["reading_url"], data, follow=True)
    assert [row["cells"] for row in one_column.context["rows"]] == [["DID;Notes"], ["100;zażółć"]]


def test_a_missing_sheet_is_an_error_at_its_field_and_changes_nothing(browser):
    page = browser.get(upload(browser, workbook([["DID"], ["100"]]), name="numbers.xlsx").url)
    answer = browser.post(page.context["reading_url"], {"sheet": "Third"})
    assert answer.status_code == 422
    assert Job.objects.get().params["format"]["sheet"] == "Numbers"


def test_damage_by_a_spreadsheet_is_shown_before_columns_are_chosen(browser):
    rows = [["DID"], *([f"0044{n}"] for n in range(1000, 1020)), [441021], [441022]]
    page = browser.get(upload(browser, workbook(rows), name="numbers.csv").url)
    assert "A spreadsheet may have damaged numbers in this file." in page.text
    assert "lines 22, 23" in page.text
    assert "its name ends in .csv" in page.text


def test_the_rows_before_and_after_a_malformed_row_are_imported(browser, operator):
    result = wizard(browser, 'DID,Notes\n100,a\n200,"b"c",d,e\n300,c\n', operator=operator.pk)
    assert outcome(result) == "2 created, 0 updated, 0 unchanged, 1 refused"
    assert refusals(result)[0]["line"] == 3


# --- columns ----------------------------------------------------------------------------------------


def test_headers_of_other_systems_are_recognised(browser):
    header = "MSISDN;Carrier;State;Customer;Trunk;Plan;Label;Comment;Quarantine days;Block size"
    page = browser.get(upload(browser, f"{header}\n100;A;active;B;c;D;e;f;3;1\n").url)
    guessed = [column["field"].value() for column in page.context["columns"]]
    assert guessed == [
        "number", "operator", "status", "client", "account", "package", "tags", "notes", "hold_days",
        "range_size",
    ]  # fmt: skip


def test_the_columns_chosen_for_a_header_line_are_remembered_for_that_user(browser, operator):
    file = "Foo,Bar,DID\n100,x,1\n"
    page = browser.get(upload(browser, file, operator=operator.pk).url)
    data = columns_of(page) | {"column0": "number", "column1": "notes", "column2": "", "skip1": "on"}
    browser.post(page.request["PATH_INFO"], data)

    again = browser.get(upload(browser, "foo,BAR, did \n200,y,2\n").url)
    assert [column["field"].value() for column in again.context["columns"]] == ["number", "notes", ""]
    assert [row["skip"].value() for row in again.context["rows"]] == [True, False]
    other = client_of(member("Supervisor"))
    theirs = other.get(upload(other, file).url)
    assert [column["field"].value() for column in theirs.context["columns"]] == ["", "", "number"]


# --- ranges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "numbers"),
    [
        ("DID\n100-103\n0800-123456\n", ["0800123456", "100", "101", "102", "103"]),
        ("DID\n0098 - 0101\n", ["0098", "0099", "0100", "0101"]),
        ("First number,Last number\n100,102\n200,\n", ["100", "101", "102", "200"]),
        ("DID,Range size\n0099,3\n300,1\n400,\n", ["0099", "0100", "0101", "300", "400"]),
        ("DID,Range end,Quantity\n100-101,101,2\n", ["100", "101"]),
        (f"DID,Range size\n100,{'0' * 5_000}2\n", ["100", "101"]),
    ],
)
def test_a_range_creates_all_its_numbers(browser, operator, file, numbers):
    result = wizard(browser, file, operator=operator.pk)
    assert outcome(result) == f"{len(numbers)} created, 0 updated, 0 unchanged, 0 refused"
    assert sorted(DID.objects.values_list("number", flat=True)) == numbers


@pytest.mark.parametrize(
    ("file", "column", "reason"),
    [
        ("DID\n555-100\n", "DID", "as a range it ends before it starts"),
        (
            "DID,Range end\n100,99\n",
            "Range end",
            "The end of a range has as many digits as 100 and is not below it",
        ),
        ("DID,Range end\n100,1000\n", "Range end", "The end of a range has as many digits as 100"),
        ("DID,Range size\n998,3\n", "Range size", "There are fewer numbers than that from 998 on"),
        ("DID,Range size\n998,many\n", "Range size", "A size is a whole number from 1 to 2,000,000"),
        ("DID,Range size\n998,0\n", "Range size", "A size is a whole number from 1 to 2,000,000"),
        (
            "DID,Range size\n1000000000,0000000000001000000999\n",
            "Range size",
            "A size is a whole number from 1 to 2,000,000",
        ),
        (
            "DID,Range end,Range size\n100,105,3\n",
            "Range size",
            "The row gives two different ends of its range",
        ),
    ],
)
def test_a_meaningless_range_is_refused_with_its_reason(browser, operator, file, column, reason):
    result = wizard(browser, file, operator=operator.pk)
    (refusal,) = refusals(result)
    assert refusal["column"] == column
    assert reason.casefold() in refusal["reason"].casefold()
    assert not DID.objects.exists()


def test_the_refused_numbers_of_a_range_are_downloaded_one_by_one(browser, operator):
    DID.objects.create_numbers(["101", "103"], operator=operator, by=SYSTEM)
    result = wizard(browser, "DID,Status,Notes\n100-103,hold,x\n", operator=operator.pk)
    refused = b"".join(browser.get(result.context["refused_url"]).streaming_content).decode().splitlines()
    assert [line.split(",")[:3] for line in refused[1:]] == [
        [number, "hold", "x"] for number in ("100", "101", "102", "103")
    ]


def checked(browser, text, **fields):
    step = browser.get(upload(browser, text, **fields).url)
    return browser.post(step.request["PATH_INFO"], columns_of(step), follow=True)


def test_a_range_with_more_numbers_than_allowed_is_refused_when_its_row_is_read(browser, operator, settings):
    settings.IMPORT_ROWS = 50
    page = checked(browser, "DID\n900\n1000-1050\n", operator=operator.pk)
    assert "These are 51 numbers; one import takes at most 50. Split the range." in page.text
    assert page.context["counts"]["created"] == 1
    assert ImportRow.objects.count() == 2


def test_ranges_that_exceed_the_limit_together_stage_no_numbers(browser, operator, settings):
    settings.IMPORT_ROWS = 50
    page = checked(browser, "DID\n1000-1039\n2000-2039\n", operator=operator.pk)
    assert "more than 50 numbers, which is the limit for one import: line 3 exceeds it." in page.text
    assert not ImportRow.objects.exists()


# --- all or nothing ---------------------------------------------------------------------------------


def test_all_or_nothing_imports_nothing_when_a_row_is_refused(browser, operator):
    step = browser.get(upload(browser, "DID\n100\nnonsense\n", operator=operator.pk).url)
    page = browser.post(step.request["PATH_INFO"], columns_of(step) | {"errors_policy": "all"}, follow=True)
    assert "You chose “All or nothing” and 1 row is refused" in page.text
    assert "Import 1 number" not in page.text
    answer = browser.post(page.request["PATH_INFO"], follow=True)
    assert "Nothing was imported: 1 row is refused (line 3)" in answer.text
    assert not DID.objects.exists()


def test_all_or_nothing_rolls_back_when_a_row_is_refused_during_the_apply(browser, operator):
    DID.objects.create_numbers(["200"], operator=operator, by=SYSTEM)
    file = "DID,Notes\n100,new\n200,changed\n300,new\n"
    step = browser.get(upload(browser, file, operator=operator.pk).url)
    page = browser.post(step.request["PATH_INFO"], columns_of(step) | {"errors_policy": "all"}, follow=True)
    DID.objects.filter(number="200").edit(by=SYSTEM, notes="meanwhile")

    answer = browser.post(page.request["PATH_INFO"], follow=True)

    assert "Nothing was imported: 1 row is refused (line 3)" in answer.text
    assert list(DID.objects.values_list("number", "notes")) == [("200", "meanwhile")]
    # Checked again, the same file is imported whole.
    again = browser.get(step.request["PATH_INFO"])
    page = browser.post(step.request["PATH_INFO"], columns_of(again), follow=True)
    result = browser.post(page.request["PATH_INFO"], follow=True)
    assert outcome(result) == "2 created, 1 updated, 0 unchanged, 0 refused"


def test_all_or_nothing_is_limited_to_the_rows_of_one_transaction(browser, operator, settings):
    settings.REQUEST_LIMIT = 2
    step = browser.get(upload(browser, "DID\n100\n200\n300\n", operator=operator.pk).url)
    page = browser.post(step.request["PATH_INFO"], columns_of(step) | {"errors_policy": "all"}, follow=True)
    assert "“All or nothing” works for at most 2 rows" in page.text


def test_ten_thousand_rows_need_no_worker(browser, operator):
    rows = "".join(f"{10_000_000 + n}\n" for n in range(10_000))
    step = browser.get(upload(browser, f"DID\n{rows}", operator=operator.pk).url)
    check = browser.post(step.request["PATH_INFO"], columns_of(step), follow=True)
    result = browser.post(check.request["PATH_INFO"], follow=True)
    assert outcome(result) == "10,000 created, 0 updated, 0 unchanged, 0 refused"


# --- in a worker ------------------------------------------------------------------------------------

MANY = "DID,Notes\n" + "".join(f"{10_000_000 + n},n{n % 3}\n" for n in range(12_000))


def checked_by_worker(browser, operator):
    """Let a worker check MANY; return the check page and the job."""
    step = browser.get(upload(browser, MANY, operator=operator.pk).url)
    waiting = browser.post(step.request["PATH_INFO"], columns_of(step), follow=True)
    assert "All rows are being checked" in waiting.text
    call_command("worker", "--once")
    return browser.get(waiting.request["PATH_INFO"]), Job.objects.get()


def test_a_large_file_is_checked_and_applied_by_a_worker(browser, operator):
    page, job = checked_by_worker(browser, operator)
    assert "Import 12,000 numbers" in page.text
    assert "Checked: 12,000 created" in browser.get(f"/jobs/{job.pk}/").text
    assert not DID.objects.exists()

    writing = browser.post(page.request["PATH_INFO"], follow=True)
    assert "The numbers are being written." in writing.text
    call_command("worker", "--once")

    result = browser.get(writing.request["PATH_INFO"])
    assert outcome(result) == "12,000 created, 0 updated, 0 unchanged, 0 refused"
    assert DID.objects.count() == 12_000
    assert Change.objects.get(kind="import").touched == 12_000


def test_a_cancelled_check_can_be_started_again(browser, operator):
    step = browser.get(upload(browser, MANY, operator=operator.pk).url)
    waiting = browser.post(step.request["PATH_INFO"], columns_of(step), follow=True)
    job = Job.objects.get()
    data = {"next": waiting.request["PATH_INFO"]}
    page = browser.post(f"/jobs/{job.pk}/cancel/", data, follow=True)
    assert "The check was cancelled. Nothing was written." in page.text
    again = browser.get(page.context["columns_url"])
    browser.post(again.request["PATH_INFO"], columns_of(again))
    call_command("worker", "--once")
    assert "Import 12,000 numbers" in browser.get(waiting.request["PATH_INFO"]).text


def test_a_cancelled_import_shows_its_progress_and_can_be_continued(browser, operator):
    page, job = checked_by_worker(browser, operator)
    writing = browser.post(page.request["PATH_INFO"], follow=True)
    address = writing.request["PATH_INFO"]

    def cancel_after_a_chunk():
        if DID.objects.exists():
            browser.post(f"/jobs/{job.pk}/cancel/")
        return False

    Job.objects.claim("w").run("w", cancel_after_a_chunk)
    stopped = browser.get(address)
    assert "cancelled after 5,000 of 12,000 rows" in stopped.text
    assert stopped.context["headline"] == "5,000 numbers created"
    assert DID.objects.count() == 5_000
    assert (
        browser.get(page.request["PATH_INFO"]).url == address
    )  # an import that has begun is not checked again

    browser.post(f"/jobs/{job.pk}/retry/", {"next": address})
    call_command("worker", "--once")
    assert outcome(browser.get(address)) == "12,000 created, 0 updated, 0 unchanged, 0 refused"
    assert DID.objects.count() == 12_000


def checked_by(user, text="DID\n900\n"):
    """Check a file as ``user``; return a browser signed in as them and the path of the check."""
    world = make_world()
    browser = client_of(user)
    step_2 = browser.get(upload(browser, text, operator=world.operator.pk).url)
    check = browser.post(step_2.request["PATH_INFO"], columns_of(step_2)).url
    assert check.endswith("/check/")
    return browser, check


def test_an_import_after_the_session_has_ended_asks_to_sign_in_and_writes_nothing():
    browser, check = checked_by(member("Administrator"))
    browser.logout()

    sent = browser.post(check, headers={"Referer": f"http://testserver{check}"})
    assert sent.url == f"/login/?{urlencode({'next': f'http://testserver{check}'})}"
    assert browser.get(check.replace("check", "result")).url.startswith("/login/?next=/dids/import/")
    assert not DID.objects.filter(number="900").exists()


def test_a_role_taken_away_after_the_check_is_missing_for_the_import():
    user = member("Administrator")
    browser, check = checked_by(user)
    user.groups.set([Group.objects.get(name="Viewer")])

    assert browser.post(check).status_code == 403
    assert not DID.objects.filter(number="900").exists()


def test_the_right_to_create_taken_away_after_the_check_refuses_the_rows():
    user = member("Administrator")
    browser, check = checked_by(user)
    user.groups.clear()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["import_did", "view_did", "change_did"])
    )

    result = browser.post(check, follow=True)

    assert outcome(result) == "0 created, 0 updated, 0 unchanged, 1 refused"
    assert "right to create numbers" in result.text
    assert not DID.objects.filter(number="900").exists()


def test_an_old_tab_on_the_check_shows_the_result_after_the_import():
    browser, check = checked_by(member("Administrator"))
    columns = check.replace("check", "columns")
    browser.post(check)

    for path in (check, columns):
        assert browser.get(path, follow=True).request["PATH_INFO"] == check.replace("check", "result")
    assert "already running" in browser.post(check.replace("check", "flagged"), {}, follow=True).text
    assert Change.objects.filter(kind="import").count() == 1


@pytest.mark.parametrize("page", ["columns/", "check/", "result/", "refused.csv", "left-out.csv", "discard/"])
def test_another_person_finds_no_page_of_an_import(page):
    _, check = checked_by(member("Administrator"))

    other = client_of(member("Administrator", username="other"))

    assert other.get(check.replace("check/", page)).status_code == 404

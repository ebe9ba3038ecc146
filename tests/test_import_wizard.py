"""The four steps of an import in the browser: file, columns, check, result."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.models import Change
from clients.models import Reseller
from dids.models import DID, DIDHistory
from jobs.models import Job
from tests.world import client_of, make_world, member

pytestmark = pytest.mark.django_db

OURS = """ID,Status,Operator,DID,Tag,Notes,Client,Account,Package,After Hold,Reseller
4,reserved,Oliver,0100,,,,,,reserved,North
5,archive,Oliver,0200,"gold, vip",'=note,,,,instock,North
6,active,Oliver,0300,,,Bakery,bakery_1,Pack,instock,North
7,blocked,Oliver,0400,,,Bakery,bakery_1,Pack,archive,North
8,hold,Oliver,0500,,,Bakery,bakery_1,Pack,instock,North
9,instock,Second,0600,,,,,,instock,North
"""
SEEDS = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def browser():
    return client_of(member("Administrator"))


def upload(browser, text, name="numbers.csv", **fields):
    data = text if isinstance(text, bytes) else text.encode()
    fields = {"status": "instock", "after_hold": "instock"} | fields
    return browser.post("/dids/import/", fields | {"file": SimpleUploadedFile(name, data)})


def columns_of(answer):
    """What the browser would send of the columns page as it is shown."""
    form = answer.context["form"]
    sent = {}
    for field in form:
        value = field.value()
        if value is True:
            sent[field.name] = "on"
        elif value not in (None, False):
            sent[field.name] = value
    return sent


def wizard(browser, text, **columns):
    """Through to the result; returns its page."""
    step_2 = browser.get(upload(browser, text).url)
    step_3 = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | columns)
    assert step_3.status_code == 302, step_3.context["form"].errors
    return browser.post(step_3.url, follow=True)


def export(browser):
    return b"".join(browser.get("/dids/export/").streaming_content).decode()


def without_ids(text):
    return [line.split(",", 1)[1] for line in text.splitlines()]


def test_a_file_goes_through_four_steps_and_is_recorded_as_one_change(browser):
    result = wizard(browser, OURS, create="on")

    assert "6 created, 0 updated, 0 unchanged, 0 refused." in result.text
    shown = DID.objects.order_by("number").values_list("number", "status")
    assert list(shown) == [
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


def test_our_own_export_imports_back_unchanged_and_restores_an_empty_system(browser):
    wizard(browser, OURS, create="on")
    ours = export(browser)
    assert without_ids(ours) == without_ids(OURS)
    before = DIDHistory.objects.count()

    again = wizard_to_check(browser, ours)

    assert again.context["counts"] == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0}
    assert again.context["apply_label"] == ""
    assert DIDHistory.objects.count() == before


def wizard_to_check(browser, text, **columns):
    step_2 = browser.get(upload(browser, text).url)
    step_3 = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | columns)
    return browser.get(step_3.url)


@pytest.mark.parametrize(("name", "count"), [("seed-export.csv", 8), ("seed-import.csv", 9)])
def test_the_sample_files_load_and_come_back_unchanged(browser, name, count):
    if not (SEEDS / name).exists():
        pytest.skip("the sample files are not here")
    text = (SEEDS / name).read_text()

    result = wizard(browser, text, create="on")

    assert f"{count} created, 0 updated, 0 unchanged, 0 refused." in result.text
    ours = export(browser)
    assert sorted(without_ids(ours)) == sorted(without_ids(text))
    assert wizard_to_check(browser, ours).context["counts"]["unchanged"] == count


def test_the_check_writes_nothing(browser):
    wizard_to_check(browser, OURS, create="on")

    assert not DID.objects.exists()
    assert not Reseller.objects.exists()


def test_refused_rows_name_line_value_and_reason_and_come_back_as_a_file(browser):
    text = "DID,Operator\n100,DID Operator\n12x,DID Operator\n100,DID Operator\n200,Nobody\n"
    make_world()

    check = wizard_to_check(browser, text)

    assert check.context["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 3}
    assert [(r["line"], r["value"]) for r in check.context["refusals"]] == [
        (3, "12x"),
        (4, "100"),
        (5, "Nobody"),
    ]
    assert "The same number stands on line 2" in check.text
    refused = b"".join(browser.get(check.context["refused_url"]).streaming_content).decode()
    assert refused.splitlines()[0] == "DID,Operator,Refused because"
    mended = refused.replace("12x", "120").replace("100,", "130,").replace("Nobody", "DID Operator")
    assert "3 created, 0 updated" in wizard(browser, mended).text


def test_numbers_that_exist_are_updated_or_left_as_chosen(browser):
    make_world()
    text = "DID;Notes;Status\n256999;new note;reserved\n2567;x;reserved\n"

    left = wizard_to_check(browser, text, existing="leave")
    assert left.context["counts"]["updated"] == 0
    updated = wizard(browser, text)

    assert "0 created, 1 updated, 0 unchanged, 1 refused." in updated.text
    did = DID.objects.get(number="256999")
    assert (did.notes, did.status) == ("new note", "reserved")
    assert DID.objects.get(number="2567").notes == ""


def test_new_tags_are_made_of_the_file_and_of_the_defaults(browser):
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
    step_2 = browser.get(upload(browser, OURS).url)
    check = browser.post(step_2.request["PATH_INFO"], columns_of(step_2) | {"create": "on"}).url
    browser.post(check)
    again = browser.post(check)

    assert again.status_code == 302
    assert DIDHistory.objects.count() == 6


def test_what_changed_between_check_and_apply_is_refused(browser):
    make_world()
    admin = member("Administrator", username="other")
    step_2 = browser.get(upload(browser, "DID,Notes\n256999,from the file\n111,from the file\n").url)
    check = browser.post(step_2.request["PATH_INFO"], columns_of(step_2)).url
    DID.objects.filter(number="111").edit(by=admin, notes="by hand")

    result = browser.post(check, follow=True)

    assert "0 created, 1 updated, 0 unchanged, 1 refused." in result.text
    assert "Somebody changed this number after the check" in result.text
    assert DID.objects.get(number="111").notes == "by hand"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The submitted file is empty"),
        (b"PK\x03\x04" + b"\0" * 200, "CSV"),
        (b"<!doctype html><html><body>Sign in</body></html>", "CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused_at_its_field(browser, data, said):
    answer = upload(browser, data)

    assert answer.status_code == 422
    assert not Job.objects.exists()
    assert answer.context["form"].errors["file"]


def test_too_many_rows_are_refused_before_anything_is_kept(browser, settings):
    settings.REQUEST_LIMIT = 5
    answer = upload(browser, "DID\n" + "\n".join(str(n) for n in range(1000, 1100)))

    assert "more than 5 rows" in answer.context["form"].errors["file"][0]
    assert not Job.objects.exists()


def test_the_columns_page_wants_the_number_and_no_column_twice(browser):
    page = browser.get(upload(browser, "DID,Notes\n100,x\n").url)
    path = page.request["PATH_INFO"]

    none = browser.post(path, columns_of(page) | {"column0": ""})
    twice = browser.post(path, columns_of(page) | {"column1": "number"})

    assert "No column is the DID" in none.text
    assert "DID is column 1 already" in twice.text


def test_somebody_elses_import_is_not_there(browser):
    path = upload(browser, OURS).url

    assert client_of(member("Supervisor")).get(path).status_code == 404

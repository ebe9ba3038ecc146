"""Unusual files through the whole import: the right numbers are created, and what was noticed is shown."""

from io import BytesIO

import pytest
from openpyxl import Workbook

from dids.models import DID
from tests.screens.imports.test_import_wizard import browser, operator, outcome, upload, wizard
from tests.sheets.test_kinds import PAGE, XML, number_cell, text_cell, xlsb

__all__ = ["browser", "operator"]  # fixtures

pytestmark = pytest.mark.django_db


def numbers():
    return list(DID.objects.order_by("number").values_list("number", flat=True))


@pytest.mark.parametrize(
    ("content", "name", "created"),
    [
        (xlsb([[text_cell(0, "DID")], [number_cell(0, 2071234567.0, 1)]]), "a.xlsb", ["02071234567"]),
        (PAGE.encode("cp1250"), "a.xls", ["02071234567", "02071234568", "02071234569"]),
        (XML.encode(), "a.xls", ["02071234567", "442071234568"]),
        (b"'DID','Notes'\n'442071234567','it''s, fine'\n'442071234568','b'\n", "a.csv", None),
        (b'DID,Notes\n442071234567,"say \\"hi\\", then go"\n442071234568,b\n', "a.csv", None),
        (b"DID,Notes\n442071234567,Z\xc3\xbcrich\n442071234568,Z\xfcrich\n", "a.csv", None),
        (b"DID#Notes\n442071234567#a\n442071234568#b\n", "a.txt", None),
    ],
)
def test_a_file_of_an_unusual_kind_creates_its_numbers(browser, operator, content, name, created):
    created = created or ["442071234567", "442071234568"]
    result = wizard(browser, content, name=name, operator=operator.pk, column1="")
    assert outcome(result).startswith(f"{len(created)} created")
    assert numbers() == created


def test_names_in_two_encodings_are_stored_as_written(browser, operator):
    content = b"DID,Notes\n442071234567,Z\xc3\xbcrich\n442071234568,Z\xfcrich\n"
    page = browser.get(upload(browser, content, operator=operator.pk).url)
    assert "1 line is read as Western European (Windows-1252), the others as UTF-8." in page.text
    wizard(browser, content, operator=operator.pk)
    assert set(DID.objects.values_list("notes", flat=True)) == {"Zürich"}


def test_hidden_rows_can_be_left_out(browser):
    book, file = Workbook(), BytesIO()
    for cell in ("DID", "442071234567", "442071234568"):
        book.active.append([cell])
    book.active.row_dimensions[2].hidden = True
    book.save(file)
    page = browser.get(upload(browser, file.getvalue(), "numbers.xlsx").url)
    assert "1 row is hidden or filtered out in the workbook and read." in page.text
    assert "Leave out hidden rows" in page.text
    again = browser.post(page.context["reading_url"], {"leave_out": "on"}, follow=True)
    assert "1 row is hidden or filtered out in the workbook and not read." in again.text
    assert [row["cells"] for row in again.context["rows"]] == [["DID"], ["442071234568"]]
    back = browser.post(page.context["reading_url"], {}, follow=True)
    assert len(back.context["rows"]) == 3

"""Read tables from web pages and from XML workbooks of Excel 2003, which portals save under the name .xls.

The texts are those that are shown. A cell over several columns counts for the first one.
"""

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.parsers import expat

from sheets.process.cells import (
    MergedCells,
    TooManySheetsError,
    number_as_text,
    pad,
    shown,
    shows_digits,
    trim,
)

MOST_ROWS = 1 << 20  # of a worksheet; a file may skip rows by naming a number
CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)

Cells = tuple[bool, list[str], list[str]]  # whether hidden, letters, texts


class Sheet:
    """Collect the rows of a table."""

    def __init__(self, columns: int):
        self.columns = columns
        self.rows: list[Cells] = []
        self.merged = MergedCells()
        self.is_hidden = False
        self.letters: list[str] = []
        self.texts: list[str] = []

    def start_row(self, is_hidden: bool, number: int | None = None) -> None:
        for _ in range(min(number or 0, MOST_ROWS) - 1 - len(self.rows)):
            self.rows.append((False, [], []))
        self.is_hidden, self.letters, self.texts = is_hidden, [], []

    def add(
        self, letter: str, text: str, *, column: int | None = None, across: int = 1, down: int = 1
    ) -> None:
        """Add a cell in ``column`` from 0, or in the next one that no cell above extends into."""
        row = len(self.rows) + 1
        if column is None:
            column = len(self.texts)
            while self.merged.covers(column, row):
                column += 1
        if column >= self.columns:
            column, across = self.columns - 1, 1
        pad(self.letters, self.texts, column)
        self.letters[column:] = [letter]
        self.texts[column:] = [text]
        across = min(across, self.columns - column)
        pad(self.letters, self.texts, column + across)
        for index in range(across if down > 1 else 0):
            self.merged.start(column + index, row + down - 1, *((letter, text) if not index else ("t", "")))

    def end_row(self) -> None:
        self.merged.fill(len(self.rows) + 1, self.letters, self.texts)
        trim(self.letters, self.texts)
        self.rows.append((self.is_hidden, self.letters, self.texts))


class Sheets(dict[str, Sheet]):
    """The tables of a file, by name; ``columns`` as in ``Sheet``."""

    def __init__(self, columns: int, most: int):
        super().__init__()
        self.columns, self.most = columns, most

    def start(self, name: str) -> Sheet:
        """Add a table. Raises TooManySheetsError if there are enough."""
        if len(self) >= self.most:
            raise TooManySheetsError
        self[name] = sheet = Sheet(self.columns)
        return sheet


class MarkupBook:
    """The tables of a web page, or the sheets of an XML workbook."""

    def __init__(self, path: str, kind: str, columns: int, most_sheets: int):
        with open(path, "rb") as file:
            content = file.read()
        reader: WebPage | XmlWorkbook
        sheets = Sheets(columns + 1, most_sheets)
        reader = WebPage(sheets) if kind == "html" else XmlWorkbook(sheets)
        reader.read(content)
        self.sheets = sheets
        self.names, self.hidden = list(sheets), reader.hidden
        self.merged = MergedCells()

    def rows(self, name: str) -> Iterator[Cells]:
        self.merged = self.sheets[name].merged
        return iter(self.sheets[name].rows)


class WebPage(HTMLParser):
    def __init__(self, sheets: Sheets):
        super().__init__()
        self.sheets = sheets
        self.hidden: list[str] = []
        self.open: list[Sheet] = []  # nested tables
        self.cells: list[
            tuple[list[str], int, int] | None
        ] = []  # of each open table: pieces of text, across, down
        self.in_row: list[bool] = []

    def read(self, content: bytes) -> None:
        self.feed(content.decode(_encoding(content), "replace"))
        self.close()
        while self.open:
            self.handle_endtag("table")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.open.append(self.sheets.start(f"Table {len(self.sheets) + 1}"))
            self.cells.append(None)
            self.in_row.append(False)
        elif not self.open:
            return
        elif tag == "tr":
            self._end_row()
            self.open[-1].start_row("display:none" in attributes.get("style", "").replace(" ", "").lower())
            self.in_row[-1] = True
        elif tag in ("td", "th"):
            if not self.in_row[-1]:
                self.handle_starttag("tr", [])
            self._end_cell()
            self.cells[-1] = [], _span(attributes, "colspan"), _span(attributes, "rowspan")
        elif tag in ("br", "p", "div"):
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if not self.open:
            return
        if tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            self.open.pop()
            self.cells.pop()
            self.in_row.pop()

    def handle_data(self, data: str) -> None:
        if self.cells and (cell := self.cells[-1]):
            cell[0].append(data)

    def _end_cell(self) -> None:
        if cell := self.cells[-1]:
            pieces, across, down = cell
            self.open[-1].add("t", " ".join("".join(pieces).split()), across=across, down=down)
            self.cells[-1] = None

    def _end_row(self) -> None:
        self._end_cell()
        if self.in_row[-1]:
            self.open[-1].end_row()
            self.in_row[-1] = False


def _span(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "").strip()
    return (
        min(int(text), MOST_ROWS) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) else 1
    )


def _encoding(content: bytes) -> str:
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(bom):
            return encoding
    try:
        content.decode()
        return "utf-8"
    except UnicodeDecodeError:
        pass
    named = CHARSET.search(content[:4096])
    try:
        return codecs.lookup(named[1].decode()).name if named else "cp1252"
    except LookupError:
        return "cp1252"


class XmlWorkbook:
    """An XML workbook of Excel 2003 (SpreadsheetML)."""

    def __init__(self, sheets: Sheets):
        self.sheets = sheets
        self.hidden: list[str] = []
        self.formats: dict[str, str] = {}  # by style, those that show more digits than a number has
        self.sheet = Sheet(sheets.columns)
        self.name = self.style = self.kind = ""
        self.at: dict[str, str] = {}  # the attributes of the cell
        self.column = 0
        self.pieces: list[str] = []
        self.text_kind = ""
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.StartDoctypeDeclHandler = self.refuse

    def refuse(self, *_: object) -> None:
        raise ValueError("A workbook has no document type, which could define entities.")

    def read(self, content: bytes) -> None:
        self.expat.Parse(content, True)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        values = {name.rpartition(":")[2]: value for name, value in attributes.items()}
        if tag == "Style":
            self.style = values.get("ID", "")
        elif tag == "NumberFormat" and shows_digits(values.get("Format", "")):
            self.formats[self.style] = values["Format"]
        elif tag == "Worksheet":
            self.name = values.get("Name", "")
            self.sheet = self.sheets.start(self.name)
        elif tag == "Row":
            self.sheet.start_row(values.get("Hidden") == "1", int(values.get("Index", 0)))
            self.column = 0
        elif tag == "Cell":
            self.at, self.pieces, self.text_kind = values, [], ""
        elif tag == "Data":
            self.text_kind = values.get("Type", "String")
            self.expat.CharacterDataHandler = self.pieces.append
        elif tag == "Visible":
            self.pieces = []
            self.expat.CharacterDataHandler = self.pieces.append

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "Data":
            self.expat.CharacterDataHandler = None
        elif tag == "Cell":
            self._add_cell()
        elif tag == "Row":
            self.sheet.end_row()
        elif tag == "Visible":
            self.expat.CharacterDataHandler = None
            if "".join(self.pieces).strip() in ("SheetHidden", "SheetVeryHidden"):
                self.hidden.append(self.name)

    def _add_cell(self) -> None:
        letter, text = _value(self.text_kind, "".join(self.pieces))
        if letter == "n" and text.isdigit() and (code := self.formats.get(self.at.get("StyleID", ""))):
            letter, text = "t", shown(code, text)
        column = int(self.at.get("Index", self.column + 1)) - 1
        across, down = int(self.at.get("MergeAcross", 0)) + 1, int(self.at.get("MergeDown", 0)) + 1
        if "Formula" in self.at:
            letter = letter.upper()
        self.sheet.add(letter, text, column=column, across=across, down=down)
        self.column = column + across


def _value(kind: str, text: str) -> tuple[str, str]:
    """Return (letter, text) of the contents of a cell."""
    if kind == "Number":
        number = number_as_text(float(text))
        return "n" if number.lstrip("-").isdigit() else "x", number
    if kind == "DateTime":
        date, _, time = text.partition("T")
        time = time.removesuffix(".000")
        if date == "1899-12-31":
            return "d", time
        return "d", date if time in ("", "00:00:00") else f"{date} {time}"
    if kind == "Boolean":
        return "b", "TRUE" if text.strip() == "1" else "FALSE"
    return ("e" if kind == "Error" else "t"), text

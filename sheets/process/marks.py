"""Read what the parser of workbooks omits.

That is formulas, errors, number formats that show zeros, hidden rows and merged cells. A part of a workbook
is parsed a second time, but only if it has traces of these.
"""

import posixpath
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.parsers import expat

from sheets.process.binary import xls_marks, xlsb_formats, xlsb_marks, xlsb_sheets
from sheets.process.cells import Mark, RowMarks, shows_digits

BLOCK = 1 << 18  # bytes parsed at once
# A part without any of them is not parsed a second time.
XLSX_TRACES = (b"<f>", b"<f ", b"<f/", b":f>", b":f ", b't="e"', b"t='e'", b"hidden=")
ODS_TRACES = (b":formula=", b":visibility=", b":number-rows-spanned=")
ODS_SHOWN = re.compile(rb'min-integer-digits="(?:[2-9]|\d\d)|<number:text>[^<]*[0-9+]')
MOST_REPEATED = 1_000  # copies of a row or a cell of an .ods file that get its marks


def marks(path: str, kind: str, name: str, index: int) -> Iterator[tuple[int, RowMarks]]:
    """Yield (row from 1, marks) of the rows that have any, ascending.

    ``index`` is the position of the sheet in the workbook. Yields nothing for a malformed file, since its
    cells are read without these details.
    """
    try:
        if kind == "xls":
            yield from xls_marks(path, index)
            return
        with zipfile.ZipFile(path) as archive:
            yield from (ods_marks if kind == "ods" else package_marks)(archive, name)
    except (
        zipfile.BadZipFile,
        OSError,
        LookupError,
        ValueError,
        struct.error,
        expat.ExpatError,
        ElementTree.ParseError,
    ):
        return


def has_traces(archive: zipfile.ZipFile, part: str, traces: Iterable[bytes]) -> bool:
    tail = b""
    with archive.open(part) as member:
        while block := member.read(BLOCK):
            text = tail + block
            if any(trace in text for trace in traces):
                return True
            tail = text[-30:]
    return False


class Parser:
    """Collect the rows with marks while the XML parser reads a part."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, RowMarks]] = []
        self.row, self.column = 0, 0
        self.marks = RowMarks()
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end

    def read(self, archive: zipfile.ZipFile, part: str) -> Iterator[tuple[int, RowMarks]]:
        with archive.open(part) as member:
            while block := member.read(BLOCK):
                self.expat.Parse(block, False)
                rows, self.rows = self.rows, []
                yield from rows

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, tag: str) -> None:
        raise NotImplementedError


# --- .xlsx and .xlsb --------------------------------------------------------------------------------


def package_marks(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[int, RowMarks]]:
    package = Package(archive)
    if package.book.endswith(".bin"):
        link = xlsb_sheets(package.read(package.book))[name]
        formats = xlsb_formats(package.read(package.styles)) if package.styles else {}
        yield from xlsb_marks(package.read(package.links[link]), formats)
        return
    [link] = [
        value
        for one in package.xml(package.book).iter()
        if one.tag.endswith("}sheet") and one.get("name") == name
        for key, value in one.items()
        if key.endswith("}id")
    ]
    styles = xlsx_formats(package.xml(package.styles)) if package.styles else {}
    part = package.names[package.links[link].lower()]
    traces = [trace % style.encode() for style in styles for trace in (b' s="%b"', b" s='%b'")]
    if has_traces(archive, part, (*XLSX_TRACES, *traces)):
        yield from XlsxParser(styles).read(archive, part)


class Package:
    """Find the parts of an Excel workbook, which are linked and may have any name, in any case."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        self.names = {plain_name(name).lower(): name for name in archive.namelist()}
        [self.book, *_] = [part for kind, _, part in self._links("") if kind.endswith("/officeDocument")]
        links = self._links(self.book)
        self.links = {link: part for _, link, part in links}
        self.styles = next((part for kind, _, part in links if kind.endswith("/styles")), "")

    def read(self, part: str) -> bytes:
        return self.archive.read(self.names[part.lower()])

    def xml(self, part: str) -> ElementTree.Element:
        return ElementTree.fromstring(self.read(part))  # noqa: S314 under the limits of this process

    def _links(self, part: str) -> list[tuple[str, str, str]]:
        """Return (kind, id, linked part) of the links of ``part``, "" for those of the package."""
        folder, name = posixpath.split(part)
        return [
            (
                one.attrib["Type"],
                one.attrib["Id"],
                posixpath.normpath(posixpath.join("/", folder, unquote(one.attrib["Target"]))).lstrip("/"),
            )
            for one in self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
            if one.get("TargetMode") != "External"
        ]


def plain_name(name: str) -> str:
    """Return the name of a part without a leading ``/`` or ``./`` and with slashes instead of backslashes."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/")


def xlsx_formats(styles: ElementTree.Element) -> dict[str, str]:
    """Return {index of a style: its number format} of those that show more digits than a number has."""
    codes = {
        one.get("numFmtId"): one.get("formatCode", "") for one in styles.iter() if one.tag.endswith("}numFmt")
    }
    used = [one for group in styles if group.tag.endswith("}cellXfs") for one in group]
    return {
        str(index): code
        for index, one in enumerate(used)
        if (code := codes.get(one.get("numFmtId"), "")) and shows_digits(code)
    }


class XlsxParser(Parser):
    def __init__(self, formats: dict[str, str]) -> None:
        super().__init__()
        self.formats = formats
        self.error = self.formula = False
        self.value = self.format = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.column += 1
            if reference := attributes.get("r"):
                self.column = column_of(reference)
            self.error, self.formula, self.value = attributes.get("t") == "e", False, ""
            self.format = self.formats.get(attributes.get("s", ""), "")
        elif tag == "row":
            hidden = attributes.get("hidden") in ("1", "true")
            self.row, self.column, self.marks = int(attributes.get("r", self.row + 1)), 0, RowMarks(hidden)
        elif tag == "f":
            self.formula = True
        elif tag == "v" and self.error:
            self.expat.CharacterDataHandler = self.text

    def text(self, text: str) -> None:
        self.value += text

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "v":
            self.expat.CharacterDataHandler = None
        elif tag == "c" and (self.error or self.formula or self.format):
            self.marks.cells[self.column - 1] = Mark(self.formula, self.value, self.format)
        elif tag == "row" and self.marks:
            self.rows.append((self.row, self.marks))


def column_of(reference: str) -> int:
    """Return the column of a cell reference: 28 for "AB12"."""
    column = 0
    for char in reference.rstrip("0123456789"):
        column = 26 * column + ord(char) - 64
    return column


# --- .ods -------------------------------------------------------------------------------------------


def ods_marks(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[int, RowMarks]]:
    shows = any(
        ODS_SHOWN.search(archive.open(part).read(BLOCK))
        for part in ("content.xml", "styles.xml")
        if part in archive.namelist()
    )
    if shows or has_traces(archive, "content.xml", ODS_TRACES):
        yield from OdsParser(name).read(archive, "content.xml")


class OdsParser(Parser):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.inside = False
        self.value = ""
        self.number = self.formula = False
        self.times = self.across = 1

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "table":
            self.inside, self.row = attributes.get("table:name") == self.name, 0
        elif not self.inside:
            return
        elif tag == "table-row":
            hidden = attributes.get("table:visibility") in ("collapse", "filter")
            self.column, self.marks = 0, RowMarks(hidden)
            self.times = int(attributes.get("table:number-rows-repeated", 1))
        elif tag in ("table-cell", "covered-table-cell"):
            self.across = int(attributes.get("table:number-columns-repeated", 1))
            self.formula, self.value = "table:formula" in attributes, ""
            self.number = attributes.get("office:value-type") == "float"
            if (rows := int(attributes.get("table:number-rows-spanned", 1))) > 1:
                self.marks.merged.append((self.column, self.row + rows))
        elif tag == "p" and self.number:
            self.expat.CharacterDataHandler = self.text

    def text(self, text: str) -> None:
        self.value += text

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "table":
            self.inside = False
        elif not self.inside:
            return
        elif tag == "p":
            self.expat.CharacterDataHandler = None
        elif tag in ("table-cell", "covered-table-cell"):
            text = self.value.strip()
            mark = Mark(self.formula, text=text if text.startswith(("0", "+")) else "")
            if any(mark):
                for column in range(self.column, self.column + min(self.across, MOST_REPEATED)):
                    self.marks.cells[column] = mark
            self.column += self.across
        elif tag == "table-row":
            if self.marks:
                copies = min(self.times, MOST_REPEATED)
                self.rows += [(self.row + 1 + copy, self.marks) for copy in range(copies)]
            self.row += self.times

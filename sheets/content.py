"""Detect what a file is from its contents."""

import codecs
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from sheets.table import TEXT, SheetError

BLOCK = 1 << 20  # bytes read at once
GZIP = "gz"
KINDS = {
    TEXT: "text",
    GZIP: "a gzip archive",
    "xlsx": "an Excel workbook (.xlsx)",
    "xlsb": "a binary Excel workbook (.xlsb)",
    "xls": "an Excel workbook (.xls)",
    "ods": "an OpenDocument spreadsheet (.ods)",
    "fods": "an OpenDocument spreadsheet (.fods)",
    "xml": "an XML workbook of Excel 2003",
    "html": "a web page (HTML)",
}
SUFFIXES = {
    TEXT: (".csv", ".txt", ".tsv"),
    GZIP: (".gz", ".gzip"),
    "xlsx": (".xlsx", ".xlsm", ".xltx", ".xltm"),
    "xlsb": (".xlsb",),
    "xls": (".xls", ".xlt"),
    "ods": (".ods", ".ots"),
    "fods": (".fods",),
    "xml": (".xml",),
    "html": (".html", ".htm"),
}
SAVE_AS_CSV = "Open it in a spreadsheet program, save it as CSV and load that file."
UNPACK = "Unpack it and load the file inside."
EMPTY = "The file is empty. Choose a file with at least one row."
OTHER = "Choose the file with the table, or save it as CSV and load that file."

_SIGNATURES = (
    (b"%PDF", "a PDF document", OTHER),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"SQLite format 3\x00", "an SQLite database", OTHER),
    (b"\x89PNG\r\n", "a PNG picture", OTHER),
    (b"\xff\xd8\xff", "a JPEG picture", OTHER),
    (b"GIF8", "a GIF picture", OTHER),
    (b"{\\rtf", "an RTF document", OTHER),
    (b"\x7fELF", "a program", OTHER),
    (b"MIME-Version:", "a web archive (.mht)", SAVE_AS_CSV),
    (b"\x09\x00\x04\x00", "a worksheet of Excel 2", SAVE_AS_CSV),
    (b"\x09\x02\x06\x00", "a worksheet of Excel 3", SAVE_AS_CSV),
    (b"\x09\x04\x06\x00", "a worksheet of Excel 4", SAVE_AS_CSV),
)
MOST_DIRECTORY = 4 << 20  # bytes; a workbook has some hundred files of some 60 bytes
_ZIP_END = (1 << 16) + 22  # bytes, a comment and a record
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKUP = re.compile(
    r"\s*<(?:!doctype\s+html|html|head|body|table|t[hrd]|thead|tbody|meta|title|style|script|div|center|font|!--|"
    r"(?P<xml>\?xml))\b",
    re.IGNORECASE,
)
_HEAD = 1 << 14  # bytes that tell one kind of XML from another
_XML_KINDS = (
    ("xml", re.compile(r"urn:schemas-microsoft-com:office:spreadsheet")),
    ("fods", re.compile(r"office:mimetype=.application/vnd\.oasis\.opendocument\.spreadsheet")),
    ("html", re.compile(r"<html\b", re.IGNORECASE)),
)
_BOOK_KINDS = (
    ("xlsb", b"application/vnd.ms-excel.sheet.binary"),
    ("xlsx", b"spreadsheetml.sheet.main+xml"),
    ("xlsx", b"spreadsheetml.template.main+xml"),
    ("xlsx", b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"),
    ("xlsx", b"application/vnd.ms-excel.template.macroEnabled.main+xml"),
)
BROKEN_ZIP = (
    zipfile.BadZipFile,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
)


def blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def kind_of(file: BinaryIO) -> str:
    """Return a key of KINDS; anything unknown is "text".

    Raises SheetError for kinds of files that hold no table.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        return GZIP
    if head.startswith(_ZIP):
        return _kind_of_zip(file)
    if head.startswith(_OLE):
        return _kind_of_ole(file)
    for signature, kind, remedy in _SIGNATURES:
        if head.startswith(signature):
            raise SheetError(f"The file is {kind}, not a table. {remedy}")
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> str:
    """Return the kind of markup that ``head`` starts, or "text"."""
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    text = head.decode(encoding, "replace").lstrip("\ufeff")
    markup = _MARKUP.match(text)
    if markup and not markup["xml"]:
        return "html" if re.search(r"<(?:table|html|tr)\b", text, re.IGNORECASE) else TEXT
    if markup:
        return next((kind for kind, sign in _XML_KINDS if sign.search(text)), TEXT)
    return TEXT


def _kind_of_zip(file: BinaryIO) -> str:
    if _directory_size(file) > MOST_DIRECTORY:
        raise SheetError(f"The file is a ZIP archive of very many files, not a table. {UNPACK}")
    try:
        with zipfile.ZipFile(file) as archive:
            names = {name.replace("\\", "/").lower(): name for name in archive.namelist()}
            mimetype, manifest, types = (
                _beginning(
                    archive, next((names[one] for one in (name, f"/{name}", f"./{name}") if one in names), "")
                )
                for name in ("mimetype", "meta-inf/manifest.xml", "[content_types].xml")
            )
    except BROKEN_ZIP:
        raise SheetError(
            "The file is a damaged ZIP archive or workbook: part of it is missing. "
            "Save or send it again and load that file, or save it as CSV."
        ) from None
    if b"encryption-data" in manifest:
        raise protected()
    for kind, content_type in _BOOK_KINDS:
        if content_type in types:
            return kind
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "xl/workbook.xml" in names or any(name.startswith("xl/worksheets/") for name in names):
        return "xlsx"
    if b"opendocument.spreadsheet" in mimetype or ("content.xml" in names and not mimetype):
        return "ods"
    if "word/document.xml" in names or b"opendocument" in mimetype:
        raise SheetError(f"The file is an office document, not a spreadsheet. {OTHER}")
    if any(name.endswith((".iwa", "index.apxl")) or ".numbers/" in name for name in names):
        raise SheetError(
            "The file is an Apple Numbers document. Export it as CSV or Excel and load that file."
        )
    raise SheetError(f"The file is a ZIP archive, not a table. {UNPACK}")


def _directory_size(file: BinaryIO) -> int:
    """Return the size of the list of files in a ZIP archive, in bytes, 0 if it is damaged."""
    file.seek(max(file.seek(0, 2) - _ZIP_END, 0))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    file.seek(0)
    if not 0 <= at <= len(end) - 22:
        return 0
    size: int = struct.unpack_from("<I", end, at + 12)[0]
    return size


def _beginning(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as member:
            return member.read(BLOCK)
    except KeyError:
        return b""


def _kind_of_ole(file: BinaryIO) -> str:
    """Detect the kind from the directory entries of the OLE container.

    An entry is found anywhere in the file: 64 bytes of name, the name's length in bytes, and 2 for a stream.
    """
    found, tail = set(), b""
    file.seek(0)
    for block in blocks(file):
        found |= {name for name in _OLE_ENTRIES if _OLE_ENTRIES[name] in tail + block}
        tail = block[-80:]
    if "EncryptedPackage" in found:
        raise protected()
    if found & {"Workbook", "Book", "WORKBOOK", "BOOK"}:
        return "xls"
    if "WordDocument" in found:
        raise SheetError(f"The file is a Word document (.doc), not a spreadsheet. {OTHER}")
    raise SheetError(
        "The file is a damaged Excel workbook (.xls), or belongs to another program. "
        "Open it in that program, save it as CSV and load that file."
    )


_OLE_ENTRIES = {
    name: name.encode("utf-16-le").ljust(64, b"\0") + struct.pack("<HB", 2 * len(name) + 2, 2)
    for name in ("Workbook", "Book", "WORKBOOK", "BOOK", "EncryptedPackage", "WordDocument")
}


def protected() -> SheetError:
    return SheetError(
        "The workbook is protected with a password. "
        "Open it in a spreadsheet program, save it without the password and load that file."
    )


def refuse_markup(text: str) -> None:
    """Raise SheetError if ``text``, the start of a text file, is HTML or XML."""
    if markup := _MARKUP.match(text.lstrip("\ufeff")):
        kind = "an XML document" if markup["xml"] else "a web page (HTML)"
        raise SheetError(f"The file is {kind}, not a table. {SAVE_AS_CSV}")


def mismatch(kind: str, name: str) -> str:
    """Return a sentence if the suffix of ``name`` belongs to another kind of file, else ""."""
    suffix = re.search(r"\.\w+$", name.lower())
    known = [one for suffixes in SUFFIXES.values() for one in suffixes]
    if not suffix or suffix[0] in SUFFIXES[kind] or suffix[0] not in known:
        return ""
    return f"The file is {KINDS[kind]}, though its name ends in {suffix[0]}."

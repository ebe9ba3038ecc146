"""Detect the encoding of text files and decode their lines.

An encoding is a name of Python's, or ``utf-8+page`` for a file of two encodings: each line that is valid
UTF-8 is read as such, the others by the code page.
"""

import codecs
import io
import math
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from sheets.code_pages import guess_page
from sheets.content import SAVE_AS_CSV, blocks
from sheets.table import SheetError

HEAD = 1 << 16  # bytes, of the lines beyond ASCII, that decide the code page
LONGEST_LINE = 1 << 20  # characters
LINES_AT_ONCE = 1_000  # lines beyond ASCII, between two looks at the clock

ENCODINGS = {
    "utf-8": "Unicode (UTF-8)",
    "utf-16-le": "Unicode (UTF-16, little endian)",
    "utf-16-be": "Unicode (UTF-16, big endian)",
    "cp1252": "Western European (Windows-1252)",
    "cp1250": "Central European (Windows-1250)",
    "cp1251": "Cyrillic (Windows-1251)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)",
    "cp1257": "Baltic (Windows-1257)",
    "cp437": "Western European (DOS 437)",
    "cp850": "Western European (DOS 850)",
    "cp852": "Central European (DOS 852)",
    "cp866": "Cyrillic (DOS 866)",
    "koi8-r": "Cyrillic (KOI8-R)",
    "koi8-u": "Ukrainian (KOI8-U)",
    "iso8859-1": "Western European (ISO 8859-1)",
    "iso8859-2": "Central European (ISO 8859-2)",
    "iso8859-5": "Cyrillic (ISO 8859-5)",
    "iso8859-7": "Greek (ISO 8859-7)",
    "iso8859-15": "Western European (ISO 8859-15)",
    "mac-roman": "Western European (Macintosh)",
    "mac-cyrillic": "Cyrillic (Macintosh)",
    "cp932": "Japanese (Shift JIS)",
    "euc_jis_2004": "Japanese (EUC-JP)",
    "iso2022_jp": "Japanese (ISO-2022-JP)",
    "gb18030": "Chinese (GB 18030)",
    "big5hkscs": "Chinese (Big5)",
    "cp949": "Korean (EUC-KR)",
}
# Two letters in a row are never valid UTF-8 in these; in the others, a short word can be valid by accident.
_RARELY_UTF_8 = ("cp125", "iso8859", "koi8")
MIXED = "utf-8+"

DAMAGED = "didmgmt.damaged"  # an error handler
MARK = "\udcff"  # replaces undecodable bytes until the row is flagged; no file can contain it


def encoding_name(encoding: str) -> str:
    """Return the name of an encoding for people."""
    if encoding.startswith(MIXED):
        page = encoding.removeprefix(MIXED)
        return f"{ENCODINGS['utf-8']}, other lines {ENCODINGS.get(page, page)}"
    return ENCODINGS.get(encoding, encoding)


def is_known(encoding: str) -> bool:
    return encoding.removeprefix(MIXED) in ENCODINGS


# --- detection ------------------------------------------------------------------------------------

_CONTROLS = bytes(set(range(32)) - set(b"\0\t\n\r\v\f\x1a"))

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def detect_encoding(file: BinaryIO, head: bytes, deadline: float = math.inf) -> str:
    """Return the encoding of ``file``, which starts with ``head``. Raises SheetError if it is not text.

    Reads the whole file up to the ``deadline`` of ``time.thread_time``, since a head without accents says
    nothing about row 50,000.
    """
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            found = _detect_8_bit_encoding(file, deadline) if encoding == "utf-8" else encoding
            return found if found.startswith(encoding) else encoding
    # Digits, delimiters and line ends of UTF-16 have a zero byte, always on the same side.
    pairs = len(head) // 2 or 1
    zeros_first, zeros_last = head[::2].count(0), head[1::2].count(0)
    if max(zeros_first, zeros_last) > pairs / 5 and min(zeros_first, zeros_last) < pairs / 20:
        return "utf-16-be" if zeros_first > zeros_last else "utf-16-le"
    if b"\x1b$B" in head or b"\x1b$@" in head:
        return "iso2022_jp"
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > 5 + len(head) / 50 or head.count(0) > len(head) / 3:
        raise SheetError(f"The file is not text. {SAVE_AS_CSV}")
    return _detect_8_bit_encoding(file, deadline)


def _detect_8_bit_encoding(file: BinaryIO, deadline: float) -> str:
    """Return UTF-8 if the file is valid UTF-8 up to the deadline, else a code page or a mixture of both."""
    if _is_utf_8(file, deadline):
        return "utf-8"
    counts = dict.fromkeys(("valid", "partly", "other"), 0)
    every, others = bytearray(), bytearray()
    for number, line in enumerate(_lines_beyond_ascii(file), 1):
        if number % LINES_AT_ONCE == 0 and time.thread_time() > deadline:
            break
        state = _utf_8_state(line)
        counts[state] += 1
        if len(every) < HEAD:
            every += line[:1000] + b"\n"
        if state == "other" and len(others) < HEAD:
            others += line[:1000] + b"\n"
    if counts["valid"] and counts["valid"] >= counts["partly"]:
        if not others:
            return "utf-8"
        page = guess_page(bytes(others))
        if page.startswith(_RARELY_UTF_8) or 10 * counts["valid"] >= sum(counts.values()):
            return MIXED + page
    return guess_page(bytes(every))


def _is_utf_8(file: BinaryIO, deadline: float) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks(file):
            decoder.decode(block)
            if time.thread_time() > deadline:
                return True
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines_beyond_ascii(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines with other than ASCII characters, up to one that is too long."""
    file.seek(0)
    tail = b""
    for block in blocks(file):
        *lines, tail = (tail + block).replace(b"\r", b"\n").split(b"\n")
        yield from (line for line in lines if not line.isascii())
        if len(tail) > LONGEST_LINE:
            break
    if not tail.isascii():
        yield tail


def _utf_8_state(line: bytes) -> str:
    """Return "valid", "partly" if only some characters beyond ASCII are valid, or "other"."""
    try:
        line.decode()
    except UnicodeDecodeError:
        beyond = [char for char in line.decode("utf-8", DAMAGED) if not char.isascii()]
        return "partly" if len(beyond) > beyond.count(MARK) else "other"
    return "valid"


def mixture_note(file: BinaryIO, encoding: str, *, counted: bool = True) -> str:
    """Say which lines of a file of two encodings are read by the code page; "" for other files.

    ``counted``: also say how many, which reads the whole file.
    """
    if not encoding.startswith(MIXED):
        return ""
    page, lines = encoding.removeprefix(MIXED), "Lines that are not valid UTF-8 are"
    if counted:
        count = sum(_utf_8_state(line) == "other" for line in _lines_beyond_ascii(file))
        lines = "1 line is" if count == 1 else f"{count:,} lines are"
    return f"{lines} read as {ENCODINGS.get(page, page)}, the others as UTF-8."


# --- decoding -------------------------------------------------------------------------------------


def _mark_damage(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK, error.end


codecs.register_error(DAMAGED, _mark_damage)


class _MixedDecoder(codecs.BufferedIncrementalDecoder):
    """Decode each line as UTF-8, or by a code page if none of its characters beyond ASCII is valid UTF-8."""

    page = "cp1252"

    def _buffer_decode(self, data: Any, _errors: str, final: bool) -> tuple[str, int]:
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if final or (not end and len(data) > LONGEST_LINE):
            end = len(data)
        try:
            return data[:end].decode(), end
        except UnicodeDecodeError:
            lines = io.BytesIO(data[:end].replace(b"\r", b"\r\n"))
            return "".join(map(self._line, lines)).replace("\r\n", "\r"), end

    def _line(self, line: bytes) -> str:
        encoding = self.page if _utf_8_state(line) == "other" else "utf-8"
        return line.decode(encoding, DAMAGED)


def decoder_of(encoding: str) -> codecs.IncrementalDecoder:
    """Return a decoder that turns undecodable bytes into MARK."""
    if encoding.startswith(MIXED):
        decoder = _MixedDecoder()
        decoder.page = encoding.removeprefix(MIXED)
        return decoder
    return codecs.getincrementaldecoder(encoding)(errors=DAMAGED)

"""
Text files: bytes to rows.

They are read in a stream, in memory that does not grow with the file. Quoting is RFC 4180 as far as a file
keeps to it; a quote that is not where the RFC puts one stays text and swallows nothing after it.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from sheets.content import EMPTY, KINDS, SAVE_AS_CSV, blocks, kind_of, refuse_markup
from sheets.table import (
    LIMITS,
    TEXT,
    Format,
    Limits,
    Problem,
    Row,
    SheetError,
    shape,
    too_many_rows,
    usual_width,
)

HEAD = 1 << 16  # bytes that decide the delimiter
LONGEST_LINE = 1 << 20  # characters

DELIMITERS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
    "colon": ":",
    "caret": "^",
    "tilde": "~",
    "blank": " ",
    "none": "",
}
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
    "cp850": "Western European (DOS 850)",
    "cp852": "Central European (DOS 852)",
    "cp866": "Cyrillic (DOS 866)",
    "koi8-r": "Cyrillic (KOI8-R)",
    "iso8859-1": "Western European (ISO 8859-1)",
    "iso8859-2": "Central European (ISO 8859-2)",
    "iso8859-15": "Western European (ISO 8859-15)",
    "shift_jis": "Japanese (Shift JIS)",
    "gb18030": "Chinese (GB 18030)",
    "big5": "Chinese (Big5)",
    "euc_kr": "Korean (EUC-KR)",
}


# --- what the bytes are ---------------------------------------------------------------------------

_CONTROLS = bytes(set(range(32)) - set(b"\0\t\n\r\v\f\x1a"))

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _find_encoding(file: BinaryIO, head: bytes) -> str:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    # Digits, delimiters and line ends of UTF-16 have a zero byte, always on the same side.
    pairs = len(head) // 2 or 1
    zeros_first, zeros_last = head[::2].count(0), head[1::2].count(0)
    if max(zeros_first, zeros_last) > pairs / 5 and min(zeros_first, zeros_last) < pairs / 20:
        return "utf-16-be" if zeros_first > zeros_last else "utf-16-le"
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > 5 + len(head) / 50 or head.count(0) > len(head) / 3:
        raise SheetError(f"The file is not text. {SAVE_AS_CSV}")
    return _find_8_bit_encoding(file)


def _find_8_bit_encoding(file: BinaryIO) -> str:
    """
    UTF-8 when the whole file is; a head without accents says nothing about row 50,000. Else by the first
    lines that hold more than ASCII.
    """
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks(file):
            decoder.decode(block)
        decoder.decode(b"", final=True)
        return "utf-8"
    except UnicodeDecodeError:
        pass
    file.seek(0)
    sample, tail = bytearray(), b""
    for block in blocks(file):
        *lines, tail = (tail + block).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if not line.isascii():
                sample += line[:1000] + b"\n"
        if len(sample) > HEAD or len(tail) > LONGEST_LINE:
            break
    sample += tail[:LONGEST_LINE]
    read = sample.decode("utf-8", _DAMAGED)
    bad = read.count(_MARK)
    good = sum(not char.isascii() for char in read) - bad
    return "utf-8" if good > 4 * bad else _guess_code_page(bytes(sample))


# Letters beyond ASCII of the languages that a code page is for, lower case.
_ALPHABETS = {
    "cp1252": (
        "àâæçèéêëîïôœùûüÿ", "äöüß", "áéíñóúüºª", "àáâãçéêíóôõúüºª", "àèéìíîòóùú", "åäöæøéü", "äöõüšž",
        "ëéïóöüèê", "áðéíóúýþæö",
    ),
    "cp1250": (
        "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "çë",
    ),
    "cp1251": (
        "абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "абвгдђежзијклљмнњопрстћуфхцчџш",
    ),
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


def _guess_code_page(sample: bytes) -> str:
    """
    The Windows code page whose languages explain the words of ``sample`` best: all of a word's letters
    beyond ASCII are in the alphabet of one language. On a tie the more usual page, in the order above.
    """

    def explained(encoding: str) -> int:
        text = sample.decode(encoding, "replace").lower()
        words = Counter(word for word in _WORD.findall(text) if not word.isascii())
        return max(
            sum(count if _is_spelt(word, alphabet) else -count for word, count in words.items())
            for alphabet in _ALPHABETS[encoding]
        )

    return max(_ALPHABETS, key=explained)


def _is_spelt(word: str, alphabet: str) -> bool:
    """Whether ``word`` can be of the language: Cyrillic is all beyond ASCII, Latin seldom is."""
    beyond = [char for char in word if not char.isascii()]
    if not all(char in alphabet for char in beyond):
        return False
    if "а" in alphabet:  # the Cyrillic one
        return len(beyond) == len(word) > 1
    return len(beyond) < max(len(word), 3)


# --- lines ----------------------------------------------------------------------------------------

_DAMAGED = "didmgmt.damaged"
_MARK = "\udcff"  # stands for bytes that are no text until the row has been flagged; no file can hold it


def _mark_damage(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _MARK, error.end


codecs.register_error(_DAMAGED, _mark_damage)


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """
    The lines of ``file`` with their ends, which may be CR, LF and CRLF in one file. Zero bytes, a byte order
    mark and the end-of-file sign of DOS are left out; bytes that are no text come as _MARK.
    """
    file.seek(0)
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)(errors=_DAMAGED), translate=False
    )
    number, tail, begun = 0, "", False
    for block in blocks(file):
        text = tail + decoder.decode(block).replace("\0", "")
        if text and not begun:
            text, begun = text.lstrip("\ufeff"), True
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        for line in io.StringIO(text[:end], newline=""):
            number += 1
            if len(line) > LONGEST_LINE:
                raise _too_long(number)
            yield line
        tail = text[end:]
        if len(tail) > LONGEST_LINE:
            raise _too_long(number + 1)
    tail = (tail + decoder.decode(b"", final=True)).replace("\0", "").rstrip("\x1a")
    yield from io.StringIO(tail, newline="")


def _too_long(number: int) -> SheetError:
    return SheetError(
        f"Line {number:,} is longer than {LONGEST_LINE:,} characters, which no table of numbers needs. "
        "Check that this is the right file."
    )


# --- rows -----------------------------------------------------------------------------------------

_SEP_LINE = re.compile(r'"?sep=([^"\w\r\n])"?[\r\n]*', re.IGNORECASE)  # Excel's own way to name the delimiter
_BLANK_SEPARATED = re.compile(r'"((?:[^"]|"")*)"(?= |$)|([^ ]+)')
_NEVER = "\0"  # a delimiter that no line holds


class _Rows:
    """
    Splits lines into the cells of rows.

    Iterating yields (line number, cells, lines the row took, characters of the row). A line without a quote
    is split by ``str.split``, one with quotes by the csv module in its strict mode, and only what that
    refuses (cells over several lines, stray quotes) by ``_careful``.
    """

    def __init__(self, lines: Iterator[str], delimiter: str, longest_cell: int):
        self.lines = lines
        self.delimiter = delimiter
        self.longest_cell = longest_cell
        self.returned: list[str] = []  # lines that were looked at too early, the next one last
        self.given: list[str] = []
        self.strict = csv.reader(self._one_line(), delimiter=delimiter or _NEVER, strict=True)

    def _one_line(self) -> Iterator[str | None]:
        # None makes the reader raise csv.Error where it asks for a second line of one row
        while True:
            yield self.given.pop() if self.given else None

    def __iter__(self) -> Iterator[tuple[int, list[str], int, str]]:
        delimiter, blanks = self.delimiter or _NEVER, self.delimiter == " "
        spaced = delimiter + ' "'
        lines, returned = self.lines, self.returned
        number = 1
        while line := returned.pop() if returned else next(lines, ""):
            taken = 1
            if number == 1 and _SEP_LINE.fullmatch(line):
                number += 1
                continue
            if blanks:
                cells = [
                    quoted.replace('""', '"') or plain
                    for quoted, plain in _BLANK_SEPARATED.findall(line.strip(" \r\n"))
                ]
            elif '"' not in line:
                cells = line.rstrip("\r\n").split(delimiter)
            elif spaced in line:
                cells, line, taken = self._careful(line)
            else:
                self.given.append(line)
                try:
                    cells = next(self.strict)
                except csv.Error:
                    cells, line, taken = self._careful(line)
            if len(cells) > 1 or (cells and cells[0].strip()) or '"' in line:
                yield number, cells, taken, line
            number += taken

    def _careful(self, text: str) -> tuple[list[str], str, int]:
        """
        The cells of the row that begins with the line ``text``, all its text, and how many lines it took.

        A quote that opens a cell, blanks before it allowed, is believed when it is closed: by a quote before
        a delimiter or the end of a line, blanks between allowed. One that is not believed is text.
        """
        cells, at, taken = [], 0, 1
        end = len(text.rstrip("\r\n"))
        while True:
            opening = at
            while text.startswith(" ", opening):
                opening += 1
            if text.startswith('"', opening) and (closed := self._close(text, opening)):
                text, quote, after, fetched = closed
                cells.append(text[opening + 1 : quote].replace('""', '"'))
                at = after
                if fetched:
                    taken += fetched
                    end = len(text.rstrip("\r\n"))
            else:
                stop = text.find(self.delimiter, at, end) if self.delimiter else -1
                stop = stop if stop >= 0 else end
                cells.append(text[at:stop])
                at = stop
            if at >= end:
                return cells, text, taken
            at += 1  # the delimiter

    def _close(self, text: str, opening: int) -> tuple[str, int, int, int] | None:
        """
        How the quoted cell that begins at ``opening`` ends: (text with the lines it needed, its closing
        quote, what comes after it, number of those lines), or None when it does not.

        A quote inside that is neither doubled nor closing is text. A cell with such a one ends on its own
        line, and before a quote that opens another cell: one slip must not swallow what follows.
        """
        line_end, at = len(text), opening + 1
        stray, fetched = False, []
        while True:
            quote = text.find('"', at)
            if stray and (quote < 0 or quote >= line_end or text[quote - 1] == self.delimiter):
                break
            if quote < 0:
                line = ""
                if len(text) - opening <= self.longest_cell:
                    line = self.returned.pop() if self.returned else next(self.lines, "")
                if not line:
                    break
                fetched.append(line)
                at, text = len(text), text + line
                continue
            if text.startswith('"', quote + 1):
                at = quote + 2
                continue
            after = quote + 1
            while text.startswith(" ", after):
                after += 1
            if after == len(text) or text[after] in ("\r", "\n", self.delimiter):
                return text, quote, after, len(fetched)
            if text[quote - 1] == self.delimiter:
                break
            stray, at = True, quote + 1
        self.returned.extend(reversed(fetched))
        return None


def read_text(file: BinaryIO, format: Format, limits: Limits = LIMITS) -> Iterator[Row]:
    """
    The rows of ``file`` in a stream, blank lines left out.

    A row that does not fit is flagged and the next one is read as if nothing had been; a preamble is short
    rows. Raises SheetError when there are more rows than allowed, or a line no table has. Reads about
    500,000 rows of 11 columns a second.
    """
    least, width, longest = format.least, format.width, limits.cell
    rows = _Rows(_lines(file, format.encoding), format.delimiter, longest)
    for count, (line, cells, _, text) in enumerate(rows, start=1):
        if count > limits.rows:
            raise too_many_rows(limits)
        if least <= len(cells) <= width and len(text) <= longest and (text.isascii() or _MARK not in text):
            yield Row(line, cells, None)
        else:
            problem = _problem(cells, format, limits)
            yield Row(line, [cell.replace(_MARK, "\ufffd") for cell in cells], problem)


def _problem(cells: list[str], format: Format, limits: Limits) -> Problem | None:
    count = len(cells)
    if any(_MARK in cell for cell in cells):
        encoding = ENCODINGS.get(format.encoding, format.encoding)
        return Problem(
            "damaged",
            f"Some bytes are not text of the encoding {encoding} and are shown as “\ufffd”. "
            "Choose the encoding of the file, or correct the row.",
        )
    if count > limits.columns:
        return Problem("columns", f"The row has {count:,} columns; at most {limits.columns:,} are allowed.")
    for column, cell in enumerate(cells, start=1):
        if len(cell) > limits.cell:
            return Problem(
                "cell",
                f"The cell in column {column} has {len(cell):,} characters; "
                f"at most {limits.cell:,} are allowed.",
            )
    if count < format.least:
        return Problem("short", f"The row has {_columns(count)} where the table has {format.least}.")
    if any(cells[format.width :]):
        return Problem(
            "long",
            f"The row has {_columns(count)} where the table has {format.width}. "
            "Put quotes around a cell that holds the delimiter.",
        )
    return None


def _columns(count: int) -> str:
    return f"{count:,} column" if count == 1 else f"{count:,} columns"


# --- what the file looks like ---------------------------------------------------------------------

SAMPLE = 300  # lines that decide the delimiter

# Cells that look like something: number or date, date with a time, time, decimal, address, words.
_KNOWN = re.compile(
    r"[+(]?\d[\d ().\-/]*"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm]|Z|[+-]\d\d:?\d\d)?"
    r"|\d{1,2}:\d\d(:\d\d)?( ?[AaPp][Mm])?"
    r"|[+-]?\d+[.,]\d+|-"
    r"|(sips?|tel|https?|mailto):\S+"
    r"|[^\W\d_][\w .'’&@()/+#-]*"
)
_NUMBERS = {" ": re.compile(r"\+?\d{3,}"), ":": re.compile(r"[+(]?\d[\d ().\-/]{2,}")}


def sniff(
    file: BinaryIO, *, encoding: str = "", delimiter: str | None = None, limits: Limits = LIMITS
) -> Format:
    """
    How to read ``file``, which is binary and can be rewound.

    ``encoding`` (a key of ENCODINGS) and ``delimiter`` (a value of DELIMITERS) are found out where they are
    not given. Raises SheetError for what is not a text file or has too many columns. Reads the whole file
    once, to be sure of its encoding, and decides the rest by its first 64 KiB.
    """
    if encoding and encoding not in ENCODINGS:
        raise SheetError(f"The encoding “{encoding[:40]}” is not known. Choose one of the list.")
    file.seek(0)
    head = file.read(HEAD)
    if not head.strip(b" \t\r\n\v\f\0\x1a"):
        raise SheetError(EMPTY)
    if (kind := kind_of(file)) != TEXT:
        raise SheetError(f"The file is {KINDS[kind]}, not a text file. {SAVE_AS_CSV}")
    encoding = encoding or _find_encoding(file, head)
    lines = list(_lines(io.BytesIO(head), encoding))
    if len(head) == HEAD and len(lines) > 1:
        lines.pop()  # cut in the middle
    refuse_markup("".join(lines[:10]))
    if delimiter is None:
        sep = _SEP_LINE.fullmatch(lines[0]) if lines else None
        delimiter = sep[1] if sep else _find_delimiter(lines[:SAMPLE], limits.cell)
    elif delimiter not in DELIMITERS.values():
        raise SheetError("The delimiter is not known. Choose one of the list.")
    rows = [(number, cells) for number, cells, _, _ in _Rows(iter(lines), delimiter, limits.cell)]
    if not rows:
        raise SheetError(EMPTY)
    found = Format(encoding, delimiter, *shape(rows))
    if found.width > limits.columns:
        raise SheetError(
            f"The file has {found.width:,} columns; at most {limits.columns:,} are allowed. "
            "Leave only the columns that are needed, or choose another delimiter."
        )
    return found


def _find_delimiter(lines: list[str], longest_cell: int) -> str:
    """
    The delimiter that splits the rows most evenly into cells that look like something, ``""`` when none
    does. Frequency says nothing: notes are full of commas. Blanks and colons also stand inside numbers and
    times, so they need a column of numbers, and lines that do not look like one value.
    """
    scores = {}
    for delimiter in filter(None, DELIMITERS.values()):
        rows = [cells for _, cells, _, _ in _Rows(iter(lines), delimiter, longest_cell)]
        usual = usual_width(rows) if rows else 1
        if usual == 1:
            continue
        even = [cells for cells in rows if len(cells) == usual]
        filled = [cell for cells in even for cell in cells if cell.strip()]
        share = len(even) / len(rows)
        known = sum(_KNOWN.fullmatch(cell.strip()) is not None for cell in filled) / (len(filled) or 1)
        scores[delimiter] = share**2 * known * (1 - 1 / usual)
        if (numbers := _NUMBERS.get(delimiter)) and not (
            _has_column(even, numbers) and _is_no_single_value(lines)
        ):
            scores[delimiter] = 0
    best = max(scores, key=scores.__getitem__, default="")
    return best if best and scores[best] > 0.08 else ""


def _has_column(rows: list[list[str]], like: re.Pattern[str]) -> bool:
    """Whether some column is all ``like`` this, but for the first row, which may be a header."""
    columns = zip(*(rows[1:] or rows), strict=True)
    return any(all(like.fullmatch(cell) for cell in column) for column in columns)


def _is_no_single_value(lines: list[str]) -> bool:
    values = [line.strip() for line in lines if line.strip()]
    alike = sum(not value[0].isalpha() and _KNOWN.fullmatch(value) is not None for value in values)
    return alike < len(values) / 2

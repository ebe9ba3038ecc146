"""From any file to rows of text: find out what it is, unpack it, count and check what is in it."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from sheets.content import BLOCK, GZIP, UNPACK, kind_of, mismatch
from sheets.damage import Damage, Watch
from sheets.table import LIMITS, TEXT, Format, Limits, Row, SheetError
from sheets.text import read_text, sniff
from sheets.workbooks import read_stored, unpack_workbook


@dataclass
class Loaded:
    """
    A file that can be read. ``file`` and ``format`` are what ``read`` takes; the file may be kept and read
    again later. ``rows``: how many that gives. ``notes``: sentences a person should know. ``damage``: what a
    spreadsheet did to telephone numbers.

    ``file`` is the one given, or a temporary one that is gone when it is closed; ``close``, or the end of a
    ``with`` block, closes only the latter.
    """

    file: BinaryIO
    format: Format
    rows: int
    notes: list[str]
    damage: list[Damage]
    made: ExitStack

    def close(self) -> None:
        self.made.close()

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def load(
    file: BinaryIO,
    name: str = "",
    *,
    sheet: str = "",
    encoding: str = "",
    delimiter: str | None = None,
    limits: Limits = LIMITS,
) -> Loaded:
    """
    Make ``file``, binary and seekable, ready for ``read``, whatever it is: text, a workbook (.xlsx, .xls,
    .ods), or one of them packed by gzip. Its bytes decide; ``name`` only gives a note where it says another.

    ``sheet`` of a workbook: the first that is not hidden and has rows, if not given. ``encoding`` and
    ``delimiter`` of a text file: see ``sniff``. Reads all of it, text at some 300,000 rows a second and
    workbooks at some 40,000. Raises SheetError for what holds no table, is damaged or above a limit.
    """
    watch = Watch()
    with ExitStack() as made:
        kind = kind_of(file)
        notes = [mismatch(kind, name)]
        if kind == GZIP:
            file = made.enter_context(_unpack(file, limits))
            kind = kind_of(file)
            if kind == GZIP:
                raise SheetError(f"The file is a gzip archive of a gzip archive. {UNPACK}")
            notes.append(mismatch(kind, name.lower().removesuffix(".gz")))
        if kind == TEXT:
            format = sniff(file, encoding=encoding, delimiter=delimiter, limits=limits)
            for row in read_text(file, format, limits):
                watch.see(row.line, row.cells)
        else:
            file, format, more = unpack_workbook(file, kind, sheet, limits, watch)
            made.enter_context(file)
            notes += more
        file.seek(0)
        notes = [note for note in notes if note]
        return Loaded(file, format, watch.rows, notes, watch.report(), made.pop_all())


def read(file: BinaryIO, format: Format, limits: Limits = LIMITS) -> Iterator[Row]:
    """
    The rows of ``file`` in a stream, blank ones left out: of a text file, or of what ``load`` made of one.

    A row that does not fit is flagged and the next one is read as if nothing had been. Raises SheetError when
    there are more rows than allowed, or a line no table has.
    """
    return (read_text if format.kind == TEXT else read_stored)(file, format, limits)


def _unpack(file: BinaryIO, limits: Limits) -> BinaryIO:
    """What a gzip archive holds, as a temporary file."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 the caller's
    size = 0
    try:
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as archive:
            while block := archive.read(BLOCK):
                size += unpacked.write(block)
                if size > limits.unpacked:
                    raise SheetError(
                        f"The gzip archive holds more than {limits.unpacked >> 20:,} MB. "
                        "Unpack it, split the file and load one part after the other."
                    )
    except (OSError, EOFError, zlib.error):
        unpacked.close()
        raise SheetError(
            "The gzip archive is damaged or was cut off. Pack or send it again, or load the file unpacked."
        ) from None
    except BaseException:
        unpacked.close()
        raise
    return unpacked

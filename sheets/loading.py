"""Load any supported file: detect its kind, unpack it, count its rows and check them for damage."""

import gzip
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from sheets.content import BLOCK, GZIP, UNPACK, kind_of, mismatch
from sheets.damage import Damage, DamageDetector
from sheets.encoding import mixture_note
from sheets.table import LIMITS, TEXT, Format, Limits, Row, SheetError
from sheets.text import read_text, sniff
from sheets.workbooks import MAX_RATIO, SMALL, read_stored, unpack_workbook

UNPACK_SECONDS = 10  # of processor time to unpack a gzip archive; 2 GB take 4 to 5
EXAMINED_AT_ONCE = 1_000  # rows of a text file, between two looks at the clock


@dataclass
class Loaded:
    """Hold a file that is ready for ``read``, which takes ``file`` and ``format``.

    ``rows`` is the number of rows, ``notes`` are sentences for the user, ``damage`` is what a spreadsheet
    did to phone numbers. If a text file takes longer than ``Limits.examined``, they describe its first rows,
    ``complete`` is False, and ``read`` meets what is wrong with the others. ``file`` is the given file, or a
    temporary one that is deleted when closed; ``close`` and the end of a ``with`` block close only that one.
    """

    file: BinaryIO
    format: Format
    rows: int
    notes: list[str]
    damage: list[Damage]
    complete: bool
    temporary: ExitStack

    def close(self) -> None:
        self.temporary.close()

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    file: BinaryIO,
    name: str = "",
    *,
    sheet: str = "",
    encoding: str = "",
    delimiter: str | None = None,
    hidden: bool = True,
    limits: Limits = LIMITS,
) -> Loaded:
    """Prepare ``file``, binary and seekable, for ``read``.

    Accepts text, a workbook (see KINDS), or either compressed with gzip. The contents decide; ``name`` only
    adds a note if its suffix differs. ``sheet`` defaults to the first visible sheet with phone numbers.
    ``hidden`` is whether the hidden rows of a workbook are read. See ``sniff`` for ``encoding`` and
    ``delimiter``. Reads about 300,000 rows of text or 40,000 of a workbook a second. Raises
    SheetError for files that hold no table, are damaged or exceed a limit.
    """
    detector, complete = DamageDetector(), True
    with ExitStack() as temporary:
        kind = kind_of(file)
        notes = [mismatch(kind, name)]
        if kind == GZIP:
            file = temporary.enter_context(unpack(file, limits))
            kind = kind_of(file)
            if kind == GZIP:
                raise SheetError(f"The file is a gzip archive inside a gzip archive. {UNPACK}")
            notes.append(mismatch(kind, name.lower().removesuffix(".gz")))
        deadline = time.thread_time() + limits.examined
        if kind == TEXT:
            file_format = sniff(
                file, encoding=encoding, delimiter=delimiter, limits=limits, deadline=deadline
            )
            rows = read_text(file, file_format, limits)
            while some := list(islice(rows, EXAMINED_AT_ONCE)):
                for row in some:
                    detector.add(row.line, row.cells)
                if time.thread_time() > deadline:
                    complete = next(rows, None) is None
                    break
            notes.append(mixture_note(file, file_format.encoding, counted=complete))
        else:
            file, file_format, more = unpack_workbook(file, kind, sheet, hidden, limits, detector)
            temporary.enter_context(file)
            notes += more
        file.seek(0)
        notes = [note for note in notes if note]
        return Loaded(
            file, file_format, detector.rows, notes, detector.report(), complete, temporary.pop_all()
        )


def read(file: BinaryIO, file_format: Format, limits: Limits = LIMITS) -> Iterator[Row]:
    """Yield the rows of a text file, or of the file that ``load`` returned, without blank rows.

    A row that does not fit has a ``problem``; reading continues with the next one. Raises SheetError for too
    many rows and for a line that is too long.
    """
    return (read_text if file_format.kind == TEXT else read_stored)(file, file_format, limits)


def unpack(file: BinaryIO, limits: Limits) -> BinaryIO:
    """Return the contents of a gzip archive as a temporary file. Raises SheetError."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 closed by the caller
    size, deadline = 0, time.thread_time() + UNPACK_SECONDS
    try:
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as archive:
            while block := archive.read(BLOCK):
                size += unpacked.write(block)
                if size > limits.unpacked or (size > SMALL and size > MAX_RATIO * file.tell()):
                    raise SheetError(
                        f"The gzip archive holds more than {min(size, limits.unpacked) >> 20:,} MB. "
                        "Unpack it, split the file and load the parts."
                    )
                if time.thread_time() > deadline:
                    raise SheetError(
                        f"The gzip archive takes more than {UNPACK_SECONDS} seconds of processor time to "
                        "unpack. Unpack it, split the file and load the parts."
                    )
    except (OSError, EOFError, zlib.error):
        unpacked.close()
        raise SheetError(
            "The gzip archive is damaged or incomplete. Compress or send it again, or load the unpacked file."
        ) from None
    except BaseException:
        unpacked.close()
        raise
    return unpacked

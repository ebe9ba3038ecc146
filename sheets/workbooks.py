"""
Workbooks: a file to rows.

A process of its own parses the file, under limits of time and memory, and hands over the rows. They are kept
as JSON lines, so that reading them again, as often as an import does, costs neither.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from sheets.content import BROKEN_ZIP, blocks, protected
from sheets.damage import Watch
from sheets.table import Format, Limits, Problem, Row, SheetError, shape, too_many_rows

PROCESS = Path(__file__).with_name("workbook_process.py")
SAMPLE = 300  # rows that decide where the table begins
MOST_PACKED = 200  # times that an honest workbook is packed at most, above what is small anyway
SMALL = 100 << 20  # bytes
DAMAGED = (
    "The workbook is damaged: it can't be read to its end. "
    "Open it in a spreadsheet program, save it again, as CSV if need be, and load that file."
)


def unpack_workbook(
    file: BinaryIO, kind: str, sheet: str, limits: Limits, watch: Watch
) -> tuple[BinaryIO, Format, list[str]]:
    """
    The rows of ``sheet``, or of the first that has some, as a temporary file of JSON lines: line n is row n
    of the sheet, a list of texts, ``[]`` where it is blank.

    Returns (that file, how to read it, notes); ``watch`` sees each row that is not blank. Raises SheetError
    for a workbook that can't be read, is above a limit, or has no such sheet.
    """
    if kind != "xls":
        _refuse_bombs(file, limits)
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as copy:
        file.seek(0)
        for block in blocks(file):
            copy.write(block)
        copy.flush()
        stored = tempfile.TemporaryFile()  # noqa: SIM115 the caller's from here on
        try:
            with _Reader(copy.name, kind, sheet, limits) as reader:
                found = _store(reader, stored, limits, watch)
        except BaseException:
            stored.close()
            raise
    width, start = found
    format = Format("", "", width, 0, start, kind, reader.facts["sheet"], reader.facts["sheets"])
    return stored, format, _notes(sheet, reader.facts)


def _refuse_bombs(file: BinaryIO, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except BROKEN_ZIP:
        raise SheetError(DAMAGED) from None
    if any(member.flag_bits & 1 for member in members):
        raise protected()
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > limits.unpacked or (unpacked > SMALL and unpacked > MOST_PACKED * packed):
        raise SheetError(
            f"The workbook is {unpacked >> 20:,} MB when it is unpacked; {limits.unpacked >> 20:,} MB and "
            f"{MOST_PACKED} times its own size are the most allowed. Check that it is the right file, "
            "leave only the sheet and the columns that are needed, or save it as CSV."
        )


class _Reader:
    """
    The process that parses the file at ``path``, for as long as the context lasts. ``rows()`` gives (kinds,
    JSON of the texts) of each row, ``facts`` is what it said first. Raises SheetError when it gives up.
    """

    def __init__(self, path: str, kind: str, sheet: str, limits: Limits):
        self.limits, self.sheet, self.facts = limits, sheet, {}
        self.late = False
        what = {
            "path": path,
            "kind": kind,
            "sheet": sheet,
            "columns": limits.columns,
            "cell": limits.cell,
            "seconds": limits.seconds,
            "memory": limits.memory,
        }
        self.command = [sys.executable, "-I", str(PROCESS), json.dumps(what)]

    def __enter__(self) -> "_Reader":
        self.errors: IO[bytes] = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            # A file made to take the process over must find no passwords in it.
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
            | {"RUST_BACKTRACE": "0"},
        )
        self.timer = threading.Timer(self.limits.seconds, self._stop)
        self.timer.daemon = True
        self.timer.start()
        return self

    def _stop(self) -> None:
        self.late = True
        self.process.kill()

    def __exit__(self, *_) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def rows(self) -> Iterator[tuple[str, bytes]]:
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                break
            if line.startswith(b"{"):
                self.facts |= json.loads(line)
            else:
                kinds, _, texts = line.partition(b"\t")
                yield kinds.decode(), texts
        code = self.process.wait()
        if error := self.facts.get("error"):
            raise self._refusal(error)
        if code:
            raise self._refusal(self._cause(code))

    def _cause(self, code: int) -> str:
        if self.late or -code == signal.SIGXCPU:
            return "time"
        self.errors.seek(0)
        said = self.errors.read(1 << 16)
        # The system kills what takes the memory of all; the parser ends itself when it gets none.
        if -code == signal.SIGKILL or b"memory allocation" in said or b"MemoryError" in said:
            return "memory"
        if code > 0:  # it reports a workbook that it can't read
            raise RuntimeError(
                f"The process that reads workbooks does not work: {said.decode(errors='replace')}"
            )
        return "damaged"

    def _refusal(self, error: str) -> SheetError:
        if error == "password":
            return protected()
        names = _listed(self.facts.get("sheets", []))
        if error == "unknown":
            return SheetError(f"The workbook has no sheet “{self.sheet[:100]}”. Its sheets: {names}.")
        if error == "empty" and self.sheet:
            return SheetError(f"The sheet “{self.sheet}” is empty. Choose another of the sheets: {names}.")
        if error == "empty":
            return SheetError("The workbook has no rows. Choose a file with at least one row.")
        if error == "time":
            return SheetError(
                f"The workbook was not read within {self.limits.seconds:,} seconds. "
                "Split it, or save it as CSV, which is read much faster."
            )
        if error == "memory":
            return SheetError(
                f"The workbook needs more than {self.limits.memory >> 20:,} MB of memory. A single cell far "
                "below or right of the table is often the cause: copy the table into a new workbook, "
                "or save it as CSV."
            )
        return SheetError(DAMAGED)


def _store(reader: _Reader, stored: BinaryIO, limits: Limits, watch: Watch) -> tuple[int, int]:
    """Write what the reader gives into ``stored``; (width, start) as in Format."""
    width, size, head = 0, 0, []
    for line, (kinds, texts) in enumerate(reader.rows(), start=1):
        size += stored.write(texts)
        if size > limits.unpacked:
            raise SheetError(
                f"The sheet has more than {limits.unpacked >> 20:,} MB of text. "
                "Split it, or leave only the columns that are needed."
            )
        cells = json.loads(texts)
        if not "".join(cells).strip():
            continue
        watch.see(line, cells, kinds)
        if watch.rows > limits.rows:
            raise too_many_rows(limits)
        if watch.rows <= SAMPLE:
            head.append((line, cells))
        if width < len(cells) <= limits.columns:
            width = len(cells)
    _, usual, start = shape(head)
    if usual > limits.columns:
        raise SheetError(
            f"The sheet has more than {limits.columns:,} columns, the most allowed. "
            "Leave only the columns that are needed."
        )
    return width, start


def _notes(wanted: str, facts: dict) -> list[str]:
    """What a person must know who did not choose the sheet."""
    names, hidden, read = facts["sheets"], facts["hidden"], facts["sheet"]
    if wanted or len(names) == 1:
        return []
    first, why = names[0], ""
    if read != first:
        why = f" because “{first}” is {'hidden' if first in hidden else 'empty'}"
    return [f"The workbook has {len(names)} sheets ({_listed(names)}); “{read}” is read{why}."]


def _listed(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names[:20]) + (" …" if len(names) > 20 else "")


def read_stored(file: BinaryIO, format: Format, limits: Limits) -> Iterator[Row]:
    """The rows that ``unpack_workbook`` stored, filled up to the table's width, blank ones left out."""
    count, width = 0, format.width
    file.seek(0)
    for line, texts in enumerate(iter(file.readline, b""), start=1):
        cells = json.loads(texts)
        if not "".join(cells).strip():
            continue
        count += 1
        if count > limits.rows:
            raise too_many_rows(limits)
        problem = None
        if len(cells) > limits.columns or len(texts) > limits.cell:
            problem = _problem(cells, limits)
        if len(cells) < width:
            cells += [""] * (width - len(cells))
        yield Row(line, cells, problem)


def _problem(cells: list[str], limits: Limits) -> Problem | None:
    if len(cells) > limits.columns:
        return Problem("columns", f"The row has more than {limits.columns:,} columns, the most allowed.")
    for column, cell in enumerate(cells, start=1):
        if len(cell) > limits.cell:
            return Problem(
                "cell",
                f"The cell in column {column} has more than {limits.cell:,} characters, the most allowed.",
            )
    return None

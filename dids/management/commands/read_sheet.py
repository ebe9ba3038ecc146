import io
import json
import os
import sys
from collections.abc import Iterator

from django.core.management import BaseCommand
from django.core.management.base import CommandParser

from dids.imports.limits import import_limits
from sheets import Loaded, SheetError, load, read


class Command(BaseCommand):
    help = (
        "Read files as the import does. Prints a JSON object a line for each: what it is and its rows, "
        'or {"file": …, "error": …}.'
    )

    def add_arguments(self, parser: CommandParser):
        parser.add_argument("files", nargs="+", metavar="FILE", help="- reads the names from standard input")

    def handle(self, *, files, **options):
        self.limits = import_limits()
        self.encode = json.JSONEncoder(ensure_ascii=False).encode
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Whatever the terminal's language; a file name that is no text is escaped as JSON does it.
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        for name in files:
            for path in _names_on_standard_input() if name == "-" else [name]:
                self._read(path)

    def _read(self, path: str):
        try:
            with open(path, "rb") as file, load(file, path, limits=self.limits) as loaded:
                for piece in self._pieces(path, loaded):
                    self.stdout.write(piece, ending="")
                self.stdout.write("")
        except SheetError as error:
            self.stdout.write(self.encode({"file": path, "error": str(error)}))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.stdout.write(self.encode({"file": path, "error": f"The file can't be opened: {reason}."}))

    def _pieces(self, path: str, loaded: Loaded) -> Iterator[str]:
        """The JSON of a file, row after row: it may be larger than the memory."""
        format, problems = loaded.format, []
        about = {
            "file": path,
            "format": format.kind,
            "encoding": format.encoding,
            "delimiter": format.delimiter,
        }
        yield self.encode(about)[:-1] + ', "rows": ['
        between = ""
        for row in read(loaded.file, format, self.limits):
            yield between + self.encode(row.cells)
            between = ", "
            if row.problem:
                problems.append({"line": row.line} | row.problem._asdict())
        more = {
            "sheet": format.sheet,
            "notes": loaded.notes,
            "damage": [damage._asdict() for damage in loaded.damage],
            "problems": problems,
        }
        yield "], " + self.encode(more)[1:]


def _names_on_standard_input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        if name := line.rstrip(b"\r\n"):
            yield os.fsdecode(name)

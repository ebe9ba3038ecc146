"""Files of reference tables, parsed into rows of text."""

from dataclasses import dataclass, field
from itertools import islice

import sheets
from clients.names import clean_name

HEAD = 20  # rows of a file among which the header is searched
LIMIT = 5_000  # rows of one file
NAMES = ("name", "client", "reseller")  # columns that hold names


@dataclass(frozen=True)
class ParsedFile:
    """Hold the ``keys`` of a file's columns and its ``rows`` of (line, a text for each key).

    ``flaws``: refusals of unreadable rows. ``ignored``: headers of unknown and of export-only columns.
    """

    name: str
    keys: list
    rows: list
    flaws: list = field(default_factory=list)
    ignored: list = field(default_factory=list)

    @classmethod
    def parse(cls, resource, rows, name):
        """Parse the ``rows`` of ``sheets.read``, without those above the header and blank ones.

        Raises ``SheetError`` when no column holds names, and for more than LIMIT rows.
        """
        rows = iter(rows)
        head = list(islice(rows, HEAD))
        at, keys = resource.find_header([row.cells for row in head])
        indexes = {key: index for index, key in enumerate(keys) if key}
        parsed, flaws = [], []
        for row in (*head[at + 1 :], *rows):
            texts = [_text(key, row.cells[i]) if i < len(row.cells) else "" for key, i in indexes.items()]
            if not any(texts):
                continue
            if row.problem:
                flaws.append({"line": row.line, "column": "", "value": "", "reason": str(row.problem)})
            else:
                parsed.append([row.line, *texts])
            if len(parsed) + len(flaws) > LIMIT:
                raise sheets.SheetError(
                    f"The file has more than {LIMIT:,} rows, the most that can be imported at once."
                    " Split it and import the parts."
                )
        if not parsed and not flaws:
            raise sheets.SheetError("The file has a header but no rows. Choose a file with rows.")
        headers = [(key, cell_text(cell)) for key, cell in zip(keys, head[at].cells, strict=True)]
        ignored = [header for key, header in headers if header and not key]
        return cls(name, list(indexes), parsed, flaws, ignored)


def _text(key, cell):
    text = cell_text(cell)
    return clean_name(text) if key in NAMES else text


def cell_text(cell):
    return sheets.unescape(cell).replace("\0", "").strip()

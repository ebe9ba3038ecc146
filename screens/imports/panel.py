"""What step 2 shows of a survey: the list of questions, the columns with their certainty, and the lines."""

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from didmgmt.text import count_noun, shorten
from dids.imports import mapping
from dids.imports.cells import KEEP, LEAVE, MEANT, PAD, PUT, REFUSE
from dids.lifecycle import statuses as st
from screens.imports.columns import PROPOSAL

TITLES = 2  # lines above the header that are shown
LINES = 5  # lines below the header that are shown
BARS = {mapping.CERTAIN: (3, "Certain"), mapping.LIKELY: (2, "Likely"), mapping.CHECK: (1, "Please check")}
RADIOS = {
    "short range": "short_ranges",
    "several": "several",
    "dash": "dash",
    "zero": "zero",
    "lost": "lost",
}
HEADINGS = {
    "number": "Which column is the DID?",
    "range_end": "Do the rows name ranges?",
    "range_size": "Do the rows name ranges?",
    "operator": "Which operator do these numbers come from?",
    "short range": "Short ranges",
    "several": "Several numbers in a cell",
    "dash": "One dash in the middle",
    "zero": "A (0) after the country code",
    "lost": "Digits may be missing in front",
    "flagged": "Rows without a clear number",
}
LOST_HINTS = (", if zeros were lost", ", if the country code is missing")  # of the readings of such a cell


def slug(kind):
    """Return the kind of a question as a part of an address: ``#question-short-range``."""
    return kind.replace(" ", "-").replace("_", "-")


class Amount(NamedTuple):
    """The input of a choice: its field, the ``value`` that it shows, and the ``unit`` after it."""

    field: object
    value: str
    unit: str


class Choice(NamedTuple):
    value: str
    label: str
    hint: str
    chosen: bool
    amount: Amount | None = None


@dataclass
class Item:
    """One question as it is shown.

    ``aside`` says how much it is about. ``choices`` are of ``Choice``; those of values are (Value, options),
    those of flagged rows (Example, whether it is ticked, id of its box or "").
    """

    number: int
    question: object
    title: str
    aside: str
    choices: list = field(default_factory=list)
    note: str = ""
    error: str = ""

    @property
    def kind(self):
        return self.question.kind

    @property
    def slug(self):
        return slug(self.kind)

    @property
    def name(self):
        return RADIOS.get(self.kind, "")

    @property
    def readings(self):
        """The first doubtful cells as (text, [(reading, hint)]); one where all have the same readings."""
        shown = self.question.examples[: 1 if self.kind in ("zero", "lost") else 2]
        hints = LOST_HINTS if self.kind == "lost" else ("", "")
        return [
            (example.text, list(zip_longest(example.readings, hints[: len(example.readings)], fillvalue="")))
            for example in shown
        ]

    @property
    def has_proposals(self):
        return any(value.proposed and not value.answer for value in self.question.values)

    @property
    def is_open(self):
        return self.question.is_open or bool(self.error)


class Panel:
    """What is shown of a ``survey`` and its ``form``, for a file that begins with ``head``."""

    def __init__(self, survey, form, head, width):
        self.survey, self.form, self.head, self.width = survey, form, head, width
        self.choices = form.choices()
        self.skip = set(self.choices["skip"])
        self.names = self._names()

    def _names(self):
        """Return the name of each column: that in the header, else "Column 3"."""
        header = self.survey.guess.header
        skipped = [row.cells for row in self.head if row.line in self.skip]
        cells = self.head[header].cells if header is not None else skipped[-1] if skipped else []
        cells = [*cells, *[""] * self.width][: self.width]
        return [cell.strip() or f"Column {number}" for number, cell in enumerate(cells, 1)]

    # --- questions

    def items(self):
        """Return the questions as a list of ``Item``."""
        fill = {
            "number": self._fill_number,
            "range_end": self._fill_range,
            "range_size": self._fill_range,
            "operator": self._fill_operator,
            "status": self._fill_values,
            "after_hold": self._fill_values,
            "lost": self._fill_lost,
            "flagged": self._fill_flagged,
        }
        found = []
        for number, question in enumerate(self.survey.questions, 1):
            title = HEADINGS.get(question.kind)
            if question.kind in MEANT:
                title = f"What do these values of {shorten(self.names[question.column], 40)} mean?"
            item = Item(number, question, title, self._aside(question))
            fill.get(question.kind, self._fill_notation)(item)
            found.append(item)
        return found

    def _aside(self, question):
        if question.kind == "number":
            return f"{question.count} columns fit"
        if question.kind in ("range_end", "range_size"):
            return "1 column"
        if question.kind == "operator":
            return "all rows" if question.count >= self.survey.read else count_noun(question.count, "row")
        if question.kind in MEANT:
            return count_noun(len(question.values) + question.others, "value")
        if question.kind == "flagged":
            return count_noun(question.count + question.others, "row")
        cells = count_noun(question.count, "cell")
        if question.numbers <= question.count:
            return cells
        return f"{cells}, {count_noun(question.numbers, 'number')}"

    def _fill_number(self, item):
        reasons = self.survey.guess.reason
        chosen = self.survey.rules.at.get("number")
        item.choices = [
            Choice(str(index), self.names[index], reasons[index], index == chosen)
            for index in item.question.columns
        ]

    def _fill_range(self, item):
        what = {"range_end": "the last number", "range_size": "how many numbers there are"}[item.kind]
        item.note = f"{shorten(self.names[item.question.column], 40)} may say {what} of each range."

    def _fill_operator(self, item):
        if "operator" in self.survey.rules.at:
            item.note = f"{count_noun(item.question.count, 'row names', 'rows name')} none."
        else:
            item.note = "No column names one."

    def _fill_values(self, item):
        statuses = [*MEANT[item.kind], (LEAVE, "– leave out"), (REFUSE, "– refuse rows")]
        item.choices = [(value, _meanings(value, statuses)) for value in item.question.values]
        if item.question.others:
            item.note = f"The rows with {count_noun(item.question.others, 'other value')} are refused."

    def _fill_notation(self, item):
        count, numbers = item.question.count, count_noun(item.question.numbers, "number")
        others = {
            "short range": [("expand", f"Expand to {numbers}")],
            "several": [("split", f"Split into {numbers}")],
            "dash": [("number", "Each is one number"), ("range", "Each is a range")],
            "zero": [("drop", "Drop the (0)")],
        }[item.kind]
        refuse = f"Refuse the {count_noun(count, 'row')}" if count > 1 else "Refuse the row"
        answer = self.choices["readings"].get(item.name, REFUSE)
        item.choices = [
            Choice(value, label, "", value == answer) for value, label in ((REFUSE, refuse), *others)
        ]

    def _fill_lost(self, item):
        typical = self.survey.typical
        item.note = (
            f"{' or '.join(map(str, item.question.lengths))} digits,"
            f" while the other {typical.numbers:,} numbers have {typical}."
        )
        answer = self.form["lost"].value() or REFUSE
        answers = (
            (REFUSE, "Refuse", None),
            (KEEP, "Keep", None),
            (PAD, "Pad with zeros to", self._amount("pad", typical.least, "digits")),
            (PUT, "Put", self._amount("front", item.question.front, "in front")),
        )
        item.choices = [Choice(value, label, "", value == answer, amount) for value, label, amount in answers]
        item.error = " ".join([*self.form["pad"].errors, *self.form["front"].errors])

    def _amount(self, name, proposed, unit):
        field = self.form[name]
        value = field.value()
        return Amount(field, proposed if value in (None, "") and not field.errors else value, unit)

    def _fill_flagged(self, item):
        question, written = item.question, self.survey.rules.written
        item.choices = [
            (example, example.line in written, f"written-{example.line}" if example.readings else "")
            for example in question.examples
        ]
        hidden = question.count + question.others - len(question.examples)
        more = f" {hidden:,} more are not listed." if hidden > 0 else ""
        item.note = ("Not written unless ticked." if question.count else "They are refused.") + more

    # --- columns

    def columns(self):
        """Return a dict for each column: its field, name, sample values, and how sure its field is."""
        mapped = self.survey.rules.mapping
        body = [row.cells for row in self.head if row.line not in self.skip]
        found = []
        for index, name in enumerate(self.names):
            cells = (row[index].strip() for row in body if index < len(row))
            samples = [shorten(cell, 24) for cell in dict.fromkeys(filter(None, cells))][:2]
            bars, word, reason = self._certainty(index)
            bound = self.form[f"column{index}"]
            found.append(
                {
                    "field": bound,
                    "name": name,
                    "samples": ", ".join(samples),
                    "bars": bars,
                    "word": word,
                    "reason": reason,
                    "css": "field-wrong" if bound.errors else "" if mapped[index] else "is-left-out",
                }
            )
        return found

    def _certainty(self, index):
        """Return (bars, word, reason) of a column; no bars where the user chose its field."""
        survey, guess = self.survey, self.survey.guess
        if index in survey.hopeless:
            return 1, "Please check", survey.hopeless[index]
        key, remembered = survey.rules.mapping[index], self.choices["remembered"]
        if key and remembered and remembered[index] == key:
            return 3, "As before", "You chose this for the last file with these columns."
        if key != guess.keys[index] or not guess.certainty[index]:
            return 0, "", ""
        return *BARS[guess.certainty[index]], guess.reason[index]

    # --- lines

    def rows(self):
        """Return the lines to show and the gap after them: the first lines, and doubtful ones with marks.

        Each is a dict with the line, its skip field, its cells, and what is left out before it.
        """
        survey, header = self.survey, self.survey.guess.header or 0
        begin = max(0, header - TITLES)
        first = enumerate(self.head[begin : header + 1 + LINES], begin)
        lines = {row.line: (index, row.cells) for index, row in first}
        for line, cells in survey.samples.items():
            lines.setdefault(line, (survey.first_row[line], cells))
        self.form.add_lines(lines)
        found, after = [], 0
        for line, (index, cells) in sorted(lines.items()):
            found.append(
                {
                    "line": line,
                    "skip": self.form[f"skip{line}"],
                    "is_skipped": line in self.skip,
                    "cells": cells[: self.width],
                    "shown": self._cells(line, cells),
                    "gap": self._gap(after, index),
                }
            )
            after = index + 1
        return found, self._gap(after, survey.last_row)

    def _cells(self, line, cells):
        """Return a dict for each cell of a line: its text, its question, and what it becomes."""
        survey = self.survey
        numbers = {question.kind: number for number, question in enumerate(survey.questions, 1)}
        marks, at = survey.marks.get(line, {}), survey.rules.at.get("number")
        stored = "" if line in self.skip else survey.stored(line, cells)
        return [
            {
                "text": cell,
                "doubt": numbers.get(marks.get(index), 0),
                "slug": slug(marks.get(index, "")),
                "stored": stored if index == at else "",
                "is_left_out": not survey.rules.mapping[index],
            }
            for index, cell in enumerate(cells[: self.width])
        ]

    def _gap(self, first, last):
        """Describe the lines ``first`` to ``last``, by index and without ``last``, that are not shown."""
        if last <= first:
            return ""
        doubts, lines = self.survey.doubts_between(first, last), count_noun(last - first, "line")
        return f"{lines}, {doubts:,} with doubts like these" if doubts else f"{lines} without doubts"


def _meanings(value, statuses):
    """Return the options of a value's select as (key, label, whether it is selected)."""
    proposed = value.proposed if not value.answer else ""
    options = [("", "Choose…", not value.answer and not proposed)]
    if proposed:
        options.append((PROPOSAL + proposed, f"{st.LABELS[proposed]}?", True))
    return [*options, *((key, label, key == value.answer) for key, label in statuses)]

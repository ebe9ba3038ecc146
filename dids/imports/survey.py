"""Survey a file with a choice of columns: what its owner has to decide before it is checked.

A survey reads the file once and writes nothing. It is bounded in rows and in time, because it runs in a
request each time an answer changes.
"""

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import NamedTuple

from didmgmt.text import parse_whole
from dids.imports.cells import MEANT, REFUSE, CellRules, ColumnError, Typical, is_complete
from dids.imports.synonyms import PROPOSED
from dids.imports.upload import HEAD
from dids.lifecycle import statuses as st
from dids.models import DID
from dids.numbering.normalise import NumberError
from dids.numbering.reading import Choices
from operators.models import Operator

ROWS = 100_000
SECONDS = 2
EXAMPLES = 3  # cells shown for each question
TICKED = 50  # flagged rows that can be ticked
VALUES = 50  # unknown values that are asked for, of each column
DISTINCT = 1_000  # values remembered of each column
SHORTEST = 7  # digits: shorter numbers are no subscriber numbers, so their lengths tell nothing
RARE = 0.1  # lengths that fewer numbers have are doubtful if they are shorter than the others
LONGEST_VALUE = 100  # characters: longer ones are texts

# The answer that reads each kind of doubtful number.
READ = {
    "short range": ("short_ranges", "expand"),
    "several": ("several", "split"),
    "dash": ("dash", "number"),
    "zero": ("zero", "drop"),
}


class Example(NamedTuple):
    """A doubtful cell: its ``line``, its ``text``, and the ``readings`` as they would be stored.

    ``reason``: why it has no reading.
    """

    line: int
    text: str
    readings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def at(self):
        return f"line {self.line:,}"


class Value(NamedTuple):
    """A text that is no status: ``cells`` have it, its ``answer`` or "", and a ``proposed`` status."""

    text: str
    cells: int
    answer: str
    proposed: str


@dataclass
class Question:
    """Something to decide.

    ``kind``      "number" (which column is the DID), "range_end" or "range_size" (whether a column holds it),
                  "operator", "status" or "after_hold" (what values mean), "short range", "several", "dash",
                  "zero", "lost" or "flagged", as the kinds of NumberError
    ``column``    the index of the column that it is about, None for "number" and "operator"
    ``count``     doubtful cells; of "operator" rows without one; of "number" columns that fit
    ``numbers``   how many numbers the cells name if they are read
    ``others``    cells of "flagged" that hold no number at all and are refused
    ``is_open``   whether the file can't be checked without an answer
    ``front``     the digits that all other numbers begin with, as many as are missing, "" if they differ
    ``lengths``   the lengths of numbers that may lack digits
    """

    kind: str
    column: int | None = None
    count: int = 0
    numbers: int = 0
    others: int = 0
    is_open: bool = False
    examples: list[Example] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    columns: tuple[int, ...] = ()
    proposed: Operator | None = None
    front: str = ""
    lengths: list[int] = field(default_factory=list)


class Survey:
    """What a file holds if it is read with the ``params`` of its import.

    ``rows``       rows read, without the skipped ones; ``is_cut`` if the file has more
    ``read``       rows whose number, or ID, could be read
    ``typical``    the usual lengths of its numbers, for ``CellRules``
    ``questions``  what to decide, in the order of the screen
    ``hopeless``   {index of a column: why it would refuse every row}
    ``samples``    {line: cells} of doubtful rows, and of rows skipped below the head
    ``marks``      {line: {column: kind}} of doubtful cells
    ``last_row``   how many rows were read, with the skipped ones
    """

    def __init__(self, upload, user, params, guess):
        self.user, self.params, self.guess = user, params, guess
        self.rules = CellRules.of(params | {"typical": None})
        dash = self.rules.choices.dash
        self.answers = READ | ({"dash": ("dash", dash)} if dash != REFUSE else {})
        self.rows, self.last_row, self.is_cut = 0, 0, False
        self.samples, self.marks, self.hopeless = {}, {}, {}
        self.first_row = {}  # of each sampled line: the index of its row
        self.kinds = {}  # {kind: (Question, indexes of its rows)}
        self.whole = Counter()  # numbers with their country code, by length
        # {length of the others: (indexes of their rows, the first of these rows, the numbers)}
        self.by_length = defaultdict(lambda: (array("L"), [], []))
        self.operator, self.named = self.rules.at.get("operator"), {}  # {cell: whether it names one}
        # {column: {cell: (indexes of its rows, the first one's line and cells)}}
        self.distinct = {key: {} for key in (*MEANT, "hold_days", "tags") if key in self.rules.at}
        self.read = self.unread = self.wrong_ends = 0
        self.without_operator = []  # numbers
        self._read(upload)
        self.texts = {key: self._texts(key) for key in self.distinct}
        self.typical = self._typical()
        self.rules = replace(self.rules, typical=self.typical)
        self._flag_lengths()
        self.questions = list(self._questions())
        self._find_hopeless()
        self._mark()

    @property
    def open(self):
        """The questions that need an answer."""
        return [question for question in self.questions if question.is_open]

    def doubts_between(self, first, last):
        """Return how many of the rows ``first`` to ``last``, by index and without ``last``, are doubtful."""
        return bisect_left(self.doubtful, last) - bisect_left(self.doubtful, first)

    def stored(self, line, cells):
        """Return the number of a row as it will be stored, "" if it is refused or the same as its cell."""
        at = self.rules.at.get("number")
        if at is None:
            return ""
        cells = [*cells, *[""] * (self.rules.width - len(cells))]
        try:
            ranges = self.rules.ranges(line, cells)
        except NumberError:
            return ""
        text = ", ".join(low if low == high else f"{low}–{high}" for low, high in ranges)
        return "" if text == cells[at].strip() else text

    # --- reading the file

    def _read(self, upload):
        skip, deadline = set(self.params["skip"]), monotonic() + SECONDS
        columns = [(seen, self.rules.at[key]) for key, seen in self.distinct.items()]
        number, ref = self.rules.at.get("number"), self.rules.at.get("id")
        for index, row in enumerate(upload.rows()):
            if self.rows >= ROWS or (index % 10 == 0 and monotonic() > deadline):
                self.is_cut = True
                return
            self.last_row = index + 1
            if row.line in skip and index >= HEAD and len(self.samples) < EXAMPLES * HEAD:
                self.samples[row.line], self.first_row[row.line] = row.cells, index
            if row.problem or row.line in skip:
                continue
            self.rows += 1
            cells = row.cells
            if len(cells) < self.rules.width:
                cells = cells + [""] * (self.rules.width - len(cells))
            for seen, at in columns:
                if cells[at] in seen:
                    seen[cells[at]][0].append(index)
                elif len(seen) < DISTINCT:
                    seen[cells[at]] = array("L", [index]), row.line, cells
            if number is not None:
                self._read_number(index, row.line, cells, cells[number])
            elif ref is not None and parse_whole(cells[ref].strip()) is not None:
                self.read += 1
            else:
                self.unread += 1

    def _read_number(self, index, line, cells, cell):
        if cell.isdigit() and cell.isascii() and len(cell) in self.rules.usual:
            low, is_whole = cell, False
        elif self.rules.is_blank(cells):
            return
        else:
            ranges = self._resolve(index, line, cells, cell)
            if not ranges:
                return
            low, is_whole = ranges[0][0], is_complete(cell)
        self.read += 1
        if is_whole:
            self.whole[len(low)] += 1
        else:
            rows, samples, numbers = self.by_length[len(low)]
            rows.append(index)
            numbers.append(low)
            if len(samples) < TICKED:
                samples.append((line, cells, cell, low))
        operator = cells[self.operator] if self.operator is not None else ""
        if operator not in self.named:
            self.named[operator] = not self.rules.is_empty(operator)
        if not self.named[operator]:
            self.without_operator.append(low)

    def _resolve(self, index, line, cells, cell):
        """Count the doubts of a cell; return the ranges that it names when each is answered, or None."""
        answers, found, failed = {}, [], None
        while True:
            ranges, error = self._read_as(answers, line, cells)
            if error is None:
                break
            name, answer = self.answers.get(error.kind, ("", ""))
            if not name or name in answers:
                failed = error
                break
            answers[name] = answer
            found.append((error.kind, error.readings))
        if not found and self.rules.choices.dash == "number":  # also where a dash is clearly one of a range
            ranges = self._read_as({"dash": "number"}, line, cells)[0]
        if failed and not isinstance(failed, ColumnError):
            found, ranges = self._combined(line, cells)
            failed = None if ranges else failed
        if failed:
            self._refused(index, line, cells, cell, failed)
        numbers = sum(int(high) - int(low) + 1 for low, high in ranges) if ranges else 0
        for kind, readings in found:
            self._add(kind, index, line, cells, Example(line, cell, readings), numbers)
        return ranges

    def _read_as(self, answers, line, cells):
        """Return (the ranges of a row read with these answers, None) or (None, the error)."""
        try:
            return replace(self.rules, choices=Choices(**answers)).ranges(line, cells), None
        except NumberError as error:
            return None, error

    def _combined(self, line, cells):
        """Return (doubts, ranges) of a cell that can be read only if several doubts are answered at once."""
        every = dict(self.answers.values())
        ranges, _ = self._read_as(every, line, cells)
        if not ranges:
            return [], None
        reading = ", ".join(low if low == high else f"{low}–{high}" for low, high in ranges)
        found = []
        for kind, (name, _) in self.answers.items():
            others = {other: answer for other, answer in every.items() if other != name}
            if self._read_as(others, line, cells)[0] != ranges:
                found.append((kind, (reading,)))
        return found, ranges

    def _refused(self, index, line, cells, cell, error):
        self.unread += 1
        if isinstance(error, ColumnError):
            self.wrong_ends += 1
        elif not self.rules.is_empty(cell):
            example = Example(line, cell, reason=error.reason)
            question = self._add("flagged", index, line, cells, example, 0)
            question.count -= 1
            question.others += 1

    def _add(self, kind, index, line, cells, example, numbers, most=EXAMPLES):
        """Count a doubtful cell and keep the first ones as examples; return its question."""
        if kind not in self.kinds:
            self.kinds[kind] = Question(kind, self.rules.at["number"]), array("L")
        question, rows = self.kinds[kind]
        question.count += 1
        question.numbers += numbers
        rows.append(index)
        if len(question.examples) < most:
            question.examples.append(example)
            self.samples[line] = cells
            self.first_row[line] = index
        return question

    # --- lengths

    def _typical(self):
        """Return the usual lengths of the numbers, None where lengths tell nothing."""
        lengths = Counter({length: len(rows) for length, (rows, _, _) in self.by_length.items()})
        lengths += self.whole
        if not lengths:
            return None
        most, total = max(lengths.values()), sum(lengths.values())
        usual = [
            length for length, count in lengths.items() if 2 * count > most or count > max(2, RARE * total)
        ]
        least = min(usual)
        if least < SHORTEST or least == min(lengths):
            return None
        shorter = {length: numbers for length, (_, _, numbers) in self.by_length.items() if length < least}
        known = tuple(length for length, numbers in sorted(shorter.items()) if not self._has_new(numbers))
        return Typical(least, max(usual), sum(lengths[length] for length in usual), known)

    def _flag_lengths(self):
        for length, (rows, samples, _) in sorted(self.by_length.items()):
            kind = self.typical.doubt(length) if self.typical else ""
            if not kind:
                continue
            most = TICKED if kind == "flagged" else EXAMPLES
            sampled = {}
            for index, (line, cells, cell, low) in zip(rows, samples, strict=False):
                readings = (low,)
                if kind == "lost":
                    front, padded = self._common_front(length), low.zfill(self.typical.least)
                    readings = (padded, front + low) if front and front.strip("0") else (padded,)
                self._add(kind, index, line, cells, Example(line, cell, readings), 1, most)
                sampled[index] = line
            question, counted = self.kinds[kind]
            question.count += len(rows) - len(sampled)
            counted.extend(rows[len(sampled) :])
            if kind == "lost":
                question.lengths.append(length)
                question.front = question.front or self._common_front(length)

    def _common_front(self, length):
        """Return the first digits of the usual numbers that one of this length may lack."""
        missing = self.typical.least - length
        _, samples, _ = self.by_length[self.typical.least]
        fronts = {low[:missing] for _, _, _, low in samples}
        return fronts.pop() if len(fronts) == 1 else ""

    # --- questions

    def _questions(self):
        yield from self._column_questions()
        yield from self._operator_questions()
        for key in MEANT:
            if key in self.rules.at:
                yield from self._value_questions(key)
        for kind in (*READ, "lost", "flagged"):
            if kind in self.kinds:
                yield self.kinds[kind][0]

    def _column_questions(self):
        for question in self.guess.questions:
            if question.key == "number":
                columns = question.columns
                is_open = "number" not in self.rules.at
                yield Question("number", None, len(columns), is_open=is_open, columns=columns)
            elif question.key in ("range_end", "range_size"):
                is_open = question.key not in self.rules.at and not self.params.get("single")
                yield Question(question.key, question.columns[0], is_open=is_open)

    def _operator_questions(self):
        chosen = bool(self.params.get("operator"))
        if not self.without_operator or not (chosen or self._has_new(self.without_operator)):
            return
        is_open = not (chosen or self.params.get("without_operator"))
        proposed = operator_like(self.params.get("name", ""), self.user)
        count = len(self.without_operator)
        yield Question("operator", None, count, is_open=is_open, proposed=proposed)

    def _has_new(self, numbers):
        """Whether one of ``numbers`` does not exist among those that the user may see."""
        own = DID.objects.visible_to(self.user)
        for start in range(0, len(numbers), 5_000):
            chunk = set(numbers[start : start + 5_000])
            if own.filter(number__in=chunk).count() < len(chunk):
                return True
        return False

    def _value_questions(self, key):
        """Ask what the texts mean that are no status of the column."""
        allowed = {status for status, _ in MEANT[key]}
        unknown = [
            (text, rows)
            for text, rows in sorted(self.texts[key].items(), key=lambda item: -len(item[1]))
            if st.parse(text) not in allowed and len(text) <= LONGEST_VALUE
        ]
        if not unknown:
            return
        answers = self.params.get("values", {}).get(key, {})
        values = [
            Value(text, len(rows), answers.get(text, ""), _proposed(text, allowed))
            for text, rows in unknown[:VALUES]
        ]
        question = Question(key, self.rules.at[key], sum(len(rows) for _, rows in unknown), values=values)
        question.is_open = any(not value.answer for value in values)
        question.others = len(unknown) - len(values)
        self._sample_values(question)
        yield question

    def _sample_values(self, question):
        """Note the rows whose value has no answer yet, and show the first ones."""
        doubtful = array("L")
        for cell, (rows, line, cells) in self.distinct[question.kind].items():
            text = self.rules.text(cell)
            if not any(value.text == text and not value.answer for value in question.values):
                continue
            doubtful.extend(rows)
            if len(question.examples) < EXAMPLES:
                question.examples.append(Example(line, cell))
                self.samples[line], self.first_row[line] = cells, rows[0]
        self.kinds[question.kind] = question, doubtful

    def _texts(self, key):
        """Return {text: indexes of its rows} of a column."""
        texts = {}
        for cell, (rows, _, _) in self.distinct[key].items():
            if text := self.rules.text(cell):
                texts.setdefault(text, array("L")).extend(rows)
        return texts

    # --- columns that refuse every row, and marks in the table

    def _find_hopeless(self):
        at = self.rules.at
        if "number" in at and self.unread and not self.read and not self.wrong_ends:
            self.hopeless[at["number"]] = "No cell of this column is a number; every row would be refused."
        asked = {question.kind for question in self.open}
        for key, texts in self.texts.items():
            if key not in asked and texts and all(self.rules.values_of({key: text})[1] for text in texts):
                self.hopeless[at[key]] = "No cell fits this field; every row with a value would be refused."
        for key in ("range_end", "range_size"):
            if key in at and self.wrong_ends and not self.read:
                self.hopeless[at[key]] = "No row names a range; every row would be refused."
        if "number" not in at and "id" in at and self.unread and not self.read:
            self.hopeless[at["id"]] = "No cell of this column is an ID; every row would be refused."

    def _mark(self):
        """Note which cells are doubtful, and which rows."""
        doubtful = set()
        for kind, (question, rows) in self.kinds.items():
            doubtful.update(rows)
            for example in question.examples:
                self.marks.setdefault(example.line, {}).setdefault(question.column, kind)
        self.doubtful = sorted(doubtful)


def _proposed(text, allowed):
    status = PROPOSED.get(" ".join(text.replace("_", " ").replace("-", " ").split()).casefold(), "")
    return status if status in allowed else ""


def operator_like(name, user):
    """Return the visible operator whose name shares most words with a file's name, None if several do."""
    words = [word for word in _words(name.rpartition(".")[0] or name) if len(word) >= 4][:6]
    best, found = 0, []
    seen = {}
    for word in words:
        for operator in Operator.objects.visible_to(user).filter(name__icontains=word)[:20]:
            seen[operator.pk] = operator
    for operator in seen.values():
        shared = len(set(_words(operator.name)) & set(words))
        if shared > best:
            best, found = shared, []
        if shared == best and shared:
            found.append(operator)
    return found[0] if len(found) == 1 else None


def _words(text):
    return "".join(char if char.isalnum() else " " for char in text.casefold()).split()

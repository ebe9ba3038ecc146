"""Find numbers in a row among very many free ones, as operations on one integer of a bit each.

The bits of ten thousand numbers with one beginning are a ``Block``. ``FreeRuns`` lays blocks side by side, so
that one shift of the integer compares every number with its successor: ten million numbers are 1.25 MB, and a
search for 20 in a row takes five shifts. Runs go on from one block to the next.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

TAIL = 4  # digits of a number after its prefix
BLOCK = 10**TAIL
GROUP = 200  # bits: whole bytes, and whole hundreds of numbers
GROUP_BYTES = GROUP // 8
GAPS_MAX = 5
COUNT_MAX = 10_000
EXACT_LENGTHS = 255  # lengths of runs that are looked for in steps of twice as many; longer runs are few
MEASURED_ONE_BY_ONE = 1_000  # runs; of more, those of each length are found together
_CHUNK = 2_048  # bytes that are looked at together
_ZEROS = bytes(_CHUNK)
_BITS = [tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256)]


class Block(NamedTuple):
    """The free numbers of ``digits`` digits that begin with ``head``: bit n stands for the tail n.

    Numbers with fewer than five digits have the head "".
    """

    digits: int
    head: str
    bits: int


class Run(NamedTuple):
    """Free numbers in a row: from ``first`` to ``last``, with ``gaps`` others between them.

    They lie in a free run of ``length`` numbers; ``before`` and ``after`` of them stay free.
    """

    first: str
    last: str
    gaps: int
    length: int
    before: int
    after: int


class Found(NamedTuple):
    """The first ``rows`` of the ``runs`` that hold the numbers, at ``places`` beginnings.

    With gaps, ``runs`` counts groups of neighbouring beginnings.
    """

    rows: list[Run]
    runs: int
    places: int


class _Segment(NamedTuple):
    offset: int  # its first bit
    digits: int
    number: int  # the number of that bit


class FreeRuns:
    """The free numbers of ``blocks``, which are sorted by digits and head."""

    def __init__(self, blocks: Iterable[Block]):
        self._segments: list[_Segment] = []
        parts: list[bytes] = []
        size = 0
        for digits, number, data in _joined(blocks):
            kept = data.rstrip(b"\0")
            skipped = (len(kept) - len(kept.lstrip(b"\0"))) // GROUP_BYTES
            kept = kept[skipped * GROUP_BYTES :]
            # An empty group follows, which is longer than any gap, so that no row goes across it.
            length = -(-len(kept) // GROUP_BYTES) * GROUP_BYTES + GROUP_BYTES
            self._segments.append(_Segment(size * 8, digits, number + skipped * GROUP))
            parts.append(kept.ljust(length, b"\0"))
            size += length
        self._data = b"".join(parts)
        self._free = int.from_bytes(self._data, "little")

    @property
    def numbers(self) -> int:
        """How many numbers are free."""
        return self._free.bit_count()

    def longest(self) -> tuple[str, str] | None:
        """Return the first and last number of the longest run, the lowest one of several; None if empty."""
        if not self._free:
            return None
        halves, length = [self._free], 1
        while longer := halves[-1] & halves[-1] >> length:
            halves.append(longer)
            length *= 2
        starts = halves.pop()
        for power in reversed(range(len(halves))):
            if longer := starts & halves[power] >> length:
                starts, length = longer, length + 2**power
        at = (starts & -starts).bit_length() - 1
        return self._number(at), self._number(at + length - 1)

    def first_fit(self, count: int, *, multiple: int = 1, gaps: int = 0, limit: int = 100) -> Found:
        """Find ``count`` free numbers in a row, the lowest first, once in each free run.

        ``multiple`` (1, 10 or 100): the first number is a multiple of it. ``gaps``: how many others may lie
        between them; rows with fewer gaps come first.
        """
        return self._find(count, multiple, gaps, limit, best=False)

    def best_fit(self, count: int, *, multiple: int = 1, gaps: int = 0, limit: int = 100) -> Found:
        """Find them as ``first_fit`` does, those first that break up the shortest free run.

        Within a run they are taken from the end that leaves more in one piece.
        """
        return self._find(count, multiple, gaps, limit, best=True)

    def _find(self, count: int, multiple: int, gaps: int, limit: int, *, best: bool) -> Found:
        rows: list[Run] = []
        runs = places = seen = 0
        for gap, windows in enumerate(self._windows(count, gaps)):
            starts = windows & ~seen
            seen |= starts
            aligned = starts & self._multiples(multiple)
            # The first place of each run; the next one is ``multiple`` higher in the same run.
            same = starts if gap or count >= multiple else _eroded(self._free, count + multiple)
            firsts = aligned & ~((aligned & same) << multiple)
            runs, places = runs + firsts.bit_count(), places + aligned.bit_count()
            if (left := limit - len(rows)) <= 0 or not firsts:
                continue
            if best and not gap:
                rows += islice(self._tightest(starts, count, multiple), left)
                continue
            found = (self._run(at, count + gap, gap) for at in _set_bits(firsts))
            rows += nsmallest(left, found, key=_tightness) if best else islice(found, left)
        return Found(rows, runs, places)

    def _windows(self, count: int, gaps: int) -> Iterator[int]:
        """Yield for each number of gaps from 0 on the beginnings of windows with ``count`` free numbers.

        A window begins with a free number. Those with fewer gaps are among those with more.
        """
        if not gaps:
            yield _eroded(self._free, count)
            return
        everything = (1 << self._free.bit_length()) - 1
        # allowed[j]: the beginnings of windows of ``length`` numbers of which at most j are not free
        allowed, length = [self._free] + [everything] * gaps, 1
        for digit in f"{count:b}"[1:]:
            allowed, length = _doubled(allowed, length), length * 2
            if digit == "1":
                allowed, length = _longer(allowed, self._free >> length), length + 1
        yield allowed[0] & self._free
        for gap in range(1, gaps + 1):
            allowed, length = _longer(allowed, self._free >> length), length + 1
            yield allowed[gap] & self._free

    def _tightest(self, starts: int, count: int, multiple: int) -> Iterator[Run]:
        """Yield a Run in each free run, from the shortest run on and by number; ``starts`` are all places."""
        length, longer = count, starts  # of at least ``length`` free numbers in a row
        while longer and length < count + EXACT_LENGTHS:
            begins = longer & ~(longer << 1)
            if begins.bit_count() <= MEASURED_ONE_BY_ONE:
                break
            step = length - count + 1
            after = longer & longer >> step
            # Those of the runs that are shorter than length + step
            for run_length, begin in self._by_length(begins & ~after, length, step):
                if run := self._placed(begin, run_length, count, multiple):
                    yield run
            length, longer = length + step, after
        begins, ends = longer & ~(longer << 1), longer & ~(longer >> 1)
        pairs = zip(_set_bits(begins), _set_bits(ends), strict=True)
        for run_length, begin in sorted((end - begin + length, begin) for begin, end in pairs):
            if run := self._placed(begin, run_length, count, multiple):
                yield run

    def _by_length(self, begins: int, shortest: int, lengths: int) -> Iterator[tuple[int, int]]:
        """Yield (length, begin), sorted, of runs of ``shortest`` numbers and fewer than ``lengths`` more."""
        if begins.bit_count() <= MEASURED_ONE_BY_ONE:
            size = lengths // 8 + 2  # bytes that hold the rest of a run and where it ends
            measured = ((shortest + self._ones_from(one + shortest, size), one) for one in _set_bits(begins))
            yield from sorted(measured)
            return
        for length in range(shortest, shortest + lengths):
            longer = begins & self._free >> length
            for begin in _set_bits(begins & ~longer):
                yield length, begin
            begins = longer

    def _placed(self, begin: int, length: int, count: int, multiple: int) -> Run | None:
        """Return the Run of ``count`` numbers in the free run that leaves most in one piece, or None."""
        first = -(-begin // multiple) * multiple
        last = (begin + length - count) // multiple * multiple
        if last < first:
            return None
        before, after = first - begin, begin + length - count - last
        # From the front, unless taking from the back leaves a longer piece
        at = first if length - count - before >= length - count - after or before == after else last
        return Run(
            self._number(at),
            self._number(at + count - 1),
            0,
            length,
            at - begin,
            begin + length - count - at,
        )

    def _run(self, at: int, width: int, gaps: int) -> Run:
        before, after = self._ones_below(at), self._ones_from(at + width)
        length = before + width - gaps + after
        return Run(self._number(at), self._number(at + width - 1), gaps, length, before, after)

    def _multiples(self, of: int) -> int:
        if of == 1:
            return -1
        pattern = sum(1 << bit for bit in range(0, GROUP, of)).to_bytes(GROUP_BYTES, "little")
        return int.from_bytes(pattern * (len(self._data) // GROUP_BYTES), "little")

    def _number(self, at: int) -> str:
        segment = self._segments[bisect_right(self._segments, at, key=lambda one: one.offset) - 1]
        return str(segment.number + at - segment.offset).zfill(segment.digits)

    def _ones_from(self, at: int, size: int = _CHUNK) -> int:
        """Return how many ones begin there, looking at ``size`` bytes at a time."""
        count = 0
        while True:
            chunk = int.from_bytes(self._data[at // 8 : at // 8 + size], "little") >> at % 8
            ones = (~chunk & chunk + 1).bit_length() - 1
            count, at = count + ones, at + ones
            if ones < size * 8 - 8:
                return count

    def _ones_below(self, at: int) -> int:
        count = 0
        while at:
            low = max(at // 8 - _CHUNK, 0)
            width = at - low * 8
            chunk = int.from_bytes(self._data[low : at // 8 + 1], "little") & (1 << width) - 1
            zeros = chunk ^ (1 << width) - 1
            ones = width - zeros.bit_length()
            count, at = count + ones, at - ones
            if zeros:
                break
        return count


def _joined(blocks: Iterable[Block]) -> Iterator[tuple[int, int, bytes]]:
    """Yield (digits, number of the first bit, bytes) of blocks of which each follows the one before."""
    pending: list[bytes] = []
    begin = following = (0, 0)
    for digits, head, bits in blocks:
        key = digits, int(head or "0")
        if key != following and pending:
            yield begin[0], begin[1] * BLOCK, b"".join(pending)
            pending = []
        if not pending:
            begin = key
        pending.append(bits.to_bytes(BLOCK // 8, "little"))
        following = digits, key[1] + 1
    if pending:
        yield begin[0], begin[1] * BLOCK, b"".join(pending)


def _eroded(free: int, count: int) -> int:
    """Return the beginnings of ``count`` ones in a row."""
    length = 1
    while length * 2 <= count:
        free &= free >> length
        length *= 2
    return free & free >> count - length if length < count else free


def _doubled(allowed: list[int], length: int) -> list[int]:
    """Return the beginnings of windows of twice the ``length``, by the zeros that they may have."""
    doubled = []
    for most in range(len(allowed)):
        found = 0
        for left in range(most + 1):
            found |= allowed[left] & allowed[most - left] >> length
        doubled.append(found)
    return doubled


def _longer(allowed: list[int], following: int) -> list[int]:
    """Return the beginnings of windows that are longer by the number in ``following``."""
    return [one & following | (allowed[most - 1] if most else 0) for most, one in enumerate(allowed)]


def _set_bits(bits: int) -> Iterator[int]:
    """Yield the positions of the ones, the lowest first."""
    data = bits.to_bytes(-(-bits.bit_length() // 8), "little")
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        if chunk == _ZEROS:  # one comparison in place of a look at each byte
            continue
        for match in re.finditer(rb"[^\0]", chunk):
            base = (start + match.start()) * 8
            for bit in _BITS[chunk[match.start()]]:
                yield base + bit


def _tightness(run: Run) -> tuple[int, int, str]:
    return run.length, len(run.first), run.first

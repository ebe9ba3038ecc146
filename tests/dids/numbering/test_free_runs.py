"""Numbers in a row among free ones: equal to looking at each number."""

import random

import pytest

from dids.numbering import free_runs
from dids.numbering.free_runs import BLOCK, Block, FreeRuns
from tests.examples import scaled


def runs_of(numbers):
    """Return the FreeRuns of ``numbers`` (texts)."""
    bits = {}
    for number in numbers:
        key = len(number), number[:-4]
        bits[key] = bits.get(key, 0) | 1 << int(number[-4:])
    return FreeRuns(Block(*key, free) for key, free in sorted(bits.items()))


def span(low, high):
    return [str(number).zfill(len(low)) for number in range(int(low), int(high) + 1)]


def shown(found):
    return [(run.first, run.last, run.gaps, run.length, run.before, run.after) for run in found.rows]


def test_the_lowest_numbers_of_each_free_run_come_first():
    free = runs_of(span("4400010", "4400019") + span("4400030", "4400032") + span("4400040", "4400044"))
    assert shown(free.first_fit(4)) == [
        ("4400010", "4400013", 0, 10, 0, 6),
        ("4400040", "4400043", 0, 5, 0, 1),
    ]
    assert free.first_fit(4)[1:] == (2, 9)
    assert shown(free.first_fit(4, limit=1)) == [("4400010", "4400013", 0, 10, 0, 6)]


def test_the_best_fit_breaks_up_the_shortest_free_run():
    free = runs_of(span("4400010", "4400019") + span("4400030", "4400032") + span("4400040", "4400044"))
    assert [row[0] for row in shown(free.best_fit(3))] == ["4400030", "4400040", "4400010"]


def test_the_best_fit_leaves_most_in_one_piece():
    free = runs_of(span("4400001", "4400059"))
    assert shown(free.best_fit(10, multiple=10)) == [("4400050", "4400059", 0, 59, 49, 0)]
    assert shown(free.first_fit(10, multiple=10)) == [("4400010", "4400019", 0, 59, 9, 40)]


def test_runs_go_on_from_one_prefix_to_the_next_but_not_to_other_lengths():
    free = runs_of([*span("4409998", "4410001"), "9998", "9999", "10000", "10001"])
    assert shown(free.first_fit(4)) == [("4409998", "4410001", 0, 4, 0, 0)]
    assert free.longest() == ("4409998", "4410001")


def test_numbers_with_leading_zeros_keep_them():
    free = runs_of(span("0098", "0103") + span("00009998", "00010003"))
    assert [row[:2] for row in shown(free.first_fit(6))] == [("0098", "0103"), ("00009998", "00010003")]


def test_numbers_of_twenty_digits_are_counted_exactly():
    free = runs_of(span("1" + "9" * 17 + "99", "2" + "0" * 17 + "02"))
    assert free.longest() == ("1" + "9" * 19, "2" + "0" * 17 + "02")


def test_gaps_are_taken_only_where_there_is_no_row_without():
    free = runs_of([*span("4400010", "4400014"), *span("4400016", "4400018"), *span("4400030", "4400035")])
    assert shown(free.best_fit(6, gaps=1)) == [
        ("4400030", "4400035", 0, 6, 0, 0),
        ("4400010", "4400016", 1, 8, 0, 2),
    ]
    assert free.best_fit(8, gaps=0).rows == []
    assert shown(free.best_fit(8, gaps=3)) == [("4400010", "4400018", 1, 8, 0, 0)]


def test_without_numbers_nothing_is_found():
    free = FreeRuns([])
    assert (free.best_fit(1), free.first_fit(1, gaps=2), free.longest()) == (([], 0, 0), ([], 0, 0), None)


# --- against looking at each number


def looked_for(numbers, count, multiple, gaps):
    """Return {(first, last, gaps)}: every row with the fewest gaps for its first number."""
    found = set()
    for first in numbers:
        if int(first) % multiple:
            continue
        row, last, missing = 1, int(first), 0
        while row < count and missing <= gaps:
            last += 1
            text = str(last).zfill(len(first))
            if len(text) > len(first):
                break
            row, missing = (row + 1, missing) if text in numbers else (row, missing + 1)
        if row == count and missing <= gaps:
            found.add((first, str(last).zfill(len(first)), missing))
    return found


def piece(numbers, number, step):
    """Return how many free numbers follow ``number`` in the direction of ``step``."""
    count, at = 0, int(number) + step
    while str(at).zfill(len(number)) in numbers and at >= 0:
        count, at = count + 1, at + step
    return count


def random_numbers(dice):
    """Return numbers of several lengths around the borders of blocks and groups, in pieces of any size."""
    numbers = set()
    for _ in range(dice.randint(1, 12)):
        base = dice.choice([BLOCK, 3 * BLOCK, 4 * BLOCK, 44 * BLOCK, 200, 9_000, 3 * BLOCK - 200])
        low = max(base + dice.randint(-60, 60), 0)
        digits = dice.choice([5, 6, 6, 7])
        length = dice.choice([1, 2, 5, 20, 50, 300])
        numbers.update(
            str(n).zfill(digits) for n in range(low, low + length) if dice.random() < 0.9 and n < 10**digits
        )
    return numbers


@pytest.mark.parametrize("seed", range(scaled(200)))
def test_what_is_found_equals_looking_at_each_number(seed, monkeypatch):
    dice = random.Random(seed)
    monkeypatch.setattr(free_runs, "MEASURED_ONE_BY_ONE", dice.choice([0, 2, 1_000]))
    monkeypatch.setattr(free_runs, "EXACT_LENGTHS", dice.choice([1, 15, 255]))
    numbers, count = random_numbers(dice), dice.choice([1, 2, 3, 7, 10, 20])
    multiple, gaps = dice.choice([1, 1, 10, 100]), dice.choice([0, 0, 1, 2, 5])
    free = runs_of(numbers)
    wanted = looked_for(numbers, count, multiple, gaps)
    for fit in (free.first_fit, free.best_fit):
        found = fit(count, multiple=multiple, gaps=gaps, limit=10**6)
        rows = {(run.first, run.last, run.gaps) for run in found.rows}
        assert rows <= wanted and bool(rows) == bool(wanted)
        assert (found.places, found.runs) == (len(wanted), len(found.rows))
        assert {row[2] for row in rows} == {row[2] for row in wanted}
        for run in found.rows:
            assert run.before == piece(numbers, run.first, -1) and run.after == piece(numbers, run.last, 1)
            assert run.length == count + run.before + run.after
    in_order = [(run.gaps, len(run.first), run.first) for run in free.first_fit(count, gaps=gaps).rows]
    assert in_order == sorted(in_order)
    tightest = [
        (run.gaps, run.length, len(run.first), run.first)
        for run in free.best_fit(count, multiple=multiple, gaps=gaps).rows
    ]
    assert tightest == sorted(tightest)
    if numbers:
        first, last = free.longest()
        assert int(last) - int(first) == max(piece(numbers, number, 1) for number in numbers)
        assert piece(numbers, first, 1) == int(last) - int(first)

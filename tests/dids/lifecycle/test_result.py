"""The result of a write, in counts and in words."""

import pytest

from dids.lifecycle.result import SAMPLE, Refusal, Result


@pytest.mark.parametrize(
    ("count", "numbers", "named", "sentence"),
    [
        (1, ["111"], "111", "1 refused (111): Active."),
        (5, ["111", "112"], "111, 112 and 3 more", "5 refused (111, 112 and 3 more): Active."),
        (1_002, ["111"], "111 and 1,001 more", "1,002 refused (111 and 1,001 more): Active."),
        (3, [], "", "3 refused: Active."),
    ],
)
def test_a_refusal_names_its_first_numbers(count, numbers, named, sentence):
    refusal = Refusal("active", "Active", count, numbers)
    assert refusal.named == named
    assert str(refusal) == sentence


def test_refusals_of_one_cause_are_added_up_and_their_first_numbers_are_kept():
    result = Result()
    result.refuse("active", "Active", 3, ["1", "2", "3"])
    result.refuse("active", "Active", 4, iter(["4", "5", "6", "7"]))
    result.refuse("hold", "on Hold", 2)
    result.refuse("full", "full", 3, ["8", "9", "10"], most=2)
    assert result.refusals == {
        "active": Refusal("active", "Active", 7, ["1", "2", "3", "4", "5", "6", "7"]),
        "hold": Refusal("hold", "on Hold", 2, []),
        "full": Refusal("full", "full", 3, ["8", "9"]),
    }
    assert (result.refused, result.selected) == (12, 12)


def test_five_refused_numbers_are_named_and_stored():
    result = Result()
    result.refuse("active", "Active", 7, map(str, range(1, 8)))
    assert SAMPLE == 5
    assert str(result.refusals["active"]) == "7 refused (1, 2, 3, 4, 5 and 2 more): Active."
    assert result.as_json()["refusals"]["active"]["numbers"] == ["1", "2", "3", "4", "5"]


def test_keeping_fewer_numbers_later_removes_none():
    result = Result()
    result.refuse("active", "Active", 3, ["1", "2", "3"])
    result.refuse("active", "Active", 1, ["4"], most=2)
    assert result.refusals["active"] == Refusal("active", "Active", 4, ["1", "2", "3"])


def test_results_of_parts_add_up():
    total = Result(done=2, unchanged=1)
    total.refuse("active", "Active", 1, ["1"])
    part = Result(done=10, unchanged=20, change=7)
    part.refuse("active", "Active", 2, ["2", "3"])
    part.refuse("hold", "on Hold", 1, ["4"])
    total.add(part)
    assert (total.done, total.unchanged, total.refused, total.selected) == (12, 21, 4, 37)
    assert total.refusals["active"] == Refusal("active", "Active", 3, ["1", "2", "3"])
    assert total.refusals["hold"] == Refusal("hold", "on Hold", 1, ["4"])


def test_a_result_is_stored_and_restored_without_its_change():
    result = Result(done=2, unchanged=1, change=7)
    result.refuse("active", "Active", 6, ["1", "2"])
    stored = result.as_json()
    assert stored == {
        "done": 2,
        "unchanged": 1,
        "refusals": {
            "active": {
                "code": "active",
                "why": "Active",
                "count": 6,
                "numbers": ["1", "2"],
                "stored": "",
                "listed": 0,
            }
        },
    }
    restored = Result.from_json(stored)
    assert restored == result
    assert (restored.change, result.change) == (None, 7)


def test_an_empty_result_is_restored_from_nothing():
    assert Result.from_json({}) == Result(0, 0, {})


@pytest.mark.parametrize(
    ("done", "unchanged", "sentence"),
    [
        (0, 0, "No number changed."),
        (1, 0, "1 number changed."),
        (2, 1, "2 numbers changed, 1 unchanged."),
        (1_200, 3_400, "1,200 numbers changed, 3,400 unchanged."),
    ],
)
def test_the_sentence_counts_what_was_written_and_what_stayed(done, unchanged, sentence):
    assert Result(done, unchanged).sentence() == sentence


def test_the_sentence_ends_with_the_refusals():
    result = Result(done=1)
    result.refuse("active", "Active, in use", 2, ["111", "112"])
    result.refuse("hold", "on Hold", 1, ["113"])
    assert result.sentence("deleted") == (
        "1 number deleted. 2 refused (111, 112): Active, in use. 1 refused (113): on Hold."
    )

"""The table of moves itself, and statuses as people write them."""

import pytest

from dids.lifecycle import statuses as status


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("In Stock", "instock"),
        ("instock", "instock"),
        ("in_stock", "instock"),
        ("IN-STOCK", "instock"),
        ("On Hold", "hold"),
        ("hold", "hold"),
        (" Reserved ", "reserved"),
        ("ACTIVE", "active"),
        ("blocked", "blocked"),
        ("Archived", "archive"),
        ("sold", None),
        ("on", None),
        ("", None),
    ],
)
def test_a_status_is_read_in_any_writing(written, key):
    assert status.parse(written) == key


def test_every_illegal_move_has_a_sentence():
    for source in status.LABELS:
        for target in [*status.LABELS, status.DELETED]:
            if source != target and (source, target) not in status.MOVES:
                assert len(status.why_not(source, target)) > 20


def test_every_right_of_the_table_has_words():
    for move in status.MOVES.values():
        assert status.RIGHT_WORDS[move.right] in status.lacks_right(move.right)

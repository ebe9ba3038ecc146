"""The table of moves, the sentence of each refused move, and the spellings of a status."""

import pytest

from dids.lifecycle import statuses as st

# Each cell: the permission of the move without "_did", "*" for moves that no edit makes, "-" for none.
MOVES = """
            reserved instock  active  blocked hold archive  deleted
reserved    -        change   -       -       -    change   delete
instock     change   -        assign* -       -    change   delete
active      -        -        -       block   hold -        -
blocked     -        -        block   -       hold -        -
hold        end_hold end_hold assign* -       -    end_hold -
archive     restore  restore  -       -       -    -        delete
"""
TO_STOCK = "set to In Stock first, then pick them on the client’s DIDs tab"
NO_CLIENT = "not used by any client; only Active"
IN_USE = "in use by a client; put on Hold first and wait for the hold to end"
REFUSED = {
    ("reserved", "active"): f"Reserved; {TO_STOCK}",
    ("reserved", "blocked"): f"Reserved, {NO_CLIENT} numbers can be blocked",
    ("reserved", "hold"): f"Reserved, {NO_CLIENT} and Blocked numbers go on Hold",
    ("instock", "active"): "numbers become Active only when assigned; pick them on the client’s DIDs tab",
    ("instock", "blocked"): f"In Stock, {NO_CLIENT} numbers can be blocked",
    ("instock", "hold"): f"In Stock, {NO_CLIENT} and Blocked numbers go on Hold",
    ("active", "reserved"): f"Active, {IN_USE}",
    ("active", "instock"): f"Active, {IN_USE}",
    ("active", "archive"): f"Active, {IN_USE}",
    ("active", "deleted"): f"Active, {IN_USE}",
    ("blocked", "reserved"): f"Blocked, {IN_USE}",
    ("blocked", "instock"): f"Blocked, {IN_USE}",
    ("blocked", "active"): "Blocked, so already in use; unblock instead",
    ("blocked", "archive"): f"Blocked, {IN_USE}",
    ("blocked", "deleted"): f"Blocked, {IN_USE}",
    ("hold", "active"): "on Hold; take them back on the client’s DIDs tab, or end the hold first",
    ("hold", "blocked"): "on Hold, so already unreachable; only Active numbers can be blocked",
    ("hold", "deleted"): "on Hold and still listed with the last client; end the hold first, then delete",
    ("archive", "active"): f"Archive; {TO_STOCK}",
    ("archive", "blocked"): f"Archive, {NO_CLIENT} numbers can be blocked",
    ("archive", "hold"): f"Archive, {NO_CLIENT} and Blocked numbers go on Hold",
}
RIGHTS = {
    "change_did": "you don’t have the right to edit numbers; ask a supervisor",
    "restore_did": "you don’t have the right to restore numbers from the archive; ask a supervisor",
    "assign_did": "you don’t have the right to assign numbers to clients; ask a supervisor",
    "block_did": "you don’t have the right to block and unblock numbers; ask a supervisor",
    "hold_did": "you don’t have the right to put numbers on hold; ask a supervisor",
    "end_hold_did": "you don’t have the right to end a hold; ask a supervisor",
    "delete_did": "you don’t have the right to delete numbers; ask a supervisor",
}


def expected_moves():
    head, *rows = (line.split() for line in MOVES.strip().splitlines())
    for source, *cells in rows:
        for target, cell in zip(head, cells, strict=True):
            if cell != "-":
                yield (source, target), (f"{cell.rstrip('*')}_did", not cell.endswith("*"))


def test_the_table_of_moves_is_complete():
    moves = {key: (move.right, move.edit) for key, move in st.MOVES.items()}
    assert moves == dict(expected_moves())
    assert all((move.source, move.target) == key for key, move in st.MOVES.items())


@pytest.mark.parametrize(("source", "target"), REFUSED)
def test_a_refused_move_says_why_and_what_to_do(source, target):
    assert st.why_not(source, target) == REFUSED[source, target]


def test_every_move_that_an_edit_cannot_make_has_a_sentence():
    refused = {
        (source, target)
        for source in st.LABELS
        for target in [*st.LABELS, st.DELETED]
        if source != target and not ((source, target) in st.MOVES and st.MOVES[source, target].edit)
    }
    assert refused | {("blocked", "active")} == set(REFUSED)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_is_named(right):
    assert st.lacks_right(right) == RIGHTS[right]


def test_every_right_of_the_table_has_words():
    assert {move.right for move in st.MOVES.values()} == set(RIGHTS) == set(st.RIGHT_WORDS)


def test_statuses_are_grouped_by_what_numbers_in_them_have():
    assert st.LABELS == {
        "reserved": "Reserved",
        "instock": "In Stock",
        "active": "Active",
        "blocked": "Blocked",
        "hold": "Hold",
        "archive": "Archive",
    }
    assert list(st.LABELS.items()) == st.CHOICES
    assert st.FREE_CHOICES == [("reserved", "Reserved"), ("instock", "In Stock"), ("archive", "Archive")]
    assert set(st.HELD) == set(st.LABELS) - set(st.FREE) == {"active", "blocked", "hold"}
    assert st.IN_USE == ("active", "blocked")
    assert st.RARE == ("blocked", "hold", "archive")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("In Stock", "instock"),
        ("instock", "instock"),
        ("in_stock", "instock"),
        ("IN-STOCK", "instock"),
        ("stock", "instock"),
        ("On Hold", "hold"),
        ("hold", "hold"),
        (" Reserved ", "reserved"),
        ("reserve", "reserved"),
        ("ACTIVE", "active"),
        ("blocked", "blocked"),
        ("Archived", "archive"),
        ("archive", "archive"),
        ("sold", None),
        ("on", None),
        ("on active", None),
        ("", None),
    ],
)
def test_a_status_is_read_in_any_spelling(written, key):
    assert st.parse(written) == key

"""The six statuses and the table of legal moves between them.

Every write reads this table. No other module states which moves are legal, which permission a move
needs, or why it is refused.
"""

from dataclasses import dataclass

RESERVED = "reserved"
INSTOCK = "instock"
ACTIVE = "active"
BLOCKED = "blocked"
HOLD = "hold"
ARCHIVE = "archive"
DELETED = "deleted"  # not a status, only the target of a move

LABELS = {
    RESERVED: "Reserved",
    INSTOCK: "In Stock",
    ACTIVE: "Active",
    BLOCKED: "Blocked",
    HOLD: "Hold",
    ARCHIVE: "Archive",
}
CHOICES = list(LABELS.items())
FREE = (RESERVED, INSTOCK, ARCHIVE)  # no client; allowed for new numbers and as After Hold
FREE_CHOICES = [(key, LABELS[key]) for key in FREE]
HELD = (ACTIVE, BLOCKED, HOLD)  # with an account and a client package
RARE = (BLOCKED, HOLD, ARCHIVE)  # few numbers at a time
TIMED = (RESERVED, HOLD)  # may end by the clock: with a reservation, with a hold
IN_USE = (ACTIVE, BLOCKED)  # counts towards the DID limit of the package
# To these the system alone returns numbers from Hold: what the stop of their package found.
RESUMED = IN_USE
RESUMED_CHOICES = [(key, LABELS[key]) for key in RESUMED]


@dataclass(frozen=True)
class Move:
    """A legal move. ``right`` is the permission of the app ``dids`` that it needs.

    ``edit``: whether an edit or mass edit can make it. The other moves need a client package; they are
    made on the client's DIDs tab or by an import with client columns.
    """

    source: str
    target: str
    right: str
    edit: bool = True


MOVES = {
    (move.source, move.target): move
    for move in (
        Move(RESERVED, INSTOCK, "change_did"),
        Move(INSTOCK, RESERVED, "change_did"),
        Move(RESERVED, ARCHIVE, "change_did"),
        Move(INSTOCK, ARCHIVE, "change_did"),
        Move(ARCHIVE, RESERVED, "restore_did"),
        Move(ARCHIVE, INSTOCK, "restore_did"),
        Move(INSTOCK, ACTIVE, "assign_did", edit=False),
        Move(ACTIVE, BLOCKED, "block_did"),
        Move(BLOCKED, ACTIVE, "block_did"),
        Move(ACTIVE, HOLD, "hold_did"),
        Move(BLOCKED, HOLD, "hold_did"),
        Move(HOLD, ACTIVE, "assign_did", edit=False),
        Move(HOLD, RESERVED, "end_hold_did"),
        Move(HOLD, INSTOCK, "end_hold_did"),
        Move(HOLD, ARCHIVE, "end_hold_did"),
        Move(RESERVED, DELETED, "delete_did"),
        Move(INSTOCK, DELETED, "delete_did"),
        Move(ARCHIVE, DELETED, "delete_did"),
    )
}

RIGHT_WORDS = {
    "change_did": "edit numbers",
    "restore_did": "restore numbers from the archive",
    "assign_did": "assign numbers to clients",
    "block_did": "block and unblock numbers",
    "hold_did": "put numbers on hold",
    "end_hold_did": "end a hold",
    "delete_did": "delete numbers",
}

# Whoever has one of these permissions can edit some numbers.
EDIT_RIGHTS = frozenset(
    f"dids.{move.right}" for move in MOVES.values() if move.edit and move.target != DELETED
)

_ALIASES = {"onhold": HOLD, "archived": ARCHIVE, "reserve": RESERVED, "stock": INSTOCK}


# Why numbers in these statuses can't be put into a reservation, and what to do instead.
NOT_TO_BE_RESERVED = {
    RESERVED: "Reserved without a reservation, so someone keeps them; set to In Stock first",
    ACTIVE: "Active, in use by a client; only In Stock numbers can be reserved",
    BLOCKED: "Blocked, in use by a client; only In Stock numbers can be reserved",
    HOLD: "on Hold after use by a client; wait for the hold to end, or end it first",
    ARCHIVE: "in the archive; restore to In Stock first",
}


def parse(text: str) -> str | None:
    """Return the status that ``text`` names in any spelling ("In Stock", "in_stock", "On Hold"), or None."""
    key = "".join(char for char in text.casefold() if char.isalnum())
    return key if key in LABELS else _ALIASES.get(key)


def why_not(source: str, target: str) -> str:
    """Return why an edit can't move numbers from ``source`` to ``target``, and what to do instead."""
    label = LABELS[source]
    if target == DELETED and source == HOLD:
        return "on Hold and still listed with the last client; end the hold first, then delete"
    if target == ACTIVE:
        return {
            INSTOCK: "numbers become Active only when assigned; pick them on the client’s DIDs tab",
            HOLD: "on Hold; take them back on the client’s DIDs tab, or end the hold first",
            BLOCKED: "Blocked, so already in use; unblock instead",
        }.get(source, f"{label}; set to In Stock first, then pick them on the client’s DIDs tab")
    if target == BLOCKED and source == HOLD:
        return "on Hold, so already unreachable; only Active numbers can be blocked"
    if target == BLOCKED:
        return f"{label}, not used by any client; only Active numbers can be blocked"
    if target == HOLD:
        return f"{label}, not used by any client; only Active and Blocked numbers go on Hold"
    return f"{label}, in use by a client; put on Hold first and wait for the hold to end"


def lacks_right(right: str) -> str:
    """Return the refusal of a legal move for a user without the permission ``right``."""
    return f"you don’t have the right to {RIGHT_WORDS[right]}; ask a supervisor"

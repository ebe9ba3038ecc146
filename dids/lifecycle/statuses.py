"""The six statuses and the only table of moves between them. No ORM.

Every write asks this table (see ``DIDQuerySet``); nothing else knows which move is legal, which
right it takes, or what is said of one that is refused.
"""

from dataclasses import dataclass

RESERVED = "reserved"
INSTOCK = "instock"
ACTIVE = "active"
BLOCKED = "blocked"
HOLD = "hold"
ARCHIVE = "archive"
DELETED = "deleted"  # not a status: where a number goes that is deleted

LABELS = {
    RESERVED: "Reserved",
    INSTOCK: "In Stock",
    ACTIVE: "Active",
    BLOCKED: "Blocked",
    HOLD: "Hold",
    ARCHIVE: "Archive",
}
CHOICES = list(LABELS.items())
FREE = (RESERVED, INSTOCK, ARCHIVE)  # no client; what new numbers start as and After Hold may be
FREE_CHOICES = [(key, LABELS[key]) for key in FREE]
HELD = (ACTIVE, BLOCKED, HOLD)  # has client, account and client package
RARE = (BLOCKED, HOLD, ARCHIVE)  # what few numbers are at a time
IN_USE = (ACTIVE, BLOCKED)  # counts towards the DID limit of the package


@dataclass(frozen=True)
class Move:
    """A legal move. ``right``: the permission of app ``dids`` that a person needs for it.

    ``edit``: an edit or a mass edit may make it; the others need a client package and are made on
    the client's DIDs tab or by an import with client columns.
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

_TO_HOLD_FIRST = "in use by a client; put on Hold first and wait for the hold to end"


def parse(text):
    """The key of a status in any writing ("In Stock", "in_stock", "On Hold"), or None."""
    key = "".join(c for c in text.casefold() if c.isalnum())
    key = key.removeprefix("on") if key == "onhold" else key
    return key if key in LABELS else {"archived": ARCHIVE, "reserve": RESERVED, "stock": INSTOCK}.get(key)


def why_not(source, target):
    """Why numbers of status ``source`` can't go to ``target`` by an edit, and what to do instead."""
    here = LABELS[source]
    if target == DELETED and source == HOLD:
        return "on Hold and still listed with the last client; end the hold first, then delete"
    if target == ACTIVE:
        if source == INSTOCK:
            return "numbers become Active only when assigned; pick them on the client's DIDs tab"
        if source == HOLD:
            return "on Hold; take them back on the client's DIDs tab, or end the hold first"
        return f"{here}; set to In Stock first, then pick them on the client's DIDs tab"
    if target == BLOCKED:
        if source == HOLD:
            return "on Hold, so already unreachable; only Active numbers can be blocked"
        return f"{here}, not used by any client; only Active numbers can be blocked"
    if target == HOLD:
        return f"{here}, not used by any client; only Active and Blocked numbers go on Hold"
    return f"{here}, {_TO_HOLD_FIRST}"


def lacks_right(right):
    """What is said when the move is legal but the person lacks the right for it."""
    return f"you don't have the right to {RIGHT_WORDS[right]}; ask a supervisor"

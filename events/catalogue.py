"""The types of events, and what each one tells."""

TYPES = {
    "did.created": "Numbers were created",
    "did.edited": "Numbers were edited, or moved between Reserved, In Stock and Archive",
    "did.deleted": "Numbers were deleted",
    "did.assigned": "Numbers went into use: assigned to an account, or taken back from Hold",
    "did.blocked": "Numbers were blocked",
    "did.unblocked": "Blocked numbers became Active again",
    "did.held": "Numbers went on Hold",
    "did.released": "Numbers left their client",
    "did.reserved": "Numbers were put into a reservation",
    "did.unreserved": "Numbers left their reservation: it ended, or they were moved",
    "client_package.activated": "Packages of clients were given or switched on",
    "client_package.deactivated": "Packages of clients were switched off or taken away",
    "client_package.ended": "Packages of clients reached their end",
    "import.finished": "An import was finished",
    "job.failed": "A job failed",
    "stock.low": "The stock of an operator, a tag or a prefix fell below its level",
}
TEST = "webhook.test"  # sent from the page of an endpoint, and not subscribed to


def in_short(types):
    """Return types in short: "did.*, job.failed" if all that begin with "did." are included."""
    families = {}
    for name in TYPES:
        families.setdefault(name.partition(".")[0], []).append(name)
    parts = []
    for family, names in families.items():
        chosen = [name for name in names if name in types]
        parts += [f"{family}.*"] if len(names) > 1 and chosen == names else chosen
    return ", ".join(parts)

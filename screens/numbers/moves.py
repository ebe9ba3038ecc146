"""The moves of a number on its page: each with its consequence, and what is impossible with its reason."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.urls import reverse

from didmgmt import clock
from didmgmt.text import count_noun
from dids.history.explain import format_day
from dids.job_kinds import CLIENT_MOVES
from dids.lifecycle import holds
from dids.lifecycle import statuses as st

# {target: (label, icon, consequence)} of moves between the statuses without a client
_FREE_MOVES = {
    st.RESERVED: ("Reserve", "lock", "Not for sale until it is put in stock."),
    st.INSTOCK: ("Put in stock", "inbox", "For sale: it can be assigned to a client."),
    st.ARCHIVE: ("Archive", "file-text", "Not used any more, until it is restored."),
}
_TARGETS = {
    st.ACTIVE: "Assign",
    st.BLOCKED: "Block",
    st.HOLD: "Hold",
    st.RESERVED: "Reserve",
    st.INSTOCK: "Put in stock",
    st.ARCHIVE: "Archive",
    st.DELETED: "Delete",
}


@dataclass
class Move:
    """A button with its ``consequence``, a sentence.

    It posts ``fields`` to ``url``, or opens the dialog at ``url`` if ``is_dialog``. ``others``: label and
    fields of buttons for other targets of the same move.
    """

    label: str
    icon: str
    consequence: str
    url: str
    fields: dict = field(default_factory=dict)
    is_dialog: bool = False
    others: list = field(default_factory=list)


@dataclass
class Moves:
    """``possible``: a list of ``Move``. ``impossible``: [(names of moves, why not)]."""

    possible: list
    impossible: list


def moves_of(did, user, now=None):
    """Return the ``Moves`` of a number from ``for_page`` with hold days; one query while it is on Hold."""
    now, status = now or clock.now(), did.status_now
    in_use = did.client_package.numbers_in_use() if status == st.HOLD else 0
    possible, impossible = [], []
    for target, name in _TARGETS.items():
        move = st.MOVES.get((status, target))
        if target == status:
            continue
        if status == st.HOLD and target in st.FREE and target != did.after_hold:
            continue  # the button that ends the hold offers them
        why = _why_not(did, user, move, target, in_use, now)
        if why:
            impossible.append((_name(status, target, name), why))
        else:
            possible.append(_move(did, target, in_use, now))
    return Moves(possible, _grouped(impossible))


def _name(status, target, name):
    if target == st.ACTIVE and status in st.HELD:
        return CLIENT_MOVES["activate"].label
    return CLIENT_MOVES["release"].label if status == st.HOLD and target in st.FREE else name


def _grouped(impossible):
    """Join the moves that are impossible for the same reason."""
    reasons = {}
    for name, why in impossible:
        reasons.setdefault(why, []).append(name)
    return [(", ".join(names), why) for why, names in reasons.items()]


def _why_not(did, user, move, target, in_use, now):
    """Return why the number can't go to ``target`` now, and what to do instead; "" when it can."""
    status = did.status_now
    if move is None:
        if status in st.IN_USE:
            return f"{did.client_name} uses the number. Put it on Hold first."
        if status == st.HOLD:
            return f"The number is on Hold for {did.client_name}. End the hold first."
        if target == st.ACTIVE:
            return "Only numbers In Stock can be assigned. Put it in stock first."
        return "No client uses the number."
    if not user.has_perm(f"dids.{move.right}"):
        why = st.lacks_right(move.right)
        return f"{why[:1].upper()}{why[1:]}."
    if target == st.ACTIVE and did.holder:
        if not did.client_package.is_running(now):
            return f"Package {did.client_package} is not active. Activate it first."
        if status == st.HOLD and in_use >= did.client_package.package.did_limit:
            limit = did.client_package.package.did_limit
            return (
                f"Package {did.client_package} is full: {limit:,} of {limit:,} places are taken."
                " Raise its DID limit or put another number on Hold."
            )
    return ""


def _move(did, target, in_use, now):
    status = did.status_now
    if target == st.DELETED:
        url = f"{reverse('dids:delete')}?ids={did.pk}"
        return Move("Delete…", "trash", "Leaves the inventory. Its history stays.", url, is_dialog=True)
    if did.holder:
        return _client_move(did, target, in_use, now)
    if target == st.ACTIVE:
        url = f"{reverse('dids:assign')}?ids={did.pk}"
        consequence = "To a client, account and package that you choose. Reachable at once."
        return Move("Assign…", "user", consequence, url, is_dialog=True)
    if target == st.RESERVED and status == st.INSTOCK:
        url = f"{reverse('reservations:new')}?ids={did.pk}"
        consequence = "For a client or a name, until a time that you choose."
        return Move("Reserve…", "lock", consequence, url, is_dialog=True)
    label, icon, consequence = _FREE_MOVES[target]
    if status == st.ARCHIVE:
        label = f"Restore as {st.LABELS[target]}"
    return Move(label, icon, consequence, reverse("dids:detail", args=[did.pk]), {"status": target})


def _client_move(did, target, in_use, now):
    """Return a move of a number that a client has; ``in_use``: places taken of its package, for Hold."""
    status, client, package = did.status_now, did.client_name, did.client_package.package
    limit = package.did_limit
    if target == st.BLOCKED:
        name = "block"
        consequence = (
            f"Unreachable at once. {client} keeps the number, and it still takes a place of {package.name}."
        )
    elif target == st.ACTIVE and status == st.BLOCKED:
        name, consequence = "activate", f"Reachable at once, at account {did.account}."
    elif target == st.ACTIVE:
        name = "activate"
        consequence = (
            f"Back to {client}, account {did.account}, reachable at once."
            f" Takes a place of {package.name}: {in_use + 1:,} of {limit:,}."
        )
    elif target == st.HOLD:
        name = "hold"
        at_once = "Unreachable at once." if status == st.ACTIVE else "It stays unreachable."
        consequence = f"{at_once} {_until(did, client, now)} Frees a place of {package.name}."
    else:
        return _end_hold(did, client, now)
    about = CLIENT_MOVES[name]
    url = reverse(f"clients:{name}_dids", args=[did.holder.client_id])
    return Move(about.label, about.icon, consequence, url, {"ids": did.pk, "page": "number"})


def _until(did, client, now):
    ends, then = holds.end(now, did.hold_days_now), did.get_after_hold_display()
    if ends is None:
        return f"With 0 hold days it becomes {then} at once, and {client} can’t have it back."
    return f"{client} can have it back until {format_day(ends, now)}; then it becomes {then}."


def _end_hold(did, client, now):
    left = did.hold_until - now
    early = f"{count_noun(left.days, 'day')} early" if left >= timedelta(days=1) else "less than a day early"
    others = [
        (f"End as {st.LABELS[target]}", {"status": target}) for target in st.FREE if target != did.after_hold
    ]
    return Move(
        CLIENT_MOVES["release"].label,
        CLIENT_MOVES["release"].icon,
        f"Becomes {did.get_after_hold_display()} now, {early}. {client} can no longer have it back.",
        reverse("dids:detail", args=[did.pk]),
        {"status": did.after_hold},
        others=others,
    )

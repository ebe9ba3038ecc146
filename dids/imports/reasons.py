"""Reasons for refusing rows of an import: a sentence for each code that validation gives.

A code that names a move ("instock>blocked", "hold>active:right") or a permission ("right:block_did") gets
its sentence from ``dids.lifecycle.statuses``; "flaw" brings its own.
"""

import json

from didmgmt import clock
from didmgmt.text import count_noun
from dids.imports.names import LABELS
from dids.lifecycle import statuses as st
from dids.models import DID, Release
from dids.models.ageing import day_of, for_sales
from dids.numbering.normalise import ALLOW_LONG, TOO_LONG
from operators.models import Operator

# code: (the column at fault, what is wrong, what to do); ``_texts`` fills in what is wrong.
REASONS = {
    "long": ("number", f"I{TOO_LONG[1:]}.", ALLOW_LONG),
    "duplicate": ("number", "Duplicate of line {first_line}, which is used.", ""),
    "outside": ("number", "This number already exists under another reseller.", "Leave the row out."),
    "exists": ("number", "This number exists already.", "Leave the row out, or edit the number."),
    "missing": ("number", "This number is not in the inventory.", "Correct it, or create it first."),
    "no id": ("id", "No number has this ID.", "To create numbers, choose the column that holds the DID."),
    "other id": (
        "id",
        "ID {ref} is {id_number}, this row says {number}.",
        "Correct one of them, or leave the ID column out.",
    ),
    "changed": (
        "number",
        "Someone changed this number after the check.",
        "Import the row again to check it as it is now.",
    ),
    "created": (
        "number",
        "Someone created this number after the check.",
        "Import the row again to check it as it is now.",
    ),
    "may not add": (
        "number",
        "The number is new and you don’t have the right to create numbers.",
        "Ask a supervisor.",
    ),
    "may not change": ("number", f"The number differs and {st.lacks_right('change_did')}.", ""),
    "reseller unknown": (
        "reseller",
        "There is no reseller with this name.",
        "Correct it, or choose to create missing records.",
    ),
    "reseller hidden": (
        "reseller",
        "You work for {own_reseller} and can’t see a reseller with this name.",
        "Leave the column out.",
    ),
    "may not add reseller": (
        "reseller",
        "There is no reseller with this name and you don’t have the right to create resellers.",
        "Ask an administrator.",
    ),
    "other reseller": (
        "reseller",
        "The number’s operator belongs to another reseller.",
        "Name the operator that the number moves to.",
    ),
    "no operator": (
        "operator",
        "A new number needs an operator.",
        "Name it in the file, or choose a default in the first step.",
    ),
    "operator unknown": (
        "operator",
        "{reseller} has no operator with this name.",
        "Correct it, or choose to create missing records.",
    ),
    "operator ambiguous": (
        "operator",
        "Several resellers have an operator with this name: {resellers}.",
        "Name the reseller in the Reseller column.",
    ),
    "operator without reseller": (
        "operator",
        "There is no operator with this name.",
        "To create it, name its reseller in the Reseller column.",
    ),
    "may not add operator": (
        "operator",
        "{reseller} has no operator with this name and you don’t have the right to create operators.",
        "Ask an administrator.",
    ),
    "operator of another reseller": (
        "operator",
        "A number that has a client can only move to an operator of the same reseller.",
        "Correct the operator.",
    ),
    "reserved at another reseller": (
        "operator",
        "A number in a reservation can only move to an operator of the same reseller.",
        "End the reservation first, or correct the operator.",
    ),
    "package of another reseller": (
        "package",
        "The package belongs to another reseller than the number’s operator.",
        "Choose a package of the operator’s reseller.",
    ),
    "client unknown": (
        "client",
        "{reseller} has no client with this name.",
        "Correct it, or choose to create missing records.",
    ),
    "client ambiguous": (
        "client",
        "Several resellers have a client with this name.",
        "Name the reseller in the Reseller column or the operator in the Operator column.",
    ),
    "client without reseller": (
        "client",
        "There is no client with this name.",
        "To create it, name its reseller in the Reseller column or an operator in the Operator column.",
    ),
    "may not add client": (
        "client",
        "{reseller} has no client with this name and you don’t have the right to create clients.",
        "Ask a supervisor.",
    ),
    "client closed": ("client", "This client is closed.", "Choose another client or reopen it."),
    "account without client": ("account", "An account belongs to a client.", "Fill in the client."),
    "account unknown": (
        "account",
        "{client} has no account with this name.",
        "Correct it, or choose to create missing records.",
    ),
    "may not add account": (
        "account",
        "{client} has no account with this name and you don’t have the right to create accounts.",
        "Ask a supervisor.",
    ),
    "package without client": ("package", "A package needs a client.", "Fill in the client and the account."),
    "package unknown": (
        "package",
        "{reseller} has no package with this name.",
        "Correct it, or choose to create missing records.",
    ),
    "may not add package": (
        "package",
        "{reseller} has no package with this name and you don’t have the right to create packages.",
        "Ask an administrator.",
    ),
    "package archived": (
        "package",
        "This package is archived and can’t be given to clients.",
        "Choose another package or restore it.",
    ),
    "package not given": (
        "package",
        "{client} does not have this package.",
        "Give it to the client, or choose to create missing records.",
    ),
    "may not give package": (
        "package",
        "{client} does not have this package and you don’t have the right to give packages.",
        "Ask a supervisor.",
    ),
    "package off": ("package", "The client’s package is not active.", "Activate it first."),
    "package full": (
        "package",
        "Package {package} of {client} has {places}.",
        "Raise its DID limit, put numbers on Hold, or leave rows out.",
    ),
    "package tags": (
        "tags",
        "The package only allows numbers tagged {allowed_tags}.",
        "Add one of these tags to the number.",
    ),
    "package class": (
        "package",
        "The number is {number_class}, and package {package} holds no {number_class} numbers.",
        "Choose another package, or change what it may hold.",
    ),
    "client on a free number": (
        "status",
        "{status} numbers have no client.",
        "Clear the client, account and package, or make the status Active.",
    ),
    "client without status": (
        "status",
        "A new number with a client needs a status.",
        "Make it Active, Blocked or Hold.",
    ),
    "client incomplete": (
        "client",
        "{status} needs a client, an account and a package.",
        "Fill in all three.",
    ),
    "other client": (
        "client",
        "The number is {status} with another client, account or package.",
        "Put it on Hold first and wait for the end of the hold.",
    ),
    "held for another client": (
        "client",
        "The number is on Hold after another client.",
        "End the hold first.",
    ),
    "ageing": (
        "client",
        "The number ages after use by another client until {until}.",
        "Wait until then, or have an administrator assign it with a reason.",
    ),
}


_NAMES = (
    "group__package", "group__client", "did__client_package__package",
    "client_package__package", "client_package__client",
)  # fmt: skip


def explain(rows, user):
    """Return a dict for each of the refused or flagged ``rows``, a queryset.

    ``id`` and ``line`` of the row, its ``number``, the ``column`` at fault and its ``value``, ``what`` is
    wrong and the ``remedy`` ("" if ``what`` includes it), ``reason``: both in one, and the ``kind`` of an
    unreadable number as in ``NumberError``, else "". ``key``: that of the column at fault, and ``code``: that
    of the reason.
    """
    rows = list(rows.select_related(*_NAMES))
    facts = _resellers_of(rows, user), _numbers_of_ids(rows, user), _ends_of_ageing(rows)
    return [_explain(row, facts, user) for row in rows]


def _explain(row, facts, user):
    group = row.group
    value = remedy = kind = ""
    if row.reason == "flaw":
        column, value, what, *more = json.loads(row.flaw or group.flaw)
        if more:
            kind, remedy = more
    elif ">" in row.reason:
        column, what = "status", _move_sentence(row.reason)
    elif row.reason.startswith("right:"):
        column, what = "status", _sentence(st.lacks_right(row.reason.removeprefix("right:")))
    else:
        column, text, remedy = REASONS[row.reason]
        what = text.format(**_texts(row, *facts, user))
    if row.verdict == "?" and row.reason not in ("changed", "created"):
        what = f"Changed since the check: {what}"
    return {
        "id": row.pk,
        "line": row.line,
        "number": row.number,
        "column": LABELS.get(column, ""),
        "value": value or _value(row, column),
        "what": what,
        "remedy": remedy,
        "reason": f"{what} {remedy}".strip(),
        "kind": kind,
        "key": column or "",
        "code": row.reason,
    }


def _move_sentence(reason):
    source, target = reason.removesuffix(":right").split(">")
    if reason.endswith(":right"):
        lacks_right = st.lacks_right(st.MOVES[source, target].right)
        return f"{st.LABELS[source]} to {st.LABELS[target]}: {lacks_right}."
    return _sentence(st.why_not(source, target))


def _sentence(clause):
    return f"{clause[0].upper()}{clause[1:]}."


def _value(row, column):
    group = row.group
    if column == "number":
        return row.number or ""
    if column == "id":
        return str(row.ref)
    if group is None:
        return ""
    if column == "tags":
        return group.tags or ""
    if column == "status":
        return group.status or ""
    return getattr(group, f"{column}_name", None) or ""


def _texts(row, resellers, named, ends, user):
    group = row.group
    status = (group and group.status) or (row.did and row.did.status_now) or st.ACTIVE
    package, client = (group.package, group.client_name) if group else (None, None)
    if row.client_package:
        package, client = row.client_package.package, row.client_package.client.name
    elif package is None and row.did_id and row.did and row.did.client_package_id:
        package = row.did.client_package.package
    return {
        "first_line": f"{row.first_line or 0:,}",
        "ref": row.ref,
        "until": ends.get(_digits(row), "its minimum hold is over"),
        "number": row.number,
        "id_number": named.get(row.did_id, "another number"),
        "own_reseller": user.reseller or "",
        "reseller": (group and group.reseller_name) or "The reseller",
        "client": client or "The client",
        "package": package.name if package else "",
        "places": _places(row),
        "status": st.LABELS[status],
        "number_class": row.flaw or "",
        "allowed_tags": package.allowed_tags if package else "",
        "resellers": resellers.get(group.operator_name if group else None, ""),
    }


def _places(row):
    """Say how full the package of a row is: "10 places: 7 are used and 16 rows need one"."""
    if row.reason != "package full" or not row.flaw:
        return ""
    limit, used, freed, wanted = json.loads(row.flaw)
    parts = [f"{used:,} {'is' if used == 1 else 'are'} used"]
    if freed:
        parts.append(f"the file frees {freed:,}")
    if row.verdict == "!":  # the apply counts the rows of its chunk only
        parts.append(count_noun(wanted, "row needs one", "rows need one"))
    listed = " and ".join([*filter(None, [", ".join(parts[:-1])]), parts[-1]])
    return f"{count_noun(limit, 'place')}: {listed}"


def _numbers_of_ids(rows, user):
    """Return {ID: number} for the rows whose ID is another number; it may be hidden from them by now."""
    ids = {row.did_id for row in rows if row.reason == "other id"}
    return dict(DID.objects.visible_to(user).filter(pk__in=ids).values_list("pk", "number")) if ids else {}


def _ends_of_ageing(rows):
    """Return {number: the first day on which it may be sold} of the rows refused because it ages."""
    numbers = {_digits(row) for row in rows if row.reason == "ageing"}
    if not numbers:
        return {}
    found = Release.objects.ageing(clock.now(), for_sales()).filter(number__in=numbers)
    return {number: day_of(until) for number, until in found.values_list("number", "until")}


def _digits(row):
    return row.number or (row.did.number if row.did_id and row.did else "")


def _resellers_of(rows, user):
    """Return {operator's name: names of its resellers} for the rows refused as ambiguous."""
    names = {row.group.operator_name for row in rows if row.reason == "operator ambiguous"}
    if not names:
        return {}
    pairs = Operator.objects.visible_to(user).filter(name__in=names).order_by("reseller__name")
    found = {}
    for name, reseller in pairs.values_list("name", "reseller__name"):
        found.setdefault(name, []).append(reseller)
    return {name: " and ".join(some) for name, some in found.items()}

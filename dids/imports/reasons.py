"""Why rows of an import were refused: the sentence for each code that ``dids.imports.validate`` gives."""

import json

from django.db.models import F

from dids.imports.mapping import LABELS
from dids.lifecycle import statuses as st
from operators.models import Operator

# code: (the column at fault, the sentence); the sentence is filled in with the texts of the row.
REASONS = {
    "duplicate": ("number", "The same number stands on line {first_line}; that one counts."),
    "outside": ("number", "The number exists already, outside your reseller. Leave it out."),
    "no id": ("id", "No number has this ID. To make new numbers, choose the column with the DID."),
    "changed": (
        "number",
        "Somebody changed this number after the check. Import the row again to see how it is now.",
    ),
    "made": (
        "number",
        "Somebody made this number after the check. Import the row again to see how it is now.",
    ),
    "may not add": (
        "number",
        "The number is new and you don't have the right to create numbers; ask a supervisor.",
    ),
    "may not change": (
        "number",
        "The number differs and you " + st.lacks_right("change_did").removeprefix("you ") + ".",
    ),
    "reseller unknown": (
        "reseller",
        "There is no reseller of this name. Correct it, or let missing names be created.",
    ),
    "reseller hidden": (
        "reseller",
        "You work for {own_reseller} and can't see a reseller of this name. Leave the column out.",
    ),
    "may not add reseller": (
        "reseller",
        "There is no reseller of this name and you don't have the right to create resellers.",
    ),
    "other reseller": (
        "reseller",
        "The number's operator is of another reseller. Name the operator that it goes to.",
    ),
    "no operator": (
        "operator",
        "A new number needs an operator. Name it in the file or choose one for all in the first step.",
    ),
    "operator unknown": (
        "operator",
        "{where} has no operator of this name. Correct it, or let missing names be created.",
    ),
    "operator ambiguous": (
        "operator",
        "Several resellers have an operator of this name: {resellers}. Say which one in the Reseller column.",
    ),
    "operator without reseller": (
        "operator",
        "There is no operator of this name. To create it, say for which reseller in the Reseller column.",
    ),
    "may not add operator": (
        "operator",
        "There is no operator of this name and you don't have the right to create operators.",
    ),
    "operator of another reseller": (
        "operator",
        "A number with a client moves only to an operator of the package's reseller.",
    ),
    "package of another reseller": (
        "package",
        "The package is of another reseller than the number's operator. Choose one of the operator's"
        " reseller.",
    ),
    "client unknown": (
        "client",
        "{where} has no client of this name. Correct it, or let missing names be created.",
    ),
    "client ambiguous": (
        "client",
        "Several resellers have a client of this name. Say which one in the Reseller or Operator column.",
    ),
    "client without reseller": (
        "client",
        "There is no client of this name. To create it, say for which reseller in the Reseller or"
        " Operator column.",
    ),
    "may not add client": (
        "client",
        "There is no client of this name and you don't have the right to create clients.",
    ),
    "client closed": ("client", "This client is closed. Choose another client."),
    "account without client": (
        "account",
        "An account is known only together with its client. Fill in the client.",
    ),
    "account unknown": (
        "account",
        "{client} has no account of this name. Correct it, or let missing names be created.",
    ),
    "may not add account": (
        "account",
        "{client} has no account of this name and you don't have the right to create accounts.",
    ),
    "package without client": (
        "package",
        "A package is given to a client. Fill in the client and the account.",
    ),
    "package unknown": (
        "package",
        "{where} has no package of this name. Correct it, or let missing names be created.",
    ),
    "may not add package": (
        "package",
        "There is no package of this name and you don't have the right to create packages.",
    ),
    "package archived": (
        "package",
        "This package is archived and is not given to clients any more. Choose another one.",
    ),
    "package not given": (
        "package",
        "{client} does not have this package. Give it to the client, or let missing ones be created.",
    ),
    "may not give package": (
        "package",
        "{client} does not have this package and you don't have the right to give packages.",
    ),
    "package off": ("package", "The client package is not active. Activate it first."),
    "package full": (
        "package",
        "The package has no free place left. Raise its DID limit or put numbers on Hold.",
    ),
    "package tags": ("tags", "The package allows only numbers tagged {allowed_tags}. Tag the number first."),
    "client on a free number": (
        "status",
        "{status} numbers have no client. Empty the client's columns, or make the status active.",
    ),
    "client without status": (
        "status",
        "A new number with a client needs a status. Make it active, blocked or hold.",
    ),
    "client incomplete": ("client", "{status} needs client, account and package. Fill in all three."),
    "other client": (
        "client",
        "The number is {status} with another client, account or package. Put it on Hold and wait for the"
        " end of the hold first.",
    ),
    "held for another client": ("client", "The number is on Hold after another client. End the hold first."),
}


def explained(rows, user):
    """{line, column, value, reason} of refused ``rows`` (a queryset of ImportRow), as they are ordered."""
    rows = rows.select_related("group__package", "did__client_package__package", "did__account__client")
    rows = list(rows.annotate(status_was=F("did__status")))
    resellers = _resellers_of(rows, user)
    return [_explain(row, resellers, user) for row in rows]


def _explain(row, resellers, user):
    group = row.group
    column, value, sentence = None, "", ""
    flaw = row.flaw or (group.flaw if group and row.reason == "flaw" else None)
    if row.reason == "flaw":
        column, value, sentence = json.loads(flaw)
    elif ">" in row.reason:
        column, sentence = "status", _move_sentence(row.reason)
    elif row.reason.startswith("right:"):
        right = row.reason.removeprefix("right:")
        column, sentence = "status", f"{_capital(st.lacks_right(right))}."
    else:
        column, text = REASONS[row.reason]
        sentence = text.format(**_texts(row, resellers, user))
    if row.verdict == "?" and row.reason not in ("changed", "made"):
        sentence = f"Changed since the check: {sentence}"
    return {
        "line": row.line,
        "number": row.number,
        "column": LABELS.get(column, ""),
        "value": value or _value(row, column),
        "reason": sentence,
    }


def _move_sentence(reason):
    source, target = reason.removesuffix(":right").split(">")
    if reason.endswith(":right"):
        return (
            f"{st.LABELS[source]} to {st.LABELS[target]}: {st.lacks_right(st.MOVES[source, target].right)}."
        )
    why = st.why_not(source, target)
    return f"{why[0].upper()}{why[1:]}."


def _capital(text):
    return text[0].upper() + text[1:]


def _value(row, column):
    group = row.group
    if column == "number":
        return row.number or ""
    if column == "id":
        return str(row.ref)
    if column == "tags":
        return group.tags or ""
    if column == "status":
        return group.status or ""
    return getattr(group, f"{column}_name", None) or ""


def _texts(row, resellers, user):
    group = row.group
    status = (group and group.status) or (row.did and row.did.status_now) or st.ACTIVE
    package = group.package if group else None
    if package is None and row.did_id and row.did and row.did.client_package_id:
        package = row.did.client_package.package
    return {
        "first_line": f"{row.first_line or 0:,}",
        "own_reseller": user.reseller or "",
        "where": (group and group.reseller_name) or "The reseller",
        "client": (group and group.client_name) or "The client",
        "status": st.LABELS[status],
        "allowed_tags": package.allowed_tags if package else "",
        "resellers": resellers.get(group.operator_name if group else None, ""),
    }


def _resellers_of(rows, user):
    """{operator's name: the resellers that have it}, for the rows refused because it is ambiguous."""
    names = {row.group.operator_name for row in rows if row.reason == "operator ambiguous"}
    if not names:
        return {}
    pairs = Operator.objects.visible_to(user).filter(name__in=names).order_by("reseller__name")
    found = {}
    for name, reseller in pairs.values_list("name", "reseller__name"):
        found.setdefault(name, []).append(reseller)
    return {name: " and ".join(some) for name, some in found.items()}

"""The one search: a page, and the results that static/js/palette.js shows over any page."""

from urllib.parse import urlencode

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.finding import mark_words, words_of
from didmgmt.parameters import takes
from didmgmt.replica import may_lag
from didmgmt.text import count_noun, shorten
from dids.lists.finding import LOOKED, find
from screens.find.actions import Hit, actions_for, actions_on, pages_for

LABELS = {
    "numbers": "Numbers",
    "clients": "Clients",
    "accounts": "Accounts",
    "operators": "Operators",
    "packages": "Packages",
    "tags": "Tags",
    "views": "Views",
    "jobs": "Jobs",
    "changes": "Changes",
    "actions": "Actions",
    "pages": "Pages",
}
ICONS = {
    "numbers": "phone",
    "clients": "user",
    "accounts": "key",
    "operators": "building",
    "packages": "inbox",
    "tags": "list-numbers",
    "views": "adjustments-horizontal",
    "jobs": "refresh",
    "changes": "history",
}


@require_safe
@takes("q", "kind")
@may_lag
def find_page(request):
    text, kind = request.GET.get("q", "").strip(), request.GET.get("kind", "")
    if kind and kind not in LABELS:
        errors = [f"There is no kind of results “{shorten(kind)}”. Use one of {', '.join(LABELS)}."]
        return render(request, "unknown_parameters.html", {"errors": errors}, status=400)
    found = [] if kind in ("actions", "pages") else find(text, request.user, kind)
    groups = [_group(one, text, kind) for one in found]
    words = words_of(text)
    own = {"actions": actions_on(found, request.user, words), "pages": []} if not kind else {}
    for name, offered in (("actions", actions_for), ("pages", pages_for)):
        if kind in ("", name):
            everything = [] if found or name == "pages" else offered(request.user, [])
            hits = own.get(name, []) + (offered(request.user, words) or everything)
            groups += [{"kind": name, "label": LABELS[name], "hits": hits}] if hits else []
    context = {
        "text": text,
        "kind": kind,
        "kind_label": LABELS.get(kind, ""),
        "groups": groups,
        "nothing": bool(text) and not any(group["kind"] not in ("actions", "pages") for group in groups),
    }
    return render(request, "find/_results.html" if request.htmx else "find/page.html", context)


def _group(found, text, kind):
    hits = _number_hits(found) if found.kind == "numbers" else _record_hits(found, text, kind)
    note = ""
    if found.is_cut:
        note = f"Very many {found.kind} have these words, and only {LOOKED:,} were looked through. Type more."
    return {"kind": found.kind, "label": LABELS[found.kind], "hits": hits, "note": note}


# --- numbers ----------------------------------------------------------------------------------------------


def _number_hits(found):
    hits = [
        Hit(
            reverse("dids:detail", args=[did.pk]),
            ICONS["numbers"],
            _pieces(did.number, found.search),
            about=f"{did.client_name} | {did.account_name}" if did.client_name else did.operator_name,
            end=f"ID {did.pk}",
            did=did,
        )
        for did in found.rows
    ]
    hits += [
        Hit(
            reverse("dids:history", args=[gone.object_id]),
            "trash",
            _pieces(gone.number, found.search),
            about="deleted",
            at=gone.at,
        )
        for gone in found.deleted
    ]
    if every := _every_number(found):
        # The list answers a part of a number, the number itself a whole one.
        hits.insert(len(hits) if found.exact else 0, every)
    return hits


def _every_number(found):
    """Return the line that opens the list of all matches; None where the matches are shown anyway."""
    search, total = found.search, found.total
    if search is None or (total < 2 and not found.is_list):
        return None
    numbers = "1 number" if total == 1 and not total.more else f"{total.label} numbers"
    that = (
        "that begin with" if search.kind == "begins" else "that end with" if search.kind == "ends" else "with"
    )
    if search.kind == "range":
        label = [(f"{numbers} from {search.low} to {search.high}", False)]
    elif search.kind == "list":
        label = [(f"{total.label} of {count_noun(len(search.values), 'number')} of the list", False)]
    else:
        label = [(f"{numbers} {that} ", False), (search.value, True)]
    if found.narrowed:
        label.append((f", {found.narrowed}", False))
    return Hit(_did_list(**found.query), "list-numbers", label, end="List")


def _pieces(number, search):
    before, match, after = search.split(number) if search else (number, "", "")
    return [
        (piece, is_match) for piece, is_match in ((before, False), (match, True), (after, False)) if piece
    ]


# --- everything else --------------------------------------------------------------------------------------


def _record_hits(found, text, kind):
    words, describe = words_of(text), _DESCRIBE[found.kind]
    hits = []
    for row in found.rows:
        url, about, end, at = describe(row)
        name = str(row)
        hits.append(Hit(url, ICONS[found.kind], mark_words(name, words), about=about, end=end, at=at))
    if found.total > len(found.rows) and not kind:
        query = urlencode({"q": text, "kind": found.kind})
        label = f"All {found.total.label} {LABELS[found.kind].lower()}"
        hits.append(
            Hit(f"{reverse('find:page')}?{query}", "chevron-right", [(label, False)], kind=found.kind)
        )
    elif kind and found.kind in _LISTS and found.total > len(found.rows):
        name, parameter = _LISTS[found.kind]
        url = f"{reverse(name)}?{urlencode({parameter: text})}"
        hits.append(Hit(url, "list-numbers", [(f"The list of {found.kind} with “{shorten(text)}”", False)]))
    return hits


# {kind: (URL name of its list, the parameter for a part of a name)}
_LISTS = {
    "clients": ("clients:list", "name"),
    "operators": ("operators:list", "name"),
    "packages": ("packages:list", "name"),
    "changes": ("audit:list", "object"),
}


def _numbers_of(row):
    return count_noun(row.did_count, "number")


def _did_list(**parameters):
    return f"{reverse('dids:list')}?{urlencode(parameters, doseq=True)}"


# {kind: row → (URL, about, end, timestamp)}
_DESCRIBE = {
    "clients": lambda client: (
        reverse("clients:detail", args=[client.pk]),
        f"{client.reseller.name} · closed" if client.closed_at else client.reseller.name,
        _numbers_of(client),
        None,
    ),
    "accounts": lambda account: (
        f"{reverse('clients:dids', args=[account.client_id])}?account={account.pk}",
        account.client.name,
        _numbers_of(account),
        None,
    ),
    "operators": lambda operator: (
        _did_list(operator=operator.pk),
        operator.reseller.name,
        _numbers_of(operator),
        None,
    ),
    "packages": lambda package: (
        reverse("packages:detail", args=[package.pk]),
        f"up to {count_noun(package.did_limit, 'number')}{' · archived' if package.archived_at else ''}",
        count_noun(package.client_count, "client"),
        None,
    ),
    "tags": lambda tag: (_did_list(tag=tag.name), "", _numbers_of(tag), None),
    "views": lambda view: (view.get_absolute_url(), "shared" if view.is_shared else "", "", None),
    "jobs": lambda job: (job.get_absolute_url(), "", job.get_state_display(), job.created_at),
    "changes": lambda change: (
        reverse("audit:detail", args=[change.pk]),
        f"Change {change.pk} · {change.who}",
        "",
        change.at,
    ),
}

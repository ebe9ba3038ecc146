"""One number: its details, the edit form and its history."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from didmgmt import clock, dialogs
from didmgmt.parameters import takes
from didmgmt.replica import may_lag
from didmgmt.statements import Statement
from didmgmt.text import count_noun, parse_whole, shorten
from dids.forms.numbers import EditForm
from dids.history.explain import actor_name, explain
from dids.history.timeline import differences, field_texts, other_lives, timeline, versions
from dids.labels import Names
from dids.lifecycle import holds
from dids.lifecycle import statuses as st
from dids.lifecycle.result import saved_sentence
from dids.lists.blocks import place_of
from dids.models import DID, AgeingRule
from dids.models.ageing import day_of, for_sales, in_force, minimum_of, until_of
from dids.models.marks import tail_length, with_mark
from dids.models.number_reads import neighbours
from screens.answers import announce
from screens.numbers.moves import moves_of
from screens.numbers.ownership_bar import ownership_bar

RECENT = 20  # entries of the timeline on the page of the number
BIGGEST = models.BigIntegerField.MAX_BIGINT  # id that the databases have
ONLY = ("status",)  # which entries the timeline can be limited to


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("dids.view_did", raise_exception=True)
@takes(only=ONLY.__contains__)
def did_detail(request, pk):
    try:
        did = _number(request.user, pk)
    except Http404:
        if request.method != "POST" and versions(pk, request.user).exists():
            return redirect("dids:history", pk)
        raise
    form = None
    if any(map(request.user.has_perm, st.EDIT_RIGHTS)):
        form = EditForm(shown=_shown(did), by=request.user)
    if request.method == "POST":
        if form is None:
            raise PermissionDenied
        form = _save(request, did)
        if form is None:
            return redirect("dids:detail", pk)
        did = _number(request.user, pk)
    only = request.GET.get("only", "").strip()
    entries, older = timeline(pk, request.user, did=did, size=RECENT, only_status=bool(only))
    previous, following = neighbours(did.number, request.user)
    context = {
        "did": did,
        "block_query": urlencode(place_of(did.number, did.number)),
        "explanation": explain([did], request.user)[pk],
        "ageing": _ageing(did),
        "marked_digits": _marked_digits(did),
        "routing": did.routing(),
        "moves": moves_of(did, request.user),
        "facts": _facts(did),
        "settings": _settings(did),
        "ownership_bar": ownership_bar(pk, request.user, did=did),
        "form": form,
        "entries": entries,
        "only": only,
        "previous": previous,
        "next": following,
        "undo_url": "" if only else _undo_url(entries, request.user),
        "more_url": reverse("dids:history", args=[pk]) + _query(only) if older else "",
        "other_lives": other_lives(pk, did.number, request.user),
        "back_url": dialogs.back_to(request, reverse("dids:list")),
    }
    return render(request, "numbers/detail.html", context, status=422 if form and form.errors else 200)


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@may_lag
@takes()
def did_explanation(request, pk):
    """Return the sentence that explains a status as text, which a list shows when it is pointed at."""
    did = _found(_in_list, request.user, pk)
    if did is None:
        raise Http404
    return HttpResponse(explain([did], request.user)[pk], content_type="text/plain; charset=utf-8")


@require_safe
@permission_required("dids.view_did", raise_exception=True)
@takes(before=parse_whole, only=ONLY.__contains__)
def did_history(request, pk):
    """Show the timeline of a number, also of one that was deleted or has left the user's reseller."""
    did = _found(_with_names, request.user, pk)
    last = None if did else versions(pk, request.user).first()
    if did is None and last is None:
        raise Http404
    before, only = (request.GET.get(name, "").strip() for name in ("before", "only"))
    number = (did or last).number
    entries, older = timeline(pk, request.user, did=did, before=parse_whole(before), only_status=bool(only))
    context = {
        "did": did,
        "number": number,
        "other_lives": other_lives(pk, number, request.user),
        "is_deleted": bool(last) and last.event == "-",
        "values": [] if did or before else field_texts(last, request.user),
        "ownership_bar": None if before else ownership_bar(pk, request.user, did=did),
        "entries": entries,
        "only": only,
        "older_url": _query(only, before=older) if older else "",
        "newest_url": request.path + _query(only) if before else "",
        "back_url": reverse("dids:detail", args=[pk]) if did else reverse("dids:list"),
    }
    return render(request, "numbers/history.html", context)


def _query(only, **parameters):
    """Return the query string of a page of the history, "" without parameters."""
    query = urlencode(({"only": only} if only else {}) | parameters)
    return f"?{query}" if query else ""


_page = Statement(
    lambda pk, viewer, now, rest: with_mark(
        DID.objects.visible_to(viewer).for_page(now).with_hold_days(rest).with_version()
    ).filter(pk=pk)
)


_with_names = Statement(lambda pk, viewer, now: DID.objects.visible_to(viewer).for_page(now).filter(pk=pk))
_in_list = Statement(lambda pk, viewer, now: DID.objects.visible_to(viewer).for_table(now).filter(pk=pk))


def _number(user, pk):
    did = _found(_page, user, pk, rest=settings.HOLD_DAYS)
    if did is None:
        raise Http404
    did.hold_days_now = max(did.hold_days_now, minimum_of(did.number, in_force()))
    return did


def _marked_digits(did):
    """Return the number in two parts, of which its mark means the second; None without a mark."""
    if did.mark_rule is None:
        return None
    length = tail_length(did.number, did.mark_rule)
    return did.number[: len(did.number) - length], did.number[len(did.number) - length :]


def _found(statement, user, pk, **values):
    """Return the number that ``statement`` finds, None without one."""
    found = pk <= BIGGEST and statement.instances(pk=pk, viewer=user, now=clock.now(), **values)
    return found[0] if found else None


def _save(request, did):
    """Write the changed fields; return the form with its errors, or None when it is saved."""
    seen = _seen(request, did)
    shown = _shown(seen or did, request.POST.get("status"))
    form = EditForm(request.POST, shown=shown, by=request.user)
    if not form.is_valid():
        return form
    touched = form.touched()
    dids = DID.objects.visible_to(request.user).filter(pk=did.pk)
    result = dids.edit(by=request.user, version=seen and seen.history_id, **touched)
    if not result.refused:
        announce(request, saved_sentence(did.number, result, touched))
        return None
    if "changed" in result.refusals:
        return _conflict_form(request, did.pk, touched, seen)
    for refusal in result.refusals.values():
        form.add_error("status" if "status" in touched else None, f"Refused: {refusal.why}.")
    return form


def _undo_url(entries, user):
    """Return the address of the dialog that undoes the last change, "" if the user may not."""
    last = entries[0].change if entries else None
    return reverse("audit:undo", args=[last]) if last and user.has_perm("audit.undo_change") else ""


def _seen(request, did):
    """Return the history row that the form was filled from; None when the form names none."""
    version = parse_whole(request.POST.get("version", ""))
    if version is None:
        return None
    return versions(did.pk, request.user).filter(history_id=version).first()


def _conflict_form(request, pk, touched, seen):
    """Return the form with the number’s current values, the user’s input, and who changed what since."""
    did = _number(request.user, pk)
    shown = _shown(did)
    entered = {name: request.POST[name] for name in touched}
    form = EditForm(shown | entered, shown=shown, by=request.user)
    newer = versions(pk, request.user).select_related("change").first()
    changes = "; ".join(
        f"{name}: {shorten(old) or 'empty'} → {shorten(new) or 'empty'}"
        for name, old, new in differences(seen, newer, Names.of([seen, newer], request.user))
    )
    who = actor_name(newer.change)
    form.add_error(
        None,
        f"Not saved: {did.number} was changed by {who} while you were editing it"
        f"{f' ({changes})' if changes else ''}. Check the values, then save again.",
    )
    return form


def _shown(row, sent=None):
    """Return the initial values of the edit form for a DID or a history row.

    ``sent``: the status that was posted. A hold that ended after the form was shown still counts as Hold,
    and an ended reservation as Reserved.
    """
    over = holds.is_over(row.hold_until, clock.now()) and sent != row.status
    return {
        "status": holds.after(row.status, row.after_hold) if over else row.status,
        "after_hold": row.after_hold,
        "hold_days": row.hold_days,
        "tags": row.tag_label
        if isinstance(row, DID)
        else Names(tag_sets=[row.tag_set_id]).tags(row.tag_set_id),
        "notes": row.notes,
    }


def _facts(did):
    """Return where the number belongs, and what a client has of it."""
    list_url, operator, holder = reverse("dids:list"), did.operator, did.holder
    client = package = client_url = ""
    if holder:
        client, client_url = f"{holder.client.name} | {holder.name}", f"{list_url}?client={holder.client_id}"
        package = did.client_package.package.name
    facts = [
        {"label": "ID", "value": str(did.pk)},
        {"label": "Operator", "value": operator.name, "url": f"{list_url}?operator={operator.pk}"},
        {
            "label": "Reseller",
            "value": operator.reseller.name,
            "url": f"{list_url}?reseller={operator.reseller_id}",
        },
        {"label": "Client", "value": client, "url": client_url},
        {"label": "Package", "value": package},
    ]
    if did.status_now == st.HOLD:
        facts.append({"label": "Hold until", "moment": did.hold_until})
    if did.status_now == st.RESERVED and did.reservation:
        url = f"{list_url}?reservation={did.reservation_id}"
        facts.append({"label": "Reserved for", "value": str(did.reservation), "url": url})
        facts.append({"label": "Reserved until", "moment": did.hold_until, "value": "no end"})
    return facts


def _ageing(did):
    """Return until when another client has to wait for the number, "" if none has to."""
    found = until_of(did.number, clock.now(), for_sales())
    if not found:
        return ""
    until, rule = found
    stored = AgeingRule.objects.filter(prefix=rule.prefix).first()  # None: removed this moment
    name = stored.name if stored else f"+{rule.prefix}"
    return (
        f"May be sold again on {day_of(until)} ({name}: {count_noun(rule.days, 'day')} after release)."
        " The last client may come back at any time."
    )


def _settings(did):
    """Return what the form edits."""
    days = did.hold_days_now
    hold = count_noun(days, "day") if days else f"none: becomes {did.get_after_hold_display()} at once"
    if did.hold_days is None:
        hold += ", inherited"
    return [
        {"label": "After Hold", "value": did.get_after_hold_display()},
        {"label": "Hold days", "value": hold},
        {"label": "Tag", "value": did.tag_set and did.tag_set.label},
        {"label": "Notes", "value": did.notes},
    ]

"""Reservations: who keeps which numbers until when; reserve, extend, end and assign them."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import clock, dialogs
from didmgmt.addresses import go_to
from didmgmt.listing import Selection
from didmgmt.parameters import takes
from didmgmt.text import count_noun, parse_whole
from dids import reservations
from dids.exports.reservations import reservation_rows
from dids.forms.reservations import ExtendForm, ReserveForm
from dids.lists import records
from dids.lists.picks import pick_listed
from dids.lists.reservations import counters, numbers_in, reserved_without
from dids.models import DID, Reservation
from screens.answers import announce, done, preview_context, refused, selected_dids
from screens.clients.assign import assign_selected, may_assign
from screens.downloads import download, file_name

may_reserve = permission_required("dids.change_did", raise_exception=True)


@require_safe
@permission_required("dids.view_did", raise_exception=True)
def reservation_list(request):
    listing = records.RESERVATIONS.listing(request.GET, request.user, request.path)
    now = clock.now()
    running = Reservation.objects.visible_to(request.user).running(now)
    context = {
        "listing": listing,
        "numbers": numbers_in(listing.matches),
        "counters": _counters(listing, counters(running, request.user, now)),
        "without": reserved_without(request.user, now),
        "without_url": f"{reverse('dids:list')}?status=reserved&reserved=without",
    }
    return render(request, "reservations/list.html", context)


_MARKS = {"today": "ends-today", "week": "ends-soon"}


@require_safe
@permission_required("dids.export_did", raise_exception=True)
def reservation_export(request):
    """Send the list in the URL as CSV."""
    listing = records.RESERVATIONS.listing(request.GET, request.user, request.path)
    if not listing.valid:
        return go_to(f"{reverse('reservations:list')}?{request.GET.urlencode()}")  # it shows the errors
    name = file_name("reservations", listing.filterset, clock.now())
    return download(request, reservation_rows(listing.ordered), name)


def _counters(listing, counted):
    """Return the counters as links; the current one is that of the only filter."""
    query = dict(listing.filterset.parameters().items())
    return [
        {
            "mark": _MARKS.get(value, "") if count else "",
            "label": label,
            "count": count,
            "url": listing.reset_url if not name else f"{reverse('reservations:list')}?{name}={value}",
            "active": query == ({name: value} if name else {}),
        }
        for name, value, label, count in counted
    ]


# --- reserve


@dialogs.view
@may_reserve
@takes("numbers", "ids")
def reservation_new(request):
    """Reserve typed or selected numbers: a rehearsal at every change, then the reservation."""
    back = dialogs.back_to(request, reverse("reservations:list"), *_other_pages(request))
    selection = _selection(request)
    if selection is not None and selection.error:
        return refused(request, selection.error, "Reserve numbers", back)
    step = request.POST.get("step", "form")
    data = request.POST if step in ("preview", "apply") else None
    initial = {"numbers": request.GET.get("numbers", "")}
    form = ReserveForm(data, by=request.user, is_selected=selection is not None, initial=initial)
    context = {"form": form, "selection": selection, "back_url": back}
    if data is not None and form.is_valid():
        pick = selection or pick_listed(form.cleaned_data["numbers"], DID.objects.visible_to(request.user))
        draft = _draft(form, pick)
        if draft and step == "apply":
            answer = _reserve(request, pick, draft, back, context)
            if answer:
                return answer
        elif draft:
            context["preview"] = _preview(request, pick, draft)
    if step == "preview" and request.htmx:
        return render(request, "reservations/_preview.html", context | {"oob": True})
    many = selection.count if selection else 0
    return dialogs.show(
        request,
        "reservations/_reserve.html",
        context,
        title=f"Reserve {count_noun(many, 'number')}" if many else "Reserve numbers",
        back_url=back,
        status=422 if step == "apply" else 200,
    )


def _other_pages(request):
    """Return the addresses of other pages that the dialog may be opened on."""
    ids = request.GET.get("ids") or request.POST.get("ids", "")
    only = [reverse("dids:detail", args=[ids])] if ids.isdigit() else []
    return [reverse("dids:list"), reverse("blocks:map"), *only]


def _selection(request):
    """Return the ``Selection`` of the list of numbers; None if the numbers are to be typed."""
    sent = request.POST if request.method == "POST" else request.GET
    return selected_dids(request) if sent.get("ids") or sent.get("scope") == "all" else None


def _draft(form, pick):
    """Return the unsaved reservation, None with an error of the form."""
    if not pick.count:
        named = pick.missing.refusals["missing"].named
        form.add_error("numbers", f"None of these numbers is in the inventory: {named}.")
        return None
    return form.draft(pick.queryset, pick.count)


def _preview(request, pick, draft):
    """Return the context of _preview.html: what the reservation would do now."""
    result = pick.queryset.preview_reserve(draft, by=request.user)
    if missing := getattr(pick, "missing", None):
        result.add(missing)
    return preview_context(result) | {
        "draft": draft,
        "until": reservations.until_words(draft.ends_at),
        "seen": reservations.newest_row(),
        "already": _already(draft),
    }


def _already(draft):
    """Return (how many numbers are reserved for the same client, until when the last of them)."""
    if draft.client is None:
        return None
    running = Reservation.objects.filter(client=draft.client).running(clock.now())
    ends = list(running.values_list("ends_at", flat=True))
    if not ends:
        return None
    return numbers_in(running), reservations.until_words(None if None in ends else max(ends))


def _reserve(request, pick, draft, back, context):
    """Reserve and return the answer; None, with what has changed in the context, if not as rehearsed."""
    expected = parse_whole(request.POST.get("rehearsed", ""))
    result = pick.queryset.reserve(draft, by=request.user, expected=expected)
    if result.change is None or not result.done:
        seen = parse_whole(request.POST.get("seen", "")) or 0
        context["preview"] = _preview(request, pick, draft)
        if expected is not None:
            context["taken"] = reservations.taken_sentence(result, expected, seen)
        return None
    if missing := getattr(pick, "missing", None):
        result.add(missing)
    return done(request, reservations.reserved_sentence(draft, result), result, back)


# --- what is done with a reservation


@dialogs.view
@may_reserve
def reservation_extend(request, pk):
    reservation = _running(request, pk)
    back, title = _back(request), f"End of the reservation for {reservation.whom}"
    form = ExtendForm(request.POST if request.method == "POST" else None, reservation=reservation)
    if form.is_valid():
        try:
            result = reservation.end_on(form.cleaned_data["until"], by=request.user)
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            announce(request, reservations.extended_sentence(reservation, result))
            return dialogs.close(request, back)
    context = {"form": form, "title": title, "action_url": request.path, "verb": "Save"}
    status = 422 if form.errors else 200
    return dialogs.show(
        request, "reservations/_extend.html", context, title=title, back_url=back, status=status
    )


@dialogs.view
@may_reserve
def reservation_end(request, pk):
    reservation = _running(request, pk)
    back = _back(request)
    if request.method == "POST":
        result = reservation.dids.all().end_reservation(by=request.user)
        return done(request, reservations.ended_sentence(reservation, result), result, back)
    title = f"End the reservation for {reservation.whom}"
    context = {"reservation": reservation, "count": reservation.dids.count(), "action_url": request.path}
    return dialogs.show(request, "reservations/_end.html", context, title=title, back_url=back)


@dialogs.view
@may_assign
@may_reserve
def reservation_assign(request, pk):
    """Assign the numbers of a reservation to a client, by default to the one that they are kept for."""
    reservation = _running(request, pk)
    selection = Selection(DID.objects.all(), "ids")
    selection.queryset = reservation.dids.all()
    selection.count = selection.queryset.count()
    return assign_selected(
        request,
        selection,
        _back(request),
        action_url=request.path,
        title=f"Assign what is reserved for {reservation.whom}",
        client=reservation.client,
        reserved=True,
    )


def _running(request, pk):
    """Return the reservation, which the user may see and which is not over."""
    found = Reservation.objects.visible_to(request.user).running(clock.now()).select_related("client")
    return get_object_or_404(found, pk=pk)


def _back(request):
    return dialogs.back_to(request, reverse("reservations:list"))

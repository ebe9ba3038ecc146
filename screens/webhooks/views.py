"""Webhooks: the endpoints, one of them with what was sent to it, and the dialogs that change them."""

import json
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from didmgmt import clock, dialogs
from didmgmt.limits import LimitError
from didmgmt.listing import Count
from didmgmt.parameters import takes
from didmgmt.text import count_noun, parse_whole
from events import endpoints
from events.delivery import INTERVALS
from events.forms import EndpointForm, ReplayForm
from events.models import TRIES, Delivery, Endpoint, keep_from
from events.replaying import NOT_DELIVERED, events_between
from screens.people.people import confirm
from staff.middleware import unattended

COUNTED = 10_000  # deliveries of a state up to which they are counted
LOST_AFTER = timedelta(seconds=sum(INTERVALS))

may_view = permission_required("events.view_endpoint", raise_exception=True)
may_change = permission_required("events.change_endpoint", raise_exception=True)


def _endpoints(request):
    """Return the endpoints that the user may see."""
    return endpoints.ENDPOINTS.visible_to(request.user)


def _get(request, pk):
    return get_object_or_404(_endpoints(request), pk=pk)


def _context(request):
    found = list(_endpoints(request).order_by("url", "pk"))
    for endpoint in found:
        endpoint.waiting = _count(endpoint, Delivery.State.WAITING)
    return {"endpoints": found, "total": f"{len(found):,}"}


def _count(endpoint, state):
    return Count.up_to(COUNTED, endpoint.deliveries.filter(state=state)[: COUNTED + 1].count())


@require_safe
@may_view
@takes()
def endpoint_list(request):
    return render(request, "webhooks/list.html", _context(request))


@require_safe
@may_view
def endpoint_detail(request, pk):
    """Show the deliveries of an endpoint; ``delivery``: the one that is shown whole."""
    endpoint = _get(request, pk)
    listing = endpoints.deliveries(endpoint, request.GET, request.user, request.path, keeps=("delivery",))
    for delivery in listing.rows if listing.valid else ():
        _describe(delivery)
        delivery.url = f"?{urlencode(_chosen(request.GET, delivery))}#sent"
    context = _context(request) | {
        "endpoint": endpoint,
        "listing": listing,
        "counts": [
            (state.value, state.label, _count(endpoint, state).label, request.GET.get("state") == state.value)
            for state in Delivery.State
        ],
        "shown": _shown(endpoint, request.GET.get("delivery", "")),
        "failing": _failing(endpoint) if endpoint.state == "failing" else None,
    }
    return render(request, "webhooks/detail.html", context)


def _chosen(parameters, delivery):
    """Return the parameters of the same page with this delivery shown whole."""
    return {**parameters.dict(), "delivery": delivery.pk}


def _describe(delivery):
    """Add what pages show of the tries."""
    for entry in delivery.log:
        entry["moment"] = parse_datetime(entry["at"])
        entry["duration"] = _duration(entry["took"])
    delivery.last = delivery.log[-1] if delivery.log else None
    waits = delivery.state == Delivery.State.WAITING
    delivery.tries_label = f"{delivery.tries} of {TRIES}" if waits else str(delivery.tries)


def _duration(seconds):
    """Return "4.1 s", or "12 ms" below a second."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _shown(endpoint, pk):
    """Return the delivery with the id ``pk``, a text; None without one."""
    if not pk:
        return None
    number = parse_whole(pk)
    delivery = number and endpoint.deliveries.select_related("event").filter(pk=number).first()
    if not delivery:
        raise Http404
    _describe(delivery)
    delivery.is_awaited = bool(delivery.next_try_at) and not delivery.tries
    delivery.pretty = json.dumps(json.loads(delivery.event.body), indent=1, ensure_ascii=False)
    return delivery


def _failing(endpoint):
    """Return what waits for a failing endpoint, the next try, and until when nothing is given up."""
    waiting = endpoint.deliveries.filter(state=Delivery.State.WAITING)
    oldest = waiting.order_by("id").select_related("event").first()
    return {
        "count": count_noun(_count(endpoint, Delivery.State.WAITING), "event"),
        "one": len(waiting[:2]) == 1,
        "next": waiting.exclude(next_try_at=None)
        .order_by("next_try_at")
        .values_list("next_try_at", flat=True)[:1],
        "lost": oldest and oldest.event.created_at + LOST_AFTER,
    }


# --- dialogs


@dialogs.view
@may_change
def endpoint_new(request):
    endpoint = Endpoint()
    form = EndpointForm(
        request.POST if request.method == "POST" else None, instance=endpoint, by=request.user
    )
    if form.is_valid():
        secret, sentence = endpoints.create(form.save(commit=False), by=request.user)
        messages.success(request, sentence)
        return _show_secret(request, endpoint, secret, f"Copy the secret of {endpoint} now")
    return _form(request, form, "New Webhook", "Create", reverse("webhooks:list"))


@dialogs.view
@may_change
def endpoint_edit(request, pk):
    endpoint = _get(request, pk)
    form = EndpointForm(
        request.POST if request.method == "POST" else None, instance=endpoint, by=request.user
    )
    url = reverse("webhooks:detail", args=[pk])
    if form.is_valid():
        messages.success(request, endpoints.edit(form.save(commit=False), form.changed_data, by=request.user))
        return dialogs.close(request, dialogs.back_to(request, url))
    return _form(request, form, f"Webhook to {_get(request, pk)}", "Save", url)


def _form(request, form, title, verb, list_url):
    return dialogs.show_form(request, form, title, verb, back_url=dialogs.back_to(request, list_url))


def _show_secret(request, endpoint, secret, title):
    url = reverse("webhooks:detail", args=[endpoint.pk])
    return dialogs.show_secret(
        request,
        "webhooks/_secret.html",
        {},
        title=title,
        secret=secret,
        label="The secret that signs",
        noun="the secret",
        then_url=url,
        back_url=url,
    )


@dialogs.view
@may_change
def endpoint_rotate(request, pk):
    endpoint = _get(request, pk)
    if request.method == "POST":
        secret, sentence = endpoints.replace_secret(endpoint, by=request.user)
        messages.success(request, sentence)
        return _show_secret(request, endpoint, secret, f"Copy the new secret of {endpoint} now")
    title = f"Replace the secret of {endpoint}?"
    context = {
        "title": title,
        "says": ["Both secrets sign for 24 hours, so that you can replace yours meanwhile."],
        "button": "Replace secret",
        "action_url": request.path,
    }
    url = dialogs.back_to(request, reverse("webhooks:detail", args=[pk]))
    return dialogs.show(request, "people/_confirm.html", context, title=title, back_url=url)


@dialogs.view
@may_change
def endpoint_delete(request, pk):
    endpoint = _get(request, pk)
    waiting = _count(endpoint, Delivery.State.WAITING)
    says = ["Nothing more is sent to it, and what was sent to it is no longer shown."]
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        says.append(f"{count_noun(waiting, 'event')} that {verb} will not arrive.")
    return confirm(
        request,
        lambda: endpoint.remove(by=request.user),
        list_url=reverse("webhooks:list"),
        title=f"Delete the webhook to {endpoint}?",
        says=says,
        button="Delete",
        done=endpoint.deleted_sentence,
        danger=True,
    )


@dialogs.view
@may_change
def endpoint_replay(request, pk):
    """Count the events of a time span, then send them again."""
    endpoint = _get(request, pk)
    url = reverse("webhooks:detail", args=[pk])
    now = clock.now()
    first = endpoint.failing_since or endpoint.disabled_at or now - timedelta(days=1)
    until = now + timedelta(minutes=1)
    initial = {
        "since": first.replace(second=0, microsecond=0),
        "until": until.replace(second=0, microsecond=0),
    }
    form = ReplayForm(
        request.POST if request.method == "POST" else None,
        initial=initial | {"only": NOT_DELIVERED},
        auto_id="dialog_%s",
    )
    count = None
    if form.is_valid() and endpoint.active:
        span = [form.cleaned_data[name] for name in ("since", "until", "only")]
        events = events_between(endpoint, *span)
        count = events.count()
        if request.POST.get("step") == "apply" and count:
            return _replay(request, endpoint, events, span, count)
    title = f"Replay to {endpoint}"
    context = {
        "form": form,
        "title": title,
        "count": count_noun(count, "event") if count else "",
        "counted": None if count is None else endpoints.counted(count),
        "endpoint": endpoint,
        "kept_since": keep_from(now),
        "action_url": request.path,
    }
    status = 422 if form.errors or (request.method == "POST" and not endpoint.active) else 200
    back_url = dialogs.back_to(request, url)
    return dialogs.show(
        request, "webhooks/_replay.html", context, title=title, back_url=back_url, status=status
    )


def _replay(request, endpoint, events, span, count):
    url = dialogs.back_to(request, reverse("webhooks:detail", args=[endpoint.pk]))
    try:
        job, sentence = endpoints.replay_span(endpoint, events, span, count, by=request.user)
    except LimitError as error:
        messages.error(request, str(error))
        return dialogs.close(request, url)
    if job:
        messages.info(request, f"“{job}” runs in the background.")
        return dialogs.close(request, job.get_absolute_url())
    messages.success(request, sentence)
    return dialogs.close(request, url)


# --- buttons


@require_POST
@may_change
def endpoint_pause(request, pk):
    return _switch(request, pk, endpoints.pause)


@require_POST
@may_change
def endpoint_resume(request, pk):
    return _switch(request, pk, endpoints.resume)


def _switch(request, pk, act):
    done, sentence = act(_get(request, pk), by=request.user)
    (messages.success if done else messages.info)(request, sentence)
    return redirect("webhooks:detail", pk)


@require_POST
@may_change
def endpoint_test(request, pk):
    try:
        delivery, sentence = endpoints.test(_get(request, pk))
    except endpoints.InactiveError as refusal:
        messages.error(request, str(refusal))
        return redirect("webhooks:detail", pk)
    messages.success(request, f"{sentence} Its answer appears below as soon as it comes.")
    return redirect(_shown_at(pk, delivery))


def _shown_at(pk, delivery):
    return f"{reverse('webhooks:detail', args=[pk])}?delivery={delivery.pk}#sent"


@unattended
@require_safe
@may_view
@never_cache
def delivery_tries(request, pk, delivery):
    """Render the tries, which the page requests until there is one; then it reloads itself."""
    endpoint = _get(request, pk)
    shown = _shown(endpoint, str(delivery))
    if request.htmx and not shown.is_awaited:
        return HttpResponseClientRefresh()
    return render(request, "webhooks/_tries.html", {"endpoint": endpoint, "shown": shown})


@require_POST
@may_change
def delivery_replay(request, pk, delivery):
    found = get_object_or_404(_get(request, pk).deliveries.select_related("event", "endpoint"), pk=delivery)
    try:
        messages.success(request, endpoints.replay_one(found))
    except endpoints.InactiveError as refusal:
        messages.error(request, str(refusal))
    return redirect(_shown_at(pk, found))

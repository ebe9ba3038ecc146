"""The first steps of an empty system, and what the statuses mean."""

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import clock, dialogs
from dids.lists.first_steps import first_steps

may_view = permission_required("dids.view_did", raise_exception=True)


@require_safe
@may_view
def start(request):
    steps = first_steps(request.user, clock.now())
    return render(request, "start/start.html", {"steps": steps})


@require_safe
@may_view
def statuses(request):
    title, back_url = "What do the statuses mean?", dialogs.back_to(request, reverse("dids:list"))
    return dialogs.show(request, "start/_statuses.html", {"title": title}, title=title, back_url=back_url)

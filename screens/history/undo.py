"""Undoing a change: what goes back and what does not, then doing it, of many objects in a job."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from audit.models import Change
from didmgmt import dialogs
from dids.history.explain import actor_name
from dids.history.undo.undo import Undo, submit_undo
from jobs.models import SMALL, Job
from screens.answers import done, queued

_OTHER = {"Undo": "Redo", "Redo": "Undo"}


@dialogs.view
@permission_required("audit.undo_change", raise_exception=True)
def change_undo(request, pk):
    change = get_object_or_404(Change, pk=pk)
    undo = Undo(change, by=request.user)
    if not undo.is_seen():
        raise Http404("This change touched nothing that you may see.")
    back, obstacle = _back(request, change), undo.obstacle()
    if request.POST.get("step") == "apply" and not obstacle:
        if undo.rows > SMALL:
            return queued(request, submit_undo(undo))
        try:
            outcome = undo.run()
        except IntegrityError:
            messages.error(
                request, "Somebody wrote to the same at this very moment. Nothing is undone; try again."
            )
            return dialogs.close(request, back)
        return done(request, outcome.sentence(), outcome, back, undo_word=_OTHER[change.undo_word])
    large = undo.rows > SMALL
    # A rehearsal of a million takes a while: the dialog is there at once and asks for it.
    waits = obstacle or (large and request.htmx and "look" not in request.GET)
    title = f"{change.undo_word} this change?"
    context = {
        "change": change,
        "actor": actor_name(change),
        "title": title,
        "obstacle": obstacle,
        "rehearsal": None if waits else undo.rehearse(),
        "looked_at": undo.rows,
        "in_background": large,
    }
    return dialogs.show(request, "history/_undo.html", context, title=title, back_url=back)


def _back(request, change):
    """Where the person came from: the list of numbers, the page of the change or of its job, the log."""
    jobs = Job.objects.filter(change=change)
    pages = [job.get_absolute_url() for job in jobs] + [job.url for job in jobs]
    pages += [reverse("audit:detail", args=[change.pk]), reverse("audit:list")]
    return dialogs.back_to(request, reverse("dids:list"), *pages)

"""The dialog that undoes a change: a preview, then the undo, which is a job for large changes."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from audit.models import Change
from didmgmt import dialogs
from dids.history.explain import actor_name
from dids.history.undo.job import submit_undo
from dids.history.undo.undo import Undo
from jobs.models import SMALL, Job
from screens.answers import done, queued


@dialogs.view
@permission_required("audit.undo_change", raise_exception=True)
def change_undo(request, pk):
    change = get_object_or_404(Change, pk=pk)
    undo = Undo(change, by=request.user)
    if not undo.is_visible():
        raise Http404("This change affects nothing that you may see.")
    obstacle = undo.obstacle()
    if request.POST.get("step") == "apply" and not obstacle:
        return _apply(request, undo)
    is_large = undo.rows > SMALL
    # The preview of a large change is slow: the dialog opens at once and requests it with htmx.
    is_deferred = is_large and request.htmx and "preview" not in request.GET
    context = {
        "change": change,
        "actor": actor_name(change),
        "title": f"{change.undo_word} this change?",
        "obstacle": obstacle,
        "preview": None if obstacle or is_deferred else undo.preview(),
        "history_rows": undo.rows,
        "in_background": is_large,
    }
    back_url = _back_url(request, change)
    page_title = f"{change.undo_word} change {change.pk}"
    return dialogs.show(request, "history/_undo.html", context, title=page_title, back_url=back_url)


def _apply(request, undo):
    if undo.rows > SMALL:
        return queued(request, submit_undo(undo))
    back_url = _back_url(request, undo.change)
    try:
        result = undo.run()
    except IntegrityError:
        messages.error(
            request, "Someone changed the same records at the same time. Nothing was undone; try again."
        )
        return dialogs.close(request, back_url)
    undo_word = "Undo" if undo.change.undo_word == "Redo" else "Redo"
    return done(request, result.sentence(), result, back_url, undo_word=undo_word)


def _back_url(request, change):
    """Return the page that the dialog was opened on, or the list of numbers."""
    jobs = Job.objects.filter(change=change)
    pages = [job.get_absolute_url() for job in jobs] + [job.url for job in jobs]
    pages += [reverse("audit:detail", args=[change.pk]), reverse("audit:list")]
    return dialogs.back_to(request, reverse("dids:list"), *pages)

"""What an action on selected rows answers: refused with the reason, queued as a job, or done."""

import math
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, QueryDict
from django.urls import reverse

import audit
from didmgmt import dialogs
from didmgmt.listing import Selection
from didmgmt.models import StoredSearch
from didmgmt.parameters import parameter_errors
from didmgmt.text import count_noun
from dids.lists.filters import DIDFilter, NowField
from dids.models import DID

SHORT = 1_000  # characters of a search that an address can have
OF_SELECTIONS = ("scope", "ids", "query", "expected", "back", "step")  # parameters of an address


def selected_dids(request):
    """Return the ``Selection`` of numbers that the request names.

    Raises Http404 when an address names none that the user may see. A selection made on a list as of a
    past time is refused: the numbers may be different ones now.
    """
    inventory = DID.objects.visible_to(request.user)
    parameters = request.POST if request.method == "POST" else request.GET
    selection = Selection.read(parameters, inventory, DIDFilter, user=request.user, limit=math.inf)
    if _has_as_of(request):
        selection.refuse(NowField.refusal)
        return selection
    if errors := parameter_errors(request.GET, OF_SELECTIONS, many=["ids"]):
        selection.refuse(" ".join(errors))
        return selection
    if selection.error and request.GET.get("ids"):
        raise Http404(selection.error)
    return selection


def _has_as_of(request):
    addresses = (request.GET, request.POST, QueryDict(request.POST.get("query")))
    return any(address.get("as_of", "").strip() for address in addresses)


def refused(request, error, title, back_url):
    """Show the sentence ``error`` in a dialog instead of running the action."""
    return dialogs.show(
        request,
        "_refused.html",
        {"error": error},
        title=title,
        back_url=back_url,
        status=422 if request.method == "POST" else 200,
    )


def done(request, sentence, result, back_url, *, undo_word="Undo"):
    """Return to the page that the action came from, with a message and its selection cleared.

    The message leads to the lists of the refused numbers. ``undo_word`` is "Redo" after an undo.
    """
    level = messages.SUCCESS if result.done else messages.WARNING
    tags = ["selection-clear", *_refused_tags(result, request.user)]
    announce(request, sentence, level=level, tags=" ".join(tags), undo_word=undo_word)
    return dialogs.close(request, back_url)


def _refused_tags(result, user):
    """Return a tag of the message for each reason with the list of all its numbers."""
    return [
        f"refused-{refusal.count}-{address_of(refusal.numbers, user)}"
        for refusal in result.refused_numbers
        if 0 < refusal.count == len(refusal.numbers)
    ]


def address_of(numbers, user):
    """Return the address of the list of ``numbers``. A long list is stored for ``user``."""
    text = ",".join(numbers) if len(numbers) > 1 else f"={numbers[0]}"
    query = {"q": text} if is_short(numbers) else {"list": StoredSearch.objects.store(user, text)}
    return f"{reverse('dids:list')}?{urlencode(query)}"


def is_short(numbers):
    """Return whether the list of ``numbers`` fits into its address."""
    return len(",".join(numbers)) < SHORT


def announce(request, sentence, *, level=messages.SUCCESS, tags="", undo_word="Undo"):
    """Show the sentence as a message that offers to undo the change of this request, if the user may."""
    change = audit.latest()
    if change and request.user.has_perm("audit.undo_change"):
        tags = f"{tags} {undo_word.lower()}-{change}".strip()
    messages.add_message(request, level, sentence, extra_tags=tags)


def queued(request, job):
    """Go to the page of the job; the selection on the list is cleared."""
    messages.info(request, f"“{job}” runs in the background.", extra_tags="selection-clear")
    return dialogs.close(request, job.get_absolute_url())


def preview_context(result):
    """Return the counts and refusals of a dry run's ``Result`` for the templates of previews."""
    return {
        "changed": result.done,
        "changed_label": count_noun(result.done, "number"),
        "unchanged": result.unchanged,
        "refused_count": result.refused,
        "refused": [
            {"count": refusal.count, "sentence": refusal.why, "numbers": refusal.sample}
            for refusal in result.refusals.values()
        ],
    }

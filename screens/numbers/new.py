"""New DIDs: a preview, then the numbers are created."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from didmgmt.parameters import takes
from didmgmt.text import count_noun
from dids.forms.numbers import NewForm, read_numbers
from dids.job_kinds import submit_create
from dids.lifecycle.result import created_sentence
from dids.models import DID
from jobs.models import SMALL
from screens.answers import announce

LISTED = 50  # numbers that the address of a list can name


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("dids.add_did", raise_exception=True)
@takes("operator")
def did_new(request):
    if request.method != "POST":
        return _page(request, NewForm(by=request.user, initial={"operator": request.GET.get("operator")}))
    if request.POST.get("step") == "preview":
        preview = _preview(request.POST.get("numbers", ""))
        if request.htmx:
            return render(request, "numbers/_new_preview.html", {"preview": preview, "oob": True})
        return _page(request, NewForm(by=request.user, initial=request.POST.dict()), preview=preview)
    form = NewForm(request.POST, by=request.user)
    if not form.is_valid():
        preview = None if "numbers" in form.errors else _preview(request.POST["numbers"])
        return _page(request, form, preview=preview, status=422)
    fields = form.cleaned_data
    numbers = fields.pop("numbers")
    if numbers.count > SMALL:
        return redirect(submit_create(request.user, numbers, **fields))
    try:
        result = DID.objects.create_numbers(numbers, by=request.user, **fields)
    except IntegrityError:
        # The operator was deleted concurrently: validating again says so.
        form.full_clean()
        if not form.errors:
            raise
        return _page(request, form, status=422)
    level = messages.SUCCESS if result.done else messages.WARNING
    announce(request, created_sentence(result, fields["operator"]), level=level)
    return redirect(_list_of(numbers))


def _page(request, form, *, preview=None, status=200):
    context = {"form": form, "preview": preview, "back_url": reverse("dids:list")}
    return render(request, "numbers/new.html", context, status=status)


def _preview(text):
    """Return the context of _new_preview.html; None for an empty text."""
    numbers = read_numbers(text)
    if numbers.errors:
        return {"errors": numbers.problems()}
    if not numbers.count:
        return None
    result = DID.objects.preview_create(numbers)
    ranges = numbers.ranges
    return {
        "count": result.done,
        "count_label": count_noun(result.done, "DID"),
        "entered": numbers.count,
        "first": ranges[0][0],
        "last": ranges[-1][1],
        "repeated": numbers.repeated,
        "existing": result.refusals.get("exists"),
    }


def _list_of(numbers):
    """Return the address of the list of these numbers; of the newest ones when it can’t name them all."""
    ranges = numbers.ranges
    query = {"sort": "-id"}
    if len(ranges) == 1:
        low, high = ranges[0]
        query = {"q": f"={low}" if low == high else f"{low}-{high}"}
    elif numbers.count <= LISTED:
        query = {"q": ",".join(numbers)}
    return f"{reverse('dids:list')}?{urlencode(query)}"

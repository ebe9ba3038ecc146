"""Client packages: which client has which package; activating, deactivating and ending them."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from didmgmt import clock, dialogs
from didmgmt.replica import may_lag
from dids import packages
from dids.forms.packages import EndForm
from dids.lists import records
from dids.models import ClientPackage
from screens.answers import announce
from screens.packages.stopping import RETURN, client_pages, may_stop, stop


@require_safe
@permission_required("dids.view_clientpackage", raise_exception=True)
@may_lag
def client_package_list(request):
    listing = client_package_listing(request, ClientPackage.objects.visible_to(request.user))
    return render(request, "packages/client_packages/list.html", {"listing": listing})


def client_package_listing(request, given):
    """Return the ``Listing`` of the client packages ``given``, with their states and free numbers."""
    return records.CLIENT_PACKAGES.listing(request.GET, request.user, request.path, given)


@dialogs.view
@may_stop
def client_package_deactivate(request, pk):
    given = _given(request, pk)
    return stop(
        request,
        packages.deactivate(given),
        title=f"Deactivate {given}",
        about=f"It stops now. {RETURN}",
        verb="Deactivate",
        back_url=_back(request, given),
    )


@dialogs.view
@may_stop
def client_package_activate(request, pk):
    given = _given(request, pk)
    back_url, refusal = _back(request, given), ""
    if request.method == "POST":
        try:
            _message_activated(request, given, given.activate(by=request.user))
            return dialogs.close(request, back_url)
        except ValidationError as error:
            refusal = error.message
    title = f"Activate {given}"
    context = {
        "given": given,
        "refusal": refusal or given.closed_reason(),
        "preview": given.preview_activate(),
        "title": title,
        "action_url": request.path,
    }
    return dialogs.show(
        request,
        "packages/client_packages/_activate.html",
        context,
        title=title,
        back_url=back_url,
        status=422 if refusal else 200,
    )


def _message_activated(request, given, result):
    sentence = packages.activated(given, result)
    if result is None:
        messages.info(request, sentence)
    else:
        announce(request, sentence)


@dialogs.view
@may_stop
def client_package_end(request, pk):
    """Set the end; one in the past ends the package now, after a preview of the holds."""
    given = _given(request, pk)
    back_url, title = _back(request, given), f"End {given}"
    form = EndForm(request.POST if request.method == "POST" else None, client_package=given)
    if form.is_valid():
        ends_at = form.cleaned_data["ends_at"]
        if ends_at and ends_at <= clock.now():
            return stop(
                request,
                packages.end_now(given, ends_at),
                title=title,
                about="This time is in the past, so the package ends now.",
                verb="End now",
                back_url=back_url,
                ends_at=request.POST["ends_at"],
            )
        if form.has_changed():
            given.end_on(ends_at, by=request.user)
        announce(request, packages.end_changed(given))
        return dialogs.close(request, back_url)
    return dialogs.show_form(request, form, title, "Save", back_url=back_url)


def _given(request, pk):
    every = ClientPackage.objects.visible_to(request.user).select_related("client", "package")
    return get_object_or_404(every, pk=pk)


def _back(request, given):
    """Return to the list, the client’s page or the package’s page, whichever the user came from."""
    package = reverse("packages:detail", args=[given.package_id])
    return dialogs.back_to(request, reverse("client_packages:list"), *client_pages(given.client), package)

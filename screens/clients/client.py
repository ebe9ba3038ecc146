"""One client: its accounts, packages and numbers, and giving it a package."""

from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clients.names import clean_name
from didmgmt import clock, dialogs
from didmgmt.choices import choices
from dids.forms.packages import GiveForm, packages_for
from dids.models import DID, ClientPackage
from dids.packages import given_to_client
from screens.answers import announce
from screens.clients.accounts import ACCOUNTS
from screens.clients.clients import CLIENTS, may_view
from screens.packages.stopping import client_pages

PACKAGES_SHOWN = 100

may_give = permission_required("dids.add_clientpackage", raise_exception=True)


@require_safe
@may_view
def client_detail(request, pk):
    client, now = CLIENTS.get(request, pk), clock.now()
    given = client.client_packages.with_state(now).with_numbers_in_use().select_related("package")
    context = {
        "client": client,
        "given": given.order_by("-active", "-starts_at", "-pk")[:PACKAGES_SHOWN],
        "given_count": client.client_packages.count(),
        "numbers": DID.objects.held_by([client.pk], now).by_status(now),
        "listing": ACCOUNTS.listing(request, client.accounts.all()),
    }
    return render(request, "clients/detail.html", context)


@dialogs.view
@may_give
def client_give(request, pk):
    client = CLIENTS.get(request, pk)
    given, title = ClientPackage(client=client), f"Give {client} a package"
    back_url = dialogs.back_to(request, *client_pages(client), reverse("start:start"))
    form = GiveForm(
        request.POST if request.method == "POST" else None,
        instance=given,
        by=request.user,
        choices_url=reverse("clients:package_choices", args=[client.pk]),
    )
    if form.is_valid() and form.give():
        announce(request, given_to_client(given))
        return dialogs.close(request, back_url)
    return dialogs.show_form(request, form, title, "Give package", back_url=back_url)


@require_safe
@may_give
def package_choices(request, pk):
    found = packages_for(CLIENTS.get(request, pk)).order_by("name", "pk")
    return choices(request, found, search="name", read=clean_name)

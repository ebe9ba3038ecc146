"""Clients: the list and its dialogs, closing and reopening."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clients.models import Client
from didmgmt import dialogs
from didmgmt.replica import may_lag
from dids.forms.clients import ClientForm
from dids.lists import records
from dids.models import ClientPackage
from dids.packages import close_client, reopened
from screens.answers import announce
from screens.packages.stopping import client_pages, may_stop, stop
from screens.records import Records

CLIENTS = Records(
    list=records.CLIENTS,
    form=ClientForm,
    list_url=lambda client: reverse("clients:list"),
    pages=lambda client: client_pages(client) if client.pk else [],
    edit_url=lambda client: reverse("clients:edit", args=[client.pk]),
    created_url=lambda client: reverse("clients:detail", args=[client.pk]),
)

may_view = permission_required("clients.view_client", raise_exception=True)
may_change = permission_required("clients.change_client", raise_exception=True)


@require_safe
@may_view
@may_lag
def client_list(request):
    return render(request, "clients/list.html", {"listing": CLIENTS.listing(request)})


@dialogs.view
@permission_required("clients.add_client", raise_exception=True)
def client_new(request):
    return CLIENTS.save(request, Client())


@dialogs.view
@may_change
def client_edit(request, pk):
    return CLIENTS.save(request, CLIENTS.get(request, pk))


@dialogs.view
@permission_required("clients.delete_client", raise_exception=True)
def client_delete(request, pk):
    return CLIENTS.delete(request, CLIENTS.get(request, pk))


@dialogs.view
@may_change
@may_stop
def client_close(request, pk):
    client = CLIENTS.get(request, pk)
    return stop(
        request,
        close_client(client),
        title=f"Close {client}",
        about="All its packages stop, and it can’t get new ones until you reopen it.",
        verb="Close",
        back_url=dialogs.back_to(request, reverse("clients:list"), *client_pages(client)),
    )


@require_POST
@may_change
@may_stop
def client_reopen(request, pk):
    client = CLIENTS.get(request, pk)
    was_closed = ClientPackage.reopen(client, by=request.user)
    sentence = reopened(client, was_closed)
    if was_closed:
        announce(request, sentence)
    else:
        messages.info(request, sentence)
    return redirect("clients:detail", client.pk)

"""Clients with their accounts and packages."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from clients.models import Account, Client, counted
from didmgmt import dialogs
from didmgmt.choices import choices
from didmgmt.listing import Listing
from didmgmt.replica import may_lag
from dids.lists import holdings
from dids.lists.client_filters import AccountFilter, ClientFilter
from dids.models import DID, ClientPackage
from screens.clients.dids import client_of
from screens.clients.forms import AccountForm, ClientForm, GiveForm, packages_for
from screens.packages.stopping import client_pages, delete, may_stop, stop

PACKAGES_SHOWN = 100  # packages on a client's page

SORTS = {
    "name": (Lower("name"), "id"),
    "id": ("id",),
    "reseller": (Lower("reseller__name"), Lower("name"), "id"),
    "accounts": ("account_count", "id"),
    "packages": ("package_count", "id"),
    "dids": ("did_count", "id"),
    "state": (F("closed_at"), "id"),
}
ACCOUNT_SORTS = {"name": (Lower("name"), "id"), "id": ("id",), "dids": ("did_count", "id")}

may_view = permission_required("clients.view_client", raise_exception=True)
may_change = permission_required("clients.change_client", raise_exception=True)


@require_safe
@may_view
@may_lag
def client_list(request):
    return render(request, "clients/list.html", {"listing": client_listing(request)})


def client_listing(request):
    """The clients that an address asks for, of those that the person may see."""
    now = timezone.now()
    return Listing(
        request.GET,
        holdings.of_clients(Client.objects.visible_to(request.user), now),
        ClientFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: holdings.of_clients(found.select_related("reseller"), now),
    )


@require_safe
@may_view
def client_detail(request, pk):
    client, now = client_of(request, pk), timezone.now()
    given = client.client_packages.with_state(now).with_places().select_related("package")
    context = {
        "client": client,
        "given": given.order_by("-active", "-starts_at", "-pk")[:PACKAGES_SHOWN],
        "given_count": client.client_packages.count(),
        "numbers": DID.objects.held_by([client.pk], now).by_status(now),
        "listing": Listing(
            request.GET,
            holdings.of_accounts(client.accounts.all()),
            AccountFilter,
            user=request.user,
            path=request.path,
            sorts=ACCOUNT_SORTS,
            fetch=holdings.of_accounts,
        ),
    }
    return render(request, "clients/detail.html", context)


@dialogs.view
@permission_required("clients.add_client", raise_exception=True)
def client_new(request):
    return _dialog(request, Client())


@dialogs.view
@may_change
def client_edit(request, pk):
    return _dialog(request, client_of(request, pk))


def _dialog(request, client):
    pages = client_pages(client) if client.pk else []
    return dialogs.record(
        request,
        ClientForm,
        client,
        back_url=dialogs.back_to(request, reverse("clients:list"), *pages),
        edit_url=lambda saved: reverse("clients:edit", args=[saved.pk]),
        done_url=lambda saved: reverse("clients:detail", args=[saved.pk]),
        title="New Client",
    )


@dialogs.view
@permission_required("clients.delete_client", raise_exception=True)
def client_delete(request, pk):
    advice = "Close it instead: its packages stop, its numbers rest, and everything stays readable."
    client = client_of(request, pk)
    if not client.client_packages.exists():
        advice = "Delete these first."
    return delete(request, client, listed=reverse("clients:list"), advice=advice)


@dialogs.view
@may_change
@may_stop
def client_close(request, pk):
    client = client_of(request, pk)
    return stop(
        request,
        DID.objects.filter(client_package__client=client, client_package__active=True),
        lambda: ClientPackage.close_client(client, by=request.user),
        title=f"Close {client}",
        about="All its packages stop, and no new one can be given until the client is reopened.",
        verb="Close",
        done=f"Client {client} is closed.",
        back_url=dialogs.back_to(request, reverse("clients:list"), *client_pages(client)),
    )


@require_POST
@may_change
@may_stop
def client_reopen(request, pk):
    client = client_of(request, pk)
    if ClientPackage.reopen(client, by=request.user):
        off = client.client_packages.filter(active=False).count()
        rest = f" Switched off still: {counted(off, 'package')}; activate what it shall have." if off else ""
        messages.success(request, f"Client {client} is open again.{rest}")
    else:
        messages.info(request, f"Client {client} is open already.")
    return redirect("clients:detail", client.pk)


# --- accounts -------------------------------------------------------------------------------------


@dialogs.view
@permission_required("clients.add_account", raise_exception=True)
def account_new(request, pk):
    return _account_dialog(request, Account(client=client_of(request, pk)))


@dialogs.view
@permission_required("clients.change_account", raise_exception=True)
def account_edit(request, pk, account_pk):
    return _account_dialog(request, _account(request, pk, account_pk))


def _account_dialog(request, account):
    return dialogs.record(
        request,
        AccountForm,
        account,
        back_url=dialogs.back_to(request, *client_pages(account.client)),
        edit_url=lambda saved: reverse("clients:account_edit", args=[saved.client_id, saved.pk]),
        title="New Account",
    )


@dialogs.view
@permission_required("clients.delete_account", raise_exception=True)
def account_delete(request, pk, account_pk):
    account = _account(request, pk, account_pk)
    return delete(
        request,
        account,
        listed=reverse("clients:detail", args=[account.client_id]),
        advice="Put them on Hold and delete the account when they are back in stock, or end the holds.",
    )


def _account(request, pk, account_pk):
    accounts = Account.objects.visible_to(request.user).select_related("client__reseller")
    return get_object_or_404(accounts, client=pk, pk=account_pk)


# --- packages -------------------------------------------------------------------------------------


@dialogs.view
@permission_required("dids.add_clientpackage", raise_exception=True)
def client_give(request, pk):
    client = client_of(request, pk)
    given = ClientPackage(client=client)
    back_url = dialogs.back_to(request, *client_pages(client))
    form = GiveForm(
        request.POST if request.method == "POST" else None,
        instance=given,
        by=request.user,
        choices_url=reverse("clients:package_choices", args=[client.pk]),
    )
    if form.is_valid() and form.give():
        places = given.package.did_limit
        begins = " It has not begun yet." if given.starts_at > timezone.now() else ""
        messages.success(
            request, f"{client} has the package {given.package}, with places for {places:,} numbers.{begins}"
        )
        return dialogs.close(request, back_url)
    status = 422 if form.errors else 200
    title = f"Give {client} a package"
    context = {"form": form, "title": title, "action_url": request.path, "verb": "Give package"}
    return dialogs.show(
        request, "packages/client_packages/_form.html", context, title=title, back_url=back_url, status=status
    )


@require_safe
@permission_required("dids.add_clientpackage", raise_exception=True)
def package_choices(request, pk):
    return choices(request, packages_for(client_of(request, pk)).order_by("name", "pk"), search="name")

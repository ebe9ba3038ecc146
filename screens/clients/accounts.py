"""Accounts of a client: the dialogs on the client's page."""

from django.contrib.auth.decorators import permission_required
from django.urls import reverse

from clients.models import Account
from didmgmt import dialogs
from dids.forms.clients import AccountForm
from dids.lists import records
from screens.clients.clients import CLIENTS
from screens.packages.stopping import client_pages
from screens.records import Records


def _client_page(account):
    return reverse("clients:detail", args=[account.client_id])


ACCOUNTS = Records(
    list=records.ACCOUNTS,
    form=AccountForm,
    list_url=_client_page,
    pages=lambda account: client_pages(account.client),
    whose=lambda account: f"for {account.client}",
    edit_url=lambda account: reverse("clients:account_edit", args=[account.client_id, account.pk]),
)


@dialogs.view
@permission_required("clients.add_account", raise_exception=True)
def account_new(request, pk):
    return ACCOUNTS.save(request, Account(client=CLIENTS.get(request, pk)))


@dialogs.view
@permission_required("clients.change_account", raise_exception=True)
def account_edit(request, pk, account_pk):
    return ACCOUNTS.save(request, ACCOUNTS.get(request, account_pk, client=pk))


@dialogs.view
@permission_required("clients.delete_account", raise_exception=True)
def account_delete(request, pk, account_pk):
    return ACCOUNTS.delete(request, ACCOUNTS.get(request, account_pk, client=pk))

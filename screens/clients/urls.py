from django.urls import path

from dids.job_kinds import CLIENT_MOVES
from screens.clients import accounts, assign, client, clients, dids

app_name = "clients"

urlpatterns = [
    path("", clients.client_list, name="list"),
    path("new/", clients.client_new, name="new"),
    path("<int:pk>/", client.client_detail, name="detail"),
    path("<int:pk>/edit/", clients.client_edit, name="edit"),
    path("<int:pk>/delete/", clients.client_delete, name="delete"),
    path("<int:pk>/close/", clients.client_close, name="close"),
    path("<int:pk>/reopen/", clients.client_reopen, name="reopen"),
    path("<int:pk>/accounts/new/", accounts.account_new, name="account_new"),
    path("<int:pk>/accounts/<int:account_pk>/", accounts.account_edit, name="account_edit"),
    path("<int:pk>/accounts/<int:account_pk>/delete/", accounts.account_delete, name="account_delete"),
    path("<int:pk>/give/", client.client_give, name="give"),
    path("<int:pk>/choices/packages/", client.package_choices, name="package_choices"),
    path("<int:pk>/dids/", dids.client_dids, name="dids"),
    path("<int:pk>/dids/add/", assign.client_add_dids, name="add_dids"),
    path("<int:pk>/dids/choices/accounts/", dids.account_choices, name="dids_accounts"),
    path("<int:pk>/dids/choices/packages/", dids.package_choices, name="dids_packages"),
    *(
        path(f"<int:pk>/dids/{move}/", dids.client_dids_move, {"move": move}, name=f"{move}_dids")
        for move in CLIENT_MOVES
    ),
]

from django.urls import path

from dids.reference import TABLES
from dids.views import (
    assigning,
    audit,
    client_dids,
    client_packages,
    clients,
    exporting,
    importing,
    inventory,
    mass,
    new,
    number,
    packages,
    reference,
    resellers,
    undo,
    who_had_it,
)
from dids.work import CLIENT_MOVES

app_name = "dids"

urlpatterns = [
    path("", inventory.did_list, name="list"),
    path("export/", exporting.did_export, name="export"),
    path("import/", importing.import_upload, name="import"),
    path("import/<uuid:pk>/columns/", importing.import_columns, name="import_columns"),
    path("import/<uuid:pk>/reading/", importing.import_reading, name="import_reading"),
    path("import/<uuid:pk>/check/", importing.import_check, name="import_check"),
    path("import/<uuid:pk>/result/", importing.import_result, name="import_result"),
    path("import/<uuid:pk>/refused.csv", importing.import_refused, name="import_refused"),
    path("new/", new.did_new, name="new"),
    path("mass-edit/", mass.did_mass_edit, name="mass_edit"),
    path("assign/", assigning.did_assign, name="assign"),
    path("delete/", mass.did_delete, name="delete"),
    path("<int:pk>/", number.did_detail, name="detail"),
    path("<int:pk>/history/", number.did_history, name="history"),
    path("choices/clients/", inventory.client_choices, name="client_choices"),
    path("choices/tags/", inventory.tag_choices, name="tag_choices"),
]

# Of tables whose lists are elsewhere: these addresses lie beside the lists', not below /dids/.
reference_urlpatterns = [
    path(f"{table}/{what}/", view, {"table": table}, name=f"{table}_{what}")
    for table in TABLES
    for what, view in (("import", reference.reference_import), ("export", reference.reference_export))
]

audit_urlpatterns = [
    path("", audit.change_list, name="list"),
    path("<int:pk>/", audit.change_detail, name="detail"),
    path("<int:pk>/rows.csv", audit.change_rows_csv, name="rows_csv"),
    path("<int:pk>/undo/", undo.change_undo, name="undo"),
    path("outside/", audit.outside, name="outside"),
    path("outside/<slug:kind>/<int:moment>/", audit.outside_rows, name="outside_rows"),
    path("choices/people/", audit.people, name="people"),
    path("who-had-it/", who_had_it.who_had_it, name="who_had_it"),
    path("who-had-it/statement/", who_had_it.who_had_it_statement, name="who_had_it_statement"),
    path("who-had-it/csv/", who_had_it.who_had_it_csv, name="who_had_it_csv"),
]

client_urlpatterns = [
    path("", clients.client_list, name="list"),
    path("new/", clients.client_new, name="new"),
    path("<int:pk>/", clients.client_detail, name="detail"),
    path("<int:pk>/edit/", clients.client_edit, name="edit"),
    path("<int:pk>/delete/", clients.client_delete, name="delete"),
    path("<int:pk>/close/", clients.client_close, name="close"),
    path("<int:pk>/reopen/", clients.client_reopen, name="reopen"),
    path("<int:pk>/accounts/new/", clients.account_new, name="account_new"),
    path("<int:pk>/accounts/<int:account_pk>/", clients.account_edit, name="account_edit"),
    path("<int:pk>/accounts/<int:account_pk>/delete/", clients.account_delete, name="account_delete"),
    path("<int:pk>/give/", clients.client_give, name="give"),
    path("<int:pk>/choices/packages/", clients.package_choices, name="package_choices"),
    path("<int:pk>/dids/", client_dids.client_dids, name="dids"),
    path("<int:pk>/dids/add/", assigning.client_add_dids, name="add_dids"),
    path("<int:pk>/dids/choices/accounts/", client_dids.account_choices, name="dids_accounts"),
    path("<int:pk>/dids/choices/packages/", client_dids.package_choices, name="dids_packages"),
    *(
        path(f"<int:pk>/dids/{move}/", client_dids.client_dids_move, {"move": move}, name=f"{move}_dids")
        for move in CLIENT_MOVES
    ),
]

package_urlpatterns = [
    path("", packages.package_list, name="list"),
    path("new/", packages.package_new, name="new"),
    path("<int:pk>/", packages.package_detail, name="detail"),
    path("<int:pk>/edit/", packages.package_edit, name="edit"),
    path("<int:pk>/delete/", packages.package_delete, name="delete"),
    path("<int:pk>/archive/", packages.package_archive, name="archive"),
    path("<int:pk>/restore/", packages.package_restore, name="restore"),
    path("choices/", packages.package_choices, name="choices"),
]

client_package_urlpatterns = [
    path("", client_packages.client_package_list, name="list"),
    path("<int:pk>/activate/", client_packages.client_package_activate, name="activate"),
    path("<int:pk>/deactivate/", client_packages.client_package_deactivate, name="deactivate"),
    path("<int:pk>/end/", client_packages.client_package_end, name="end"),
]

reseller_urlpatterns = [
    path("", resellers.reseller_list, name="list"),
    path("new/", resellers.reseller_new, name="new"),
    path("<int:pk>/", resellers.reseller_edit, name="edit"),
    path("<int:pk>/delete/", resellers.reseller_delete, name="delete"),
]

from django.urls import path

from dids.reference import TABLES
from dids.views import exporting, importing, inventory, mass, new, number, reference

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

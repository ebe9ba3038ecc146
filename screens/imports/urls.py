from django.urls import path

from dids.reference_files.tables import TABLES
from screens.imports import reference, wizard

urlpatterns = [
    path("", wizard.import_upload, name="import"),
    path("<uuid:pk>/columns/", wizard.import_columns, name="import_columns"),
    path("<uuid:pk>/reading/", wizard.import_reading, name="import_reading"),
    path("<uuid:pk>/check/", wizard.import_check, name="import_check"),
    path("<uuid:pk>/result/", wizard.import_result, name="import_result"),
    path("<uuid:pk>/refused.csv", wizard.import_refused, name="import_refused"),
]

# Reference files have their addresses next to those of their lists, not under /dids/.
reference_urlpatterns = [
    path(f"{table}/{what}/", view, {"table": table}, name=f"{table}_{what}")
    for table in TABLES
    for what, view in (("import", reference.reference_import), ("export", reference.reference_export))
]

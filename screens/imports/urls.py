from django.urls import path

from dids.reference_files.tables import TABLES
from screens.imports import check, reference, wizard

urlpatterns = [
    path("", wizard.import_upload, name="import"),
    path("<uuid:pk>/columns/", wizard.import_columns, name="import_columns"),
    path("<uuid:pk>/reading/", wizard.import_reading, name="import_reading"),
    path("<uuid:pk>/check/", check.import_check, name="import_check"),
    path("<uuid:pk>/flagged/", check.import_flagged, name="import_flagged"),
    path("<uuid:pk>/discard/", check.import_discard, name="import_discard"),
    path("<uuid:pk>/result/", check.import_result, name="import_result"),
    path("<uuid:pk>/refused.csv", check.import_refused, name="import_refused"),
    path("<uuid:pk>/left-out.csv", check.import_left_out, name="import_left_out"),
]

# Reference files have their addresses next to those of their lists, not under /dids/.
reference_urlpatterns = [
    path(f"{table}/{what}/", view, {"table": table}, name=f"{table}_{what}")
    for table in TABLES
    for what, view in (("import", reference.reference_import), ("export", reference.reference_export))
]

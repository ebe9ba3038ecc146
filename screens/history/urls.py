from django.urls import path

from screens.history import audit, undo, who_had_it

app_name = "audit"

urlpatterns = [
    path("", audit.change_list, name="list"),
    path("<int:pk>/", audit.change_detail, name="detail"),
    path("<int:pk>/rows.csv", audit.change_rows_csv, name="rows_csv"),
    path("<int:pk>/undo/", undo.change_undo, name="undo"),
    path("outside/", audit.external_write_list, name="external_writes"),
    path(
        "outside/<slug:object_type>/<int:microsecond>/", audit.external_write_rows, name="external_write_rows"
    ),
    path("choices/people/", audit.people, name="people"),
    path("who-had-it/", who_had_it.who_had_it, name="who_had_it"),
    path("who-had-it/statement/", who_had_it.who_had_it_statement, name="who_had_it_statement"),
    path("who-had-it/csv/", who_had_it.who_had_it_csv, name="who_had_it_csv"),
]

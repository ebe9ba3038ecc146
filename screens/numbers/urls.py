from django.urls import include, path

from screens.clients import assign
from screens.numbers import export, inventory, mass_edit, new, number, views

app_name = "dids"

urlpatterns = [
    path("", inventory.did_list, name="list"),
    path("search/", inventory.did_search, name="search"),
    path("export/", export.did_export, name="export"),
    path("missing/", export.did_missing, name="missing"),
    path("import/", include("screens.imports.urls")),
    path("new/", new.did_new, name="new"),
    path("mass-edit/", mass_edit.did_mass_edit, name="mass_edit"),
    path("assign/", assign.did_assign, name="assign"),
    path("delete/", mass_edit.did_delete, name="delete"),
    path("<int:pk>/", number.did_detail, name="detail"),
    path("<int:pk>/explanation/", number.did_explanation, name="explanation"),
    path("<int:pk>/history/", number.did_history, name="history"),
    path("columns/", views.list_columns, name="columns"),
    path("views/new/", views.view_new, name="view_new"),
    path("views/<int:pk>/", views.view_edit, name="view_edit"),
    path("views/<int:pk>/save/", views.view_save, name="view_save"),
    path("choices/clients/", inventory.client_choices, name="client_choices"),
    path("choices/tags/", inventory.tag_choices, name="tag_choices"),
]

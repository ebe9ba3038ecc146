from django.urls import path

from screens.overview import views

app_name = "overview"

urlpatterns = [
    path("", views.overview, name="stock"),
    path("export/", views.overview_export, name="export"),
]

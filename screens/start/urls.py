from django.urls import path

from screens.start import views

app_name = "start"

urlpatterns = [
    path("", views.start, name="start"),
    path("statuses/", views.statuses, name="statuses"),
]

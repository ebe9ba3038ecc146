from django.urls import path

from screens.reservations import views

app_name = "reservations"

urlpatterns = [
    path("", views.reservation_list, name="list"),
    path("export/", views.reservation_export, name="export"),
    path("new/", views.reservation_new, name="new"),
    path("<int:pk>/extend/", views.reservation_extend, name="extend"),
    path("<int:pk>/end/", views.reservation_end, name="end"),
    path("<int:pk>/assign/", views.reservation_assign, name="assign"),
]

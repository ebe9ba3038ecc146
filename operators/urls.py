from django.urls import path

from operators import views

app_name = "operators"

urlpatterns = [
    path("", views.operator_list, name="list"),
    path("new/", views.operator_new, name="new"),
    path("<int:pk>/", views.operator_edit, name="edit"),
    path("<int:pk>/delete/", views.operator_delete, name="delete"),
    path("choices/", views.operator_choices, name="choices"),
    path("choices/resellers/", views.reseller_choices, name="reseller_choices"),
]

from django.urls import path

from screens.operators import operators, resellers

app_name = "operators"

urlpatterns = [
    path("", operators.operator_list, name="list"),
    path("new/", operators.operator_new, name="new"),
    path("<int:pk>/", operators.operator_edit, name="edit"),
    path("<int:pk>/delete/", operators.operator_delete, name="delete"),
    path("choices/", operators.operator_choices, name="choices"),
    path("choices/resellers/", operators.reseller_choices, name="reseller_choices"),
]

reseller_urlpatterns = [
    path("", resellers.reseller_list, name="list"),
    path("new/", resellers.reseller_new, name="new"),
    path("<int:pk>/", resellers.reseller_edit, name="edit"),
    path("<int:pk>/delete/", resellers.reseller_delete, name="delete"),
]

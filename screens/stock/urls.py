from django.urls import path

from screens.stock import views

app_name = "stock_levels"

urlpatterns = [
    path("", views.level_list, name="list"),
    path("new/", views.level_new, name="new"),
    path("<int:pk>/", views.level_edit, name="edit"),
    path("<int:pk>/delete/", views.level_delete, name="delete"),
]

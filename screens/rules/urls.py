from django.urls import path

from screens.rules import views

app_name = "rules"

urlpatterns = [
    path("", views.rule_list, name="list"),
    path("new/", views.rule_new, name="new"),
    path("<int:pk>/", views.rule_edit, name="edit"),
    path("<int:pk>/accept/", views.rule_accept, name="accept"),
    path("<int:pk>/remove/", views.rule_remove, name="remove"),
]

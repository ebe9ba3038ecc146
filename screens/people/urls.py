from django.urls import path

from screens.people import people, roles

people_urlpatterns = [
    path("", people.person_list, name="list"),
    path("new/", people.person_new, name="new"),
    path("<int:pk>/", people.person_edit, name="edit"),
    path("<int:pk>/password/", people.person_password, name="password"),
    path("<int:pk>/deactivate/", people.person_deactivate, name="deactivate"),
    path("<int:pk>/activate/", people.person_activate, name="activate"),
    path("<int:pk>/delete/", people.person_delete, name="delete"),
]

role_urlpatterns = [
    path("", roles.role_list, name="list"),
    path("new/", roles.role_new, name="new"),
    path("<int:pk>/", roles.role_edit, name="edit"),
    path("<int:pk>/delete/", roles.role_delete, name="delete"),
]

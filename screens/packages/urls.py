from django.urls import path

from screens.packages import client_packages, packages

app_name = "packages"

urlpatterns = [
    path("", packages.package_list, name="list"),
    path("new/", packages.package_new, name="new"),
    path("<int:pk>/", packages.package_detail, name="detail"),
    path("<int:pk>/edit/", packages.package_edit, name="edit"),
    path("<int:pk>/delete/", packages.package_delete, name="delete"),
    path("<int:pk>/archive/", packages.package_archive, name="archive"),
    path("<int:pk>/restore/", packages.package_restore, name="restore"),
    path("choices/", packages.package_choices, name="choices"),
]

client_package_urlpatterns = [
    path("", client_packages.client_package_list, name="list"),
    path("<int:pk>/activate/", client_packages.client_package_activate, name="activate"),
    path("<int:pk>/deactivate/", client_packages.client_package_deactivate, name="deactivate"),
    path("<int:pk>/end/", client_packages.client_package_end, name="end"),
]

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class StaffConfig(AppConfig):
    name = "staff"
    default = True


class StaffAdminConfig(SimpleAdminConfig):
    """Django's admin, for people and roles alone: what other packages would add is not looked for."""

    default_site = "staff.admin_site.StaffAdminSite"

    def ready(self):
        super().ready()
        from staff import admin  # noqa: F401 (registers)

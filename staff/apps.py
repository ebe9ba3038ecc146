from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class StaffConfig(AppConfig):
    name = "staff"
    default = True


class StaffAdminConfig(SimpleAdminConfig):
    """Register users and roles only; admin modules of other packages are not discovered."""

    default_site = "staff.admin_site.StaffAdminSite"

    def ready(self):
        super().ready()
        from staff import admin  # noqa: F401 (registers)

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"
    default = True

    def ready(self):
        from staff.records import after_migrate

        post_migrate.connect(after_migrate, sender=self)


class StaffAdminConfig(SimpleAdminConfig):
    """Register users and roles only; admin modules of other packages are not discovered."""

    default_site = "staff.admin_site.StaffAdminSite"

    def ready(self):
        super().ready()
        from staff import admin  # noqa: F401 (registers)

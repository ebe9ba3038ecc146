from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"

    def ready(self):
        from staff.records import after_migrate

        post_migrate.connect(after_migrate, sender=self)

from django.apps import AppConfig
from django.core.signals import request_finished
from django.db.models.signals import post_migrate


class StaffConfig(AppConfig):
    name = "staff"

    def ready(self):
        from staff.records import after_migrate
        from staff.tokens import write_use

        post_migrate.connect(after_migrate, sender=self)
        request_finished.connect(write_use, dispatch_uid="staff.tokens")

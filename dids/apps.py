from django.apps import AppConfig


class DidsConfig(AppConfig):
    name = "dids"
    verbose_name = "DIDs"

    def ready(self):
        # Importing them registers job kinds, periodic tasks and triggers.
        from dids import job_kinds, periodic  # noqa: F401
        from dids.history.undo import job  # noqa: F401
        from dids.imports import rows, wizard  # noqa: F401

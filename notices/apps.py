from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "notices"

    def ready(self):
        # Importing them registers what follows the end of jobs, periodic tasks and a companion of the worker.
        from notices import mailing, periodic, writing  # noqa: F401

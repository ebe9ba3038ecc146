from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "notices"

    def ready(self):
        # Importing them registers what follows the end of jobs, and periodic tasks.
        from notices import periodic, writing  # noqa: F401

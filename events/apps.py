from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self):
        # Importing them registers what follows changes and jobs, companions of the worker and periodic tasks.
        from events import delivery, job_kinds, periodic, recording  # noqa: F401

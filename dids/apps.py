from django.apps import AppConfig


class DidsConfig(AppConfig):
    name = "dids"
    verbose_name = "DIDs"

    def ready(self):
        from dids import job_kinds as work  # noqa: F401 (they register what they keep and do)
        from dids import periodic as duties  # noqa: F401 (they register what they keep and do)
        from dids.history.undo import undo  # noqa: F401 (they register what they keep and do)
        from dids.models import counters as stock  # noqa: F401 (they register what they keep and do)

from django.apps import AppConfig


class DidsConfig(AppConfig):
    name = "dids"
    verbose_name = "DIDs"

    def ready(self):
        from dids import job_kinds as work  # noqa: F401 (they register what they keep and do)
        from dids import periodic as duties  # noqa: F401 (they register what they keep and do)
        from dids.history.undo import job  # noqa: F401 (they register what they keep and do)

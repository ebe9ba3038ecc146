from django.apps import AppConfig


class DidsConfig(AppConfig):
    name = "dids"
    verbose_name = "DIDs"

    def ready(self):
        from dids import duties, stock, undo, work  # noqa: F401 (they register what they keep and do)

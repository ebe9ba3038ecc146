import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "didmgmt.settings")
application = get_wsgi_application()

from didmgmt import patience  # noqa: E402 - needs the settings

patience.limit_to(patience.REQUEST)

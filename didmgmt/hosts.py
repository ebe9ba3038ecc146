"""Refuse requests for other host names than ALLOWED_HOSTS, but answer monitors, which ask by address."""

from django.middleware import common

from didmgmt.server import MONITORED


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which also refuses host names, except for the pages of monitors.

    Load balancers and containers know a web server by its address. These pages name no host in their answers.
    """

    def process_request(self, request):
        return None if request.path in MONITORED else super().process_request(request)

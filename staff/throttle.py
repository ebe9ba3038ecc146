"""Pause sign-in for an address after wrong passwords for many usernames."""

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum


class AddressHandler(AxesDatabaseHandler):
    """Count failures by username and address, as configured, and in addition those of an address alone.

    The second limit is higher, because the people of an office share an address.
    """

    def is_locked(self, request, credentials=None):
        if super().is_locked(request, credentials):
            return True
        # axes shows its page for the first limit by itself.
        request.axes_locked_out = self._too_many_from(request)
        return request.axes_locked_out

    def _too_many_from(self, request):
        attempts = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address, attempt_time__gte=get_cool_off_threshold(request)
        )
        failures = attempts.aggregate(count=Sum("failures_since_start"))["count"] or 0
        return failures >= settings.SIGN_IN_FAILURES_PER_ADDRESS

from django.utils import timezone


class TimeZoneMiddleware:
    """Moments are shown in the time zone of the person who is signed in.

    Comes after LoginRequiredMiddleware: pages that need no sign-in stay in the installation's zone
    and, like the health checks, work without asking who is there.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def process_view(self, request, view, args, kwargs):
        if getattr(view, "login_required", True):
            timezone.activate(request.user.time_zone)

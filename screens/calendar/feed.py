"""The dialog that makes an iCal feed: an address with a token of its own."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.urls import reverse

from didmgmt import dialogs
from screens.programs.forms import FeedForm


@dialogs.view
@permission_required("staff.add_token", raise_exception=True)
def feed_new(request):
    """Make a token that can do nothing but read the calendar, and show its address once."""
    form = FeedForm(dialogs.posted(request), owner=request.user)
    calendar_url = reverse("calendar:calendar")
    back_url = dialogs.back_to(request, calendar_url)
    text = form.is_valid() and form.issue(by=request.user)
    if not text:
        return dialogs.show(
            request,
            "calendar/_new_feed.html",
            {"form": form},
            title="iCal feed",
            back_url=back_url,
            status=422 if form.errors else 200,
        )
    token = form.instance
    messages.success(request, f"The feed “{token}” is made. Its address can’t be shown again.")
    return dialogs.show_secret(
        request,
        "calendar/_feed.html",
        {"token": token},
        title=f"Copy the address of {token} now",
        secret=request.build_absolute_uri(reverse("api:calendar_feed", args=[text])),
        label="The address of the feed",
        noun="the address",
        then_url=calendar_url,
        back_url=back_url,
    )

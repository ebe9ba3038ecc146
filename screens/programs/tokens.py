"""API tokens: the list with examples, the dialog that creates one, and the one that revokes it."""

import json
import shlex

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Case, F, When
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from didmgmt import dialogs
from didmgmt.dates import show_minute
from didmgmt.listing import Listing
from didmgmt.text import count_noun
from screens.people.people import confirm
from screens.programs.forms import TokenFilter, TokenForm
from staff.models import Token

_REVOKED_LAST = Case(When(revoked_at=None, then=0), default=1)
SORTS = {
    "name": (_REVOKED_LAST, Lower("name"), "id"),
    "person": (Lower("owner__username"), "id"),
    "used": (F("last_used_at"), "id"),
    "expires": (F("expires_at"), "id"),
}


@require_safe
def token_list(request):
    listing = Listing(
        request.GET,
        Token.objects.visible_to(request.user),
        TokenFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: found.select_related("owner", "reseller"),
    )
    context = {
        "listing": listing,
        "ending": Token.objects.filter(owner=request.user).ending().order_by("expires_at"),
        "examples": examples(request.build_absolute_uri("/api/v1")),
        "variables": VARIABLES,
        "limit": settings.API_REQUESTS_PER_MINUTE,
    }
    return render(request, "programs/tokens.html", context)


@dialogs.view
@permission_required("staff.add_token", raise_exception=True)
def token_new(request):
    form = TokenForm(dialogs.posted(request), owner=request.user)
    back_url = dialogs.back_to(request, reverse("tokens:list"))
    text = form.is_valid() and form.issue(by=request.user)
    if not text:
        return dialogs.show(
            request,
            "programs/_new_token.html",
            {"form": form},
            title="New token",
            back_url=back_url,
            status=422 if form.errors else 200,
        )
    token = form.instance
    messages.success(request, f"The token “{token}” is created. Its secret can’t be shown again.")
    return dialogs.show_secret(
        request,
        "programs/_created.html",
        {"token": token},
        title=f"Copy the token {token} now",
        secret=text,
        label="The token with its secret",
        noun="the token",
        then_url=reverse("tokens:list"),
        back_url=back_url,
    )


@dialogs.view
def token_revoke(request, pk):
    tokens = Token.objects.visible_to(request.user).select_related("owner")
    token = get_object_or_404(tokens, pk=pk)
    return confirm(
        request,
        lambda: token.revoke(by=request.user),
        list_url=reverse("tokens:list"),
        title=f"Revoke {token}?",
        says=_consequences(token),
        refusal=f"{token} was revoked on {_minute(token.revoked_at)}." if token.revoked_at else "",
        button=f"Revoke {token}",
        done=f"{token} is revoked: requests with it are refused from now on.",
        danger=True,
    )


def _consequences(token):
    if token.last_used_at:
        used = f"It was last used on {_minute(token.last_used_at)} from {token.last_used_from}."
    else:
        used = "It has never been used."
    says = [f"{used} Programs that send it are refused at once. This can’t be undone."]
    if jobs := token.jobs.unfinished().count():
        says.append(f"{count_noun(jobs, 'unfinished job')} of this token will stop.")
    return says


def _minute(at):
    return show_minute(timezone.localtime(at))


# What the commands take from the shell, as docs/api.md does: placeholders to replace
VARIABLES = """TOKEN=did_…      # the token, with its secret
NUMBER=…         # a number of yours that is In Stock
ACCOUNT=…        # the id of a client’s account"""


def examples(address):
    """Return [(title, command, answer)] that show the API at ``address``, such as "https://host/api/v1"."""
    head = 'curl -H "Authorization: Bearer $TOKEN"'
    listed = f"{address}/dids?status=instock&limit=20"
    rehearsed = _sent(action="reserve", numbers=["$NUMBER"], dry_run=True)
    return [
        (
            "Up to 20 numbers that are In Stock",
            f"{head} \\\n  {shlex.quote(listed)}",
            '200  {"items": [{"number": "…", "status": "instock", …}, …], "next": "…"}',
        ),
        (
            "Rehearse a move: changes nothing",
            f"{head} \\\n  {rehearsed} \\\n  {address}/dids/bulk",
            '200  {"dry_run": true, "selected": 1, "result": {"done": 1, …}, "refusals": []}',
        ),
        (
            "Assign the number: this really writes. The key makes a repeat harmless",
            f"""{head} -H "Idempotency-Key: assign-$NUMBER" \\
  {_sent(account="$ACCOUNT")} \\
  {address}/dids/$NUMBER/assign""",
            '200  {"sentence": "1 number assigned to …", "did": {"number": "…", "status": "active", …}, …}',
        ),
    ]


def _sent(**body):
    """Return the options of curl that send a body, in which the shell replaces variables."""
    text = json.dumps(body).replace('"$ACCOUNT"', "$ACCOUNT").replace('"', '\\"')
    return f'-H "Content-Type: application/json" \\\n  -d "{text}"'

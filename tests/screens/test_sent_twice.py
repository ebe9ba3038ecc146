"""Every form that writes is carried out once, however often it is sent."""

from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from didmgmt.form_tokens import ALREADY, FIELD
from didmgmt.models import SentForm
from tests.screens.test_access import ADDRESSES, ids, owner, world  # noqa: F401 (fixtures)
from tests.world import client_of

# Forms that sign in or out, search, or only change what a running job or the sender's own settings are.
WITHOUT_TOKEN = {
    "_paging.html",  # settings, the same however often they are sent
    "_person_menu.html",
    "history/who_had_it.html",
    "imports/_columns.html",
    "imports/_discard.html",
    "imports/_effects.html",
    "imports/columns.html",
    "imports/reference/import.html",
    "imports/result.html",
    "imports/running.html",
    "jobs/detail.html",
    "numbers/_columns_menu.html",
    "notices/list.html",  # marks as read
    "kept_form.html",  # repeats the token of the form
    "staff/_session_dialog.html",
    "staff/login.html",
    "staff/me.html",
    "staff/password_change.html",
}
SENT_BY_OWNER = [
    address
    for address in ADDRESSES
    if address.post["owner"] == "302" and not address.name.startswith(("staff:", "home", "audit:who"))
]
SENT_BY_ADMINISTRATOR = [
    address
    for address in ADDRESSES
    if address.name.startswith("resellers:") and address.post["administrator"] == "302"
]


def stored():
    """Return how many rows each table has, but for those of the mechanism, of sessions and of messages."""
    models = [model for model in apps.get_models() if model._meta.app_label not in ("sessions", "axes")]
    return {model._meta.label: model.objects.count() for model in models if model is not SentForm}


def test_every_form_that_writes_has_a_token():
    templates = Path(settings.BASE_DIR) / "templates"
    without = set()
    for path in templates.rglob("*.html"):
        text = path.read_text()
        if text.count("{% csrf_token %}") > text.count("{% csrf_token %}{% form_token %}"):
            without.add(str(path.relative_to(templates)))
    assert without == WITHOUT_TOKEN


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address", [*SENT_BY_OWNER, *SENT_BY_ADMINISTRATOR], ids=lambda address: address.name
)
def test_a_form_sent_twice_is_carried_out_once(address, ids, world, owner, administrator):  # noqa: F811
    by_owner = address in SENT_BY_OWNER
    browser = client_of(owner if by_owner else administrator)
    path = address.path.format(**ids)
    fields = {name: value.format(**ids) for name, value in address.sent.items()} | {FIELD: "from-the-page"}
    first = browser.post(path, fields)
    assert first.status_code == 302
    before = stored()

    again = browser.post(path, fields)
    assert (again.status_code, again.url) == (302, first.url)
    assert stored() == before
    if SentForm.objects.exists():
        assert ALREADY in browser.get("/password/").content.decode()

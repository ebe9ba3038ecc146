"""``manage.py token`` on the command line."""

import io

import pytest
from django.core.management import CommandError, call_command

from audit.models import Change
from staff import tokens
from staff.models import Token
from tests.staff.test_tokens import ADDRESS, refusal

pytestmark = pytest.mark.django_db


def token(*arguments):
    """Return what the command writes for programs."""
    out = io.StringIO()
    call_command("token", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def create(*arguments, owner="supervisor"):
    return token("create", "billing-sync", "--owner", owner, *arguments)


def test_a_token_is_created_listed_and_revoked(world, supervisor):
    text = create(
        "--scope", "dids:write", "--scope", "clients:read", "--network", ADDRESS, "--reseller", "Reseller 2"
    )
    user = tokens.user_of(f"Bearer {text}", ADDRESS)
    assert user == supervisor and user.reseller == world.reseller_2
    assert Change.objects.latest("pk").actor_name == "system"
    listed = token("list", "--owner", "supervisor")
    assert listed.startswith(
        f"did_{user.token.key}  billing-sync, token of supervisor  dids:write clients:read"
    )
    assert text.partition(".")[2] not in listed
    assert token("revoke", text.partition(".")[0]) == (
        "billing-sync of supervisor is revoked: requests with it are refused from now on."
    )
    assert refusal(f"Bearer {text}").code == "revoked"
    assert token("list") == "There is no token."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scope", "dids:read", "--reseller", "Nobody"], "There is no reseller “Nobody”."),
        (["--scope", "cars:read"], "scopes: There is no resource “cars”."),
        (["--scope", "dids:read", "--network", "10.0.0.300"], "networks: “10.0.0.300” is not an address."),
        (["--scope", "dids:read", "--days", "3000"], "expires_at: A token can be valid for at most 5 years."),
        (["--scope", "dids:read", "--days", "99999999"], "A token can be valid for at most 5 years."),
        (["--scope", "dids:read", "--days", "0"], "expires_at: This date is over."),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(supervisor, arguments, sentence):
    with pytest.raises(CommandError) as error:
        create(*arguments)
    assert sentence in str(error.value) and not Token.objects.exists()


def test_what_does_not_exist_or_is_done_is_refused_with_a_sentence(supervisor):
    with pytest.raises(CommandError, match="There is no user “nobody”."):
        create("--scope", "dids:read", owner="nobody")
    with pytest.raises(CommandError, match="There is no token with the key “abc”."):
        token("revoke", "abc")
    key = create("--scope", "dids:read").partition(".")[0]
    token("revoke", key)
    with pytest.raises(CommandError, match="was revoked before"):
        token("revoke", key)

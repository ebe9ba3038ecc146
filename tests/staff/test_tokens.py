"""API tokens: who they belong to, what they may do, and when they are refused."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from audit.models import Change
from clients.models import Reseller
from didmgmt import clock
from didmgmt.limits import Buckets, LimitError
from dids.models import DID
from jobs.models import Job
from staff import scopes, tokens
from staff.models import Token, TokenRecordHistory, User
from staff.rights import AREAS
from tests.servers import without_database
from tests.world import member

pytestmark = pytest.mark.django_db
ADDRESS = "192.0.2.7"


def issue(owner, levels="dids:write", *, days=365, **fields):
    """Create a token and return (token, the value of the header)."""
    fields = {"name": "billing-sync", "expires_at": clock.now() + timedelta(days)} | fields
    token = Token(owner=owner, scopes=levels, **fields)
    return token, f"Bearer {token.issue(by=owner)}"


def refusal(header, address=ADDRESS):
    with pytest.raises(tokens.TokenRefusedError) as refused:
        tokens.user_of(header, address)
    return refused.value


def problem(owner, levels="dids:read", **fields):
    """Return {field: sentence} of a token that is refused."""
    with pytest.raises(ValidationError) as error:
        issue(owner, levels, **fields)
    assert not Token.objects.exists()
    return {field: sentences[0] for field, sentences in error.value.message_dict.items()}


# --- what it may do ----------------------------------------------------------------------------------


def test_a_token_has_those_rights_of_its_owner_that_its_scopes_include(supervisor):
    user = tokens.user_of(issue(supervisor, "dids:write clients:read")[1], ADDRESS)
    assert user == supervisor and user.token.name == "billing-sync" and user.is_authenticated
    assert user.has_perms(["dids.view_did", "dids.assign_did", "clients.view_client"])
    for right in ("dids.delete_did", "clients.change_client", "operators.view_operator", "jobs.view_job"):
        assert supervisor.has_perm(right) and not user.has_perm(right)
    assert ("dids", "read") in user.scopes and ("dids", "admin") not in user.scopes


def test_the_owner_of_a_token_is_found_with_two_queries(supervisor, django_assert_num_queries):
    header = issue(supervisor)[1]
    tokens.user_of(header, ADDRESS)
    with django_assert_num_queries(2):
        user = tokens.user_of(header, ADDRESS)
        assert (
            user.has_perm("dids.hold_did")
            and user.reseller is None
            and not user.get_group_permissions() - (user.get_all_permissions())
        )


def test_a_token_of_a_superuser_is_none(administrator, django_assert_num_queries):
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    header = issue(User.objects.get(pk=administrator.pk), "dids:read")[1]
    tokens.user_of(header, ADDRESS)
    with django_assert_num_queries(1):
        user = tokens.user_of(header, ADDRESS)
        assert user.has_perm("dids.view_did")
        assert not (user.is_superuser or user.is_staff or user.has_perm("dids.change_did"))


def test_rights_that_the_owner_loses_are_lost_at_once(supervisor):
    header = issue(supervisor, "dids:admin")[1]
    assert tokens.user_of(header, ADDRESS).has_perm("dids.delete_did")
    supervisor.groups.set([Group.objects.get(name="Viewer")])
    user = tokens.user_of(header, ADDRESS)
    assert user.has_perm("dids.view_did") and not user.has_perm("dids.change_did")
    assert user.scopes == {("dids", "read")}


@given(
    roles=st.lists(st.sampled_from(["Viewer", "Clerk", "Provisioner", "Supervisor", "Administrator"])),
    rights=st.lists(st.sampled_from(sorted(right for area in AREAS.values() for right in area)), max_size=4),
    levels=st.dictionaries(
        st.sampled_from(sorted(scopes.SCOPES)), st.sampled_from(scopes.LEVELS), min_size=1
    ),
)
def test_no_token_has_a_right_beyond_its_owner(roles, rights, levels):
    """Whatever roles its owner gets and loses after it was made, and whatever scopes it has."""
    owner, _ = User.objects.get_or_create(username="clara.okafor")
    text = " ".join(f"{resource}:{level}" for resource, level in levels.items())
    fields = {"digest": tokens.digest_of("x" * 43), "expires_at": clock.now() + timedelta(1)}
    Token.objects.update_or_create(key="Key1", defaults=fields | {"owner": owner, "scopes": text})
    owner.groups.set(Group.objects.filter(name__in=roles))
    owner.user_permissions.set(
        Permission.objects.filter(codename__in=[right.partition(".")[2] for right in rights])
    )
    held = User.objects.get(pk=owner.pk).get_all_permissions()
    allowed = {right for of in map(scopes.SCOPES.get, levels) for some in of.values() for right in some}
    got = tokens.user_of(f"Bearer did_Key1.{'x' * 43}", ADDRESS).get_all_permissions()
    assert got <= held & allowed


def test_every_scope_names_permissions_that_people_can_have():
    known = {right for area in AREAS.values() for right in area}
    named = {right for levels in scopes.SCOPES.values() for some in levels.values() for right in some}
    assert named <= known
    assert not {right for right in named if right.startswith(("staff.", "auth."))}


def test_reading_tags_passes_no_right_to_see_numbers_on(supervisor):
    user = tokens.user_of(issue(supervisor, "tags:read")[1], ADDRESS)
    assert user.scopes == {("tags", "read")} and not user.get_all_permissions()


def test_a_token_for_a_reseller_sees_that_reseller_alone(world, supervisor):
    header = issue(supervisor, reseller=world.reseller_2)[1]
    user = tokens.user_of(header, ADDRESS)
    assert user.reseller == world.reseller_2
    assert [did.number for did in DID.objects.visible_to(user)] == ["3333"]
    assert supervisor.reseller_id is None


def test_a_bound_owner_makes_tokens_of_its_reseller(world, owner):
    token, header = issue(owner)
    assert token.reseller == world.reseller == tokens.user_of(header, ADDRESS).reseller
    sentence = problem_of_second(owner, reseller=world.reseller_2)["reseller"]
    assert sentence == "owner is bound to Reseller 1, so the token can’t be for another."


def problem_of_second(owner, **fields):
    with pytest.raises(ValidationError) as error:
        issue(owner, name="second", **fields)
    return {field: sentences[0] for field, sentences in error.value.message_dict.items()}


def test_a_token_of_a_deleted_reseller_is_refused_and_never_for_all_resellers(world, supervisor):
    """Such as one that was made while the reseller was being deleted."""
    token, header = issue(supervisor, "dids:admin", reseller=world.reseller_2)
    DID.objects.filter(operator=world.operator_2).delete()
    world.operator_2.delete()
    gone = world.reseller_2.pk
    Reseller.objects.filter(pk=gone).delete()
    sentence = "The reseller of the token “billing-sync” was deleted. Create another token."
    refused = refusal(header)
    assert (refused.code, str(refused)) == ("inactive", sentence)
    with pytest.raises(tokens.TokenRefusedError, match="was deleted"):
        tokens.user_by_id(token.pk)
    browser = Browser(headers={"Authorization": header})
    answer = browser.get("/api/v1/dids")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_inactive")
    shown = tokens.user_by_id(token.pk, even_if_refused=True)
    for user in (shown, Job(owner=supervisor, token=token).actor):
        assert user.reseller_id == gone and user.reseller.pk == gone
        assert not DID.objects.visible_to(user).exists() and not Reseller.objects.visible_to(user).exists()
    for found in (Token.objects.get(), Token.objects.select_related("reseller").get()):
        assert found.has_lost_reseller and found.reseller_label == "Deleted reseller"


def test_a_token_of_a_deleted_reseller_is_refused_to_an_owner_who_sees_all(world, administrator):
    token, header = issue(administrator, reseller=world.reseller_2)
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    Token.objects.filter(pk=token.pk).update(reseller=2**40)
    assert refusal(header).code == "inactive"
    Token.objects.filter(pk=token.pk).update(reseller=world.reseller_2)
    assert tokens.user_of(header, ADDRESS).reseller == world.reseller_2


def test_a_token_stops_when_its_owner_moves_to_another_reseller(world, owner):
    header = issue(owner)[1]
    User.objects.filter(pk=owner.pk).update(reseller=world.reseller_2)
    assert refusal(header).code == "inactive"


def test_the_user_of_a_token_cannot_be_saved_or_read_again(supervisor):
    user = tokens.user_of(issue(supervisor)[1], ADDRESS)
    for write in (user.save, user.refresh_from_db):
        with pytest.raises(TypeError, match="for reading only"):
            write()


def test_a_change_of_a_token_names_the_token_and_its_owner(world, supervisor):
    token, header = issue(supervisor)
    user = tokens.user_of(header, ADDRESS)
    DID.objects.visible_to(user).filter(number="256999").edit(by=user, notes="By a program")
    change = Change.objects.latest("pk")
    assert (change.actor_kind, change.actor, change.actor_name) == ("token", supervisor, "billing-sync")
    assert change.data == {"token": token.pk, "owner": supervisor.username}


# --- when it is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "missing"),
        ("Basic Y2xhcmE6c2VjcmV0", "malformed"),
        ("Bearer did_abc", "malformed"),
        ("Bearer did_abcdefghijkl.", "malformed"),
        ("Bearer did_abcdefghijkl." + "é" * 43, "malformed"),
        ("Bearer did_abcdefghijkl." + "x" * 10_000, "malformed"),
        ("Bearer did_abcdefghijkl." + "x" * 43, "unknown"),
    ],
)
def test_a_header_without_a_token_of_ours_is_refused(header, code):
    assert refusal(header).code == code


def test_a_wrong_secret_says_the_same_as_an_unknown_key(supervisor):
    header = issue(supervisor)[1]
    wrong, unknown = refusal(header[:-43] + "x" * 43), refusal("Bearer did_abcdefghijkl." + "x" * 43)
    assert (wrong.code, str(wrong)) == (unknown.code, str(unknown))
    Token.objects.update(revoked_at=clock.now())
    assert refusal(header[:-43] + "x" * 43).code == "unknown"


def test_a_revoked_expired_or_orphaned_token_is_refused_with_the_next_request(supervisor):
    token, header = issue(supervisor)
    tokens.user_of(header, ADDRESS)
    assert token.revoke(by=supervisor) and not token.revoke(by=supervisor)
    assert str(refusal(header)) == "The token “billing-sync” was revoked. Create another one."
    Token.objects.update(revoked_at=None, expires_at=clock.now())
    assert refusal(header).code == "expired"
    Token.objects.update(expires_at=clock.now() + timedelta(1))
    User.objects.update(is_active=False)
    assert refusal(header).code == "inactive"


@pytest.mark.parametrize(
    ("networks", "address", "is_in"),
    [
        ("203.0.113.64/27", "203.0.113.70", True),
        ("203.0.113.64/27", "::ffff:203.0.113.70", True),
        ("203.0.113.64/27", "203.0.113.1", False),
        ("192.0.2.17, 2001:db8:40::/48", "2001:db8:40::9", True),
        ("192.0.2.17\n2001:db8:40::/48", "2001:db8:41::9", False),
        ("192.0.2.17", "192.0.2.17", True),
        ("192.0.2.17", "", False),
        ("", "2001:db8:41::9", True),
    ],
)
def test_a_token_is_used_from_its_networks_only(supervisor, networks, address, is_in):
    header = issue(supervisor, networks=networks)[1]
    if is_in:
        assert tokens.user_of(header, address) == supervisor
    else:
        assert refusal(header, address).code == "network"


def test_an_address_that_guesses_is_told_to_wait_and_tokens_go_on(supervisor, monkeypatch, caplog):
    monkeypatch.setattr(tokens, "_guesses", Buckets(tokens.GUESSES))
    header = issue(supervisor)[1]
    for _ in range(tokens.GUESSES):
        assert refusal("Bearer did_abcdefghijkl." + "x" * 43).code == "unknown"
    with pytest.raises(LimitError) as limit:
        tokens.user_of("Bearer did_abcdefghijkl." + "x" * 43, ADDRESS)
    assert limit.value.retry_after >= 1
    assert tokens.user_of(header, ADDRESS) == supervisor
    assert refusal("Bearer did_abcdefghijkl." + "x" * 43, "192.0.2.8").code == "unknown"
    assert len(caplog.messages) == tokens.GUESSES + 1


def test_a_refusal_is_logged_with_the_key_and_never_the_secret(supervisor, caplog):
    token, header = issue(supervisor)
    caplog.set_level(logging.DEBUG)
    refusal(header[:-1])
    refusal(header[:-43] + "x" * 43)
    token.revoke(by=supervisor)
    refusal(header)
    assert [f"Token {token.key} was refused from {ADDRESS}: {why}" for why in ("unknown",) * 2] == (
        caplog.messages[:2]
    )
    assert f"Token {token.key} was refused from {ADDRESS}: revoked" in caplog.messages
    assert header.partition(".")[2][:-1] not in caplog.text


# --- making and using one ----------------------------------------------------------------------------


def test_the_secret_of_a_token_is_stored_nowhere(supervisor):
    token, header = issue(supervisor, networks="203.0.113.64/27")
    secret = header.partition(".")[2]
    stored = [*Token.objects.values().get().values(), *TokenRecordHistory.objects.values().get().values()]
    stored += [str(change.__dict__) for change in Change.objects.all()]
    assert secret not in map(str, stored) and len(secret) == 43
    assert token.digest not in TokenRecordHistory.objects.values().get().values()


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"levels": "dids:admin"}, "scopes", "has no permission for dids:admin."),
        ({"levels": "cars:read"}, "scopes", "There is no resource “cars”."),
        ({"levels": "dids:all"}, "scopes", "Choose from dids:read, dids:write, dids:admin."),
        (
            {"levels": "changes:admin"},
            "scopes",
            "There is no scope “changes:admin”. Choose from changes:read.",
        ),
        ({"levels": "dids:read dids:write"}, "scopes", "“dids” is named twice."),
        ({"levels": "  "}, "scopes", "Choose at least one scope."),
        ({"networks": "203.0.113.300"}, "networks", "“203.0.113.300” is not an address."),
        ({"networks": "203.0.113.70/27"}, "networks", "Its address is in 203.0.113.64/27."),
        (
            {"networks": " ".join(f"192.0.2.{n}" for n in range(51))},
            "networks",
            "51 networks are more than 50",
        ),
        ({"days": -1}, "expires_at", "This date is over."),
        ({"days": 1827}, "expires_at", "at most 5 years"),
        ({"name": ""}, "name", "This field cannot be blank."),
    ],
)
def test_a_token_with_a_wrong_field_is_refused_at_that_field(provisioner, fields, field, sentence):
    found = problem(provisioner, **{"levels": "dids:read"} | fields)
    assert list(found) == [field] and sentence in found[field]


def test_a_name_is_free_again_once_its_token_is_revoked(supervisor, provisioner):
    token, _ = issue(supervisor)
    issue(provisioner)
    with pytest.raises(ValidationError, match="This name is taken by another token"):
        issue(supervisor)
    token.revoke(by=supervisor)
    issue(supervisor)


def test_making_and_revoking_a_token_is_in_the_audit_log_and_using_it_is_not(supervisor):
    token, header = issue(supervisor)
    tokens.user_of(header, ADDRESS)
    Browser().get("/healthz")
    token.revoke(by=supervisor)
    rows = TokenRecordHistory.objects.filter(object_id=token.pk).order_by("history_id")
    labels = [f"API token billing-sync of supervisor {did}" for did in ("created", "revoked")]
    assert [(row.event, row.change.label) for row in rows] == [("+", labels[0]), ("~", labels[1])]
    assert {row.change.kind for row in rows} == {"staff"}


def test_the_last_use_is_written_after_the_answer_and_at_most_once_a_minute(supervisor):
    token, header = issue(supervisor)
    tokens.user_of(header, ADDRESS)
    token.refresh_from_db()
    assert token.last_used_at is None
    Browser().get("/healthz")
    token.refresh_from_db()
    assert (token.last_used_from, token.last_used_at <= clock.now()) == (ADDRESS, True)
    Browser().get("/healthz")
    for minutes, address in ((0, ADDRESS), (2, "192.0.2.8")):
        Token.objects.update(last_used_at=clock.now() - timedelta(minutes=minutes))
        tokens.user_of(header, "192.0.2.8")
        Browser().get("/healthz")
        token.refresh_from_db()
        assert token.last_used_from == address


@pytest.mark.django_db(transaction=True)
def test_a_use_that_cannot_be_written_breaks_no_answer(supervisor, monkeypatch):
    _, header = issue(supervisor)
    tokens.user_of(header, ADDRESS)
    with without_database(monkeypatch):
        assert Browser().get("/healthz").status_code == 200


def test_tokens_are_seen_by_their_owner_and_by_who_manages_that_person(
    world, supervisor, owner, administrator, stranger
):
    own, foreign = issue(supervisor)[0], issue(owner)[0]
    assert list(Token.objects.visible_to(supervisor)) == [own]
    assert list(Token.objects.visible_to(owner)) == [foreign]
    assert set(Token.objects.visible_to(administrator)) == {own, foreign}
    bound = member("Administrator", username="bound", reseller=world.reseller)
    assert list(Token.objects.visible_to(bound)) == [foreign]
    assert not Token.objects.visible_to(stranger).exists()
    User.objects.filter(pk=supervisor.pk).update(is_superuser=True)
    assert list(Token.objects.visible_to(administrator)) == [foreign]
    assert not Token.objects.visible_to(tokens.user_by_id(own.pk, even_if_refused=True)).exists()

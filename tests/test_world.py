"""The test world: the numbers of the manual, and users who see their own reseller."""

from dids.models import DID
from tests.world import NUMBERS, client_of


def test_the_world_has_the_numbers_of_the_manual_with_their_statuses(world):
    statuses = dict(DID.objects.values_list("number", "status"))
    assert statuses == {number: status for number, (_, status) in NUMBERS.items()}
    assert world.did("2563").account == world.account


def test_users_see_the_numbers_of_their_reseller(world, administrator, owner, stranger):
    assert DID.objects.visible_to(administrator).count() == 13
    assert DID.objects.visible_to(owner).count() == 12
    assert DID.objects.visible_to(stranger).get().number == "3333"


def test_client_of_returns_a_signed_in_client(viewer):
    assert client_of(viewer).get("/").status_code == 302
    assert client_of(viewer).session["_auth_user_id"] == str(viewer.pk)

"""Users and permissions are read as Django reads them, with fewer queries."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission

from staff.backends import StaffBackend
from staff.models import User

pytestmark = pytest.mark.django_db


def test_permissions_are_those_that_django_finds(django_assert_num_queries):
    def user(name, **fields):
        return User.objects.create(username=name, **fields)

    one, nothing, gone, root = (
        user("one"),
        user("two"),
        user("x", is_active=False),
        user("r", is_superuser=True),
    )
    for somebody in (one, gone, root):
        somebody.groups.set(Group.objects.order_by("pk")[:2])
        somebody.user_permissions.set(Permission.objects.filter(codename__in=["delete_did", "add_user"]))
    for pk in (one.pk, nothing.pk, gone.pk, root.pk):
        expected = ModelBackend().get_all_permissions(User.objects.get(pk=pk))
        assert StaffBackend().get_all_permissions(User.objects.get(pk=pk)) == expected
        assert bool(expected) == (pk in (one.pk, root.pk))
    fresh = StaffBackend().get_user(one.pk)
    with django_assert_num_queries(1):
        assert fresh.has_perm("dids.delete_did") and not fresh.has_perm("dids.nothing")
    assert StaffBackend().get_all_permissions(AnonymousUser()) == set()


def test_only_an_active_user_is_signed_in(owner, django_assert_num_queries):
    StaffBackend().get_user(owner.pk)
    with django_assert_num_queries(1):
        assert StaffBackend().get_user(owner.pk).reseller == owner.reseller
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert StaffBackend().get_user(owner.pk) is None
    assert StaffBackend().get_user(0) is None

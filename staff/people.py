"""Manage people and roles: one change for each write, and none that locks people out or raises rights."""

from contextlib import contextmanager

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.db.models import Exists, OuterRef

import audit
from audit.models import Change
from didmgmt.text import count_noun, enumerated
from staff.models import Role, User
from staff.rights import holders, rights_beyond

THEMSELVES = "You would lose your own permission to manage people. Ask another administrator to do this."
NOBODY = "Nobody would be left who can manage people. Give somebody else that permission first."


class RefusedError(ValueError):
    """A write that would lock people out; its text says why and what to do."""


def administrators():
    """Return the users who can manage people: active, without a reseller, with the permission."""
    return holders("staff.change_user").filter(reseller=None)


def people_for(manager, people=None):
    """Return the users that ``manager`` may know of: all or ``people``, superusers only for superusers.

    ``greater`` says of each whether it has a permission that ``manager`` lacks, who could otherwise set its
    password and sign in as that user.
    """
    beyond = rights_beyond(manager)
    by_role = Group.objects.filter(user=OuterRef("pk"), permissions__in=beyond)
    people = User.objects.all() if people is None else people
    people = people.annotate(greater=Exists(by_role) | Exists(beyond.filter(user=OuterRef("pk"))))
    return people if manager.is_superuser else people.filter(is_superuser=False)


def roles_for(manager, roles=None):
    """Return all roles, or ``roles``; ``greater`` says whether ``manager`` lacks a permission of the role."""
    beyond = rights_beyond(manager).values("pk")
    held = Group.permissions.through.objects.filter(group=OuterRef("pk"), permission__in=beyond)
    return (Role.objects.all() if roles is None else roles).annotate(greater=Exists(held))


@contextmanager
def managing(label, *, by):
    """Open a change of people or roles; roll it back with RefusedError if it locks out ``by`` or everybody.

    Those who can manage people are locked, so of two who deactivate one another only one succeeds.
    """
    with audit.change(Change.Kind.STAFF, by=by, label=label):
        locked = administrators().select_for_update(of=("self",)).order_by("pk")
        before = set(locked.values_list("pk", flat=True))
        yield
        after = set(administrators().values_list("pk", flat=True))
        if by.pk in before and by.pk not in after:
            raise RefusedError(THEMSELVES)
        if before and not after:
            raise RefusedError(NOBODY)


def set_active(person, *, active, by):
    """Let a user sign in, or no longer; return whether that was a change. Raises RefusedError."""
    if not active:
        refuse(why_active(person, by))
    with managing(f"User {person} {'activated' if active else 'deactivated'}", by=by):
        return bool(User.objects.filter(pk=person.pk, is_active=not active).update(is_active=active))


def delete_person(person, *, by):
    """Delete a user who has done nothing. Raises RefusedError."""
    refuse(why_kept(person, by))
    try:
        with managing(f"User {person} deleted", by=by):
            User.objects.filter(pk=person.pk).delete()
    except IntegrityError:  # it has done something since, or a table of an earlier version refers to it
        raise RefusedError(f"{person} is on record. Deactivate {person} instead.") from None


def delete_role(role, *, by):
    """Delete a role that nobody has. Raises RefusedError."""
    refuse(why_role_kept(role))
    with managing(f"Role {role} deleted", by=by):
        Group.objects.filter(pk=role.pk).delete()


def refuse(sentence):
    if sentence:
        raise RefusedError(sentence)


def why_active(person, by):
    """Return why ``by`` can't deactivate a user, "" if nothing is against it."""
    return (
        "You can’t deactivate yourself. Ask another administrator to do this." if person.pk == by.pk else ""
    )


def why_kept(person, by):
    """Return why ``by`` can't delete a user, "" if nothing is against it."""
    if person.pk == by.pk:
        return "You can’t delete yourself."
    counts = (
        (person.changes.count(), "change"),
        (person.jobs.count(), "job"),
        (person.tokens.count(), "API token"),
    )
    traces = [count_noun(count, noun) for count, noun in counts if count]
    return f"{person} is on record with {enumerated(traces)}. Deactivate {person} instead." if traces else ""


def why_role_kept(role):
    """Return why a role can't be deleted, "" if nothing is against it."""
    if not (people := role.user_set.count()):
        return ""
    whose = "person has" if people == 1 else "people have"
    return f"{people:,} {whose} the role {role}. Give them another role first."

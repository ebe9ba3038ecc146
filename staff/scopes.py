"""Scopes of API tokens: the levels of each resource, and the permissions that they pass on."""

from functools import lru_cache

from django.core.exceptions import ValidationError

LEVELS = ("read", "write", "admin")  # each includes the ones before it


def _crud(model, levels=LEVELS):
    """Return the levels of a resource whose permissions are Django's own four of a model."""
    app, _, name = model.partition(".")
    verbs = {"read": "view", "write": "add change", "admin": "delete"}
    own = {level: [f"{app}.{verb}_{name}" for verb in verbs[level].split()] for level in levels}
    return {level: frozenset(permissions) for level, permissions in own.items()}


# {resource: {level: permissions that it adds}}, in the order of forms. A level that is missing doesn't exist.
SCOPES = {
    "dids": {
        "read": frozenset({"dids.view_did", "dids.export_did"}),
        "write": frozenset(
            {
                "dids.add_did",
                "dids.change_did",
                "dids.assign_did",
                "dids.block_did",
                "dids.hold_did",
            }
        ),
        "admin": frozenset(
            {"dids.end_hold_did", "dids.restore_did", "dids.delete_did", "dids.override_ageing"}
        ),
    },
    "clients": _crud("clients.client"),
    "accounts": _crud("clients.account"),
    "packages": _crud("clients.package"),
    "client-packages": _crud(
        "dids.clientpackage", levels=("read", "write")
    ),  # they end, nothing deletes them
    "reservations": {
        "read": frozenset({"dids.view_did"}),
        "write": frozenset({"dids.change_did", "dids.assign_did"}),
    },
    "calendar": {"read": frozenset({"dids.view_did"})},
    "overview": {"read": frozenset({"dids.view_did"})},
    "minimum-holds": {"read": frozenset({"dids.view_did"})},
    "pattern-rules": {
        "read": frozenset({"dids.view_did"}),
        "write": frozenset({"dids.change_patternrule"}),
    },
    "operators": _crud("operators.operator"),
    "resellers": _crud("clients.reseller"),
    "tags": {"read": frozenset({"dids.view_did"})},
    "stock-levels": {
        "read": frozenset({"dids.view_did"}),
        "write": frozenset({"dids.change_did"}),
    },
    "jobs": {"read": frozenset({"jobs.view_job"}), "write": frozenset({"jobs.view_job"})},
    "changes": {"read": frozenset({"audit.view_change"})},
    "webhooks": {
        "read": frozenset({"events.view_endpoint"}),
        "write": frozenset({"events.change_endpoint"}),
        "admin": frozenset({"events.change_endpoint"}),
    },
}
# Resources without permissions of their own: their levels need permissions of the owner but pass none on,
# so that who may read tags can't read numbers. Their endpoints check ``user.scopes``. Reserving numbers moves
# them, so it needs dids:write as well.
PASS_NOTHING_ON = {
    "tags",
    "reservations",
    "stock-levels",
    "calendar",
    "overview",
    "minimum-holds",
    "pattern-rules",
}
# A token with exactly these may be a part of an address, see ``api.calendar``.
OF_FEEDS = "calendar:read"
# What a resource is besides its name, for the form
HINTS = {
    "dids": "Numbers",
    "reservations": "Writing needs dids as well",
    "stock-levels": "Writing deletes as well",
    "calendar": "Counts by day, no numbers",
    "overview": "Counts and forecasts, no numbers",
    "minimum-holds": "Rules, no numbers",
    "pattern-rules": "Rules, words and counts; writing deletes as well",
    "jobs": "Its own",
    "changes": "Audit log",
}


def parse(text):
    """Return {resource: level} of scopes such as "clients:read dids:write".

    Raises ValidationError with a sentence that names the part that is wrong.
    """
    found = {}
    for part in text.split():
        resource, _, level = part.partition(":")
        if resource not in SCOPES:
            raise ValidationError(
                f"There is no resource “{resource}”. Choose from {', '.join(SCOPES)}.", code="resource"
            )
        if level not in SCOPES[resource]:
            offered = ", ".join(f"{resource}:{one}" for one in SCOPES[resource])
            raise ValidationError(f"There is no scope “{part}”. Choose from {offered}.", code="level")
        if resource in found:
            raise ValidationError(f"“{resource}” is named twice. Name one level for each resource.")
        found[resource] = level
    return found


def text_of(levels):
    """Return the text of {resource: level}, in the order of ``SCOPES``."""
    return " ".join(f"{resource}:{levels[resource]}" for resource in SCOPES if resource in levels)


@lru_cache(maxsize=1_000)
def included(text):
    """Return [((resource, level), permissions needed, permissions passed on)] of scopes, lower levels too.

    Resources and levels that no longer exist are ignored: a token made by another version has then fewer
    rights, not more, and keeps the lower levels.
    """
    found = []
    for part in text.split():
        resource, _, highest = part.partition(":")
        levels = SCOPES.get(resource, {})
        for level in LEVELS[: LEVELS.index(highest) + 1] if highest in LEVELS else ():
            if needed := levels.get(level):
                passed_on = frozenset() if resource in PASS_NOTHING_ON else needed
                found.append(((resource, level), needed, passed_on))
    return found


def in_effect(text, held):
    """Return (scopes, permissions) of a token whose owner has the permissions ``held``; None stands for all.

    scopes: a frozenset of (resource, level), of which the owner has at least one permission.
    """
    effective = [one for one in included(text) if held is None or not held.isdisjoint(one[1])]
    permissions = {permission for *_, passed_on in effective for permission in passed_on}
    return (
        frozenset(scope for scope, *_ in effective),
        permissions if held is None else permissions & held,
    )


def offered(user):
    """Return {resource: [level]} of what a user can pass on: levels of which it has any permission."""
    return {
        resource: [level for level in levels if any(user.has_perm(right) for right in levels[level])]
        for resource, levels in SCOPES.items()
    }

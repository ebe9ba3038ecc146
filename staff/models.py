"""Users and their API tokens; roles are groups (see migration ``0002_roles``)."""

import hashlib
import ipaddress
import secrets
import string
import zoneinfo
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import ClassVar

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models

import audit
from audit.models import Change
from clients.models import BranchQuerySet, Reseller
from didmgmt import clock
from didmgmt.text import count_noun
from staff import scopes
from staff.records import (
    RoleRecord,
    RoleRecordHistory,
    StaffRecord,
    StaffRecordHistory,
    TokenRecord,
    TokenRecordHistory,
)

__all__ = [
    "Role",
    "RoleRecord",
    "RoleRecordHistory",
    "StaffRecord",
    "StaffRecordHistory",
    "Token",
    "TokenRecord",
    "TokenRecordHistory",
    "User",
]


@cache
def time_zones():
    """Return the names of all time zones in order; they are read from hundreds of files."""
    return sorted(zoneinfo.available_timezones())


def known_time_zone(value):
    if value not in time_zones():
        raise ValidationError(f"“{value}” is not a time zone. Enter one like Europe/Berlin or UTC.")


class StaffManager(UserManager.from_queryset(BranchQuerySet)):  # type: ignore[misc]  # a base made by a call
    """Manager with ``create_user`` and ``visible_to``."""

    def create_superuser(self, *args, **fields):
        """Create a superuser as the system: the command line and the first start lead here."""
        with audit.change(Change.Kind.STAFF, by=audit.SYSTEM, label="New superuser"):
            return super().create_superuser(*args, **fields)


FIRST_PAGES = [("dids", "DIDs"), ("overview", "Overview")]


class User(AbstractUser):
    """A member of staff. A user bound to a reseller sees and changes only that reseller's rows."""

    id = models.BigAutoField(primary_key=True)
    reseller = models.ForeignKey(
        Reseller,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="staff",
        help_text="Leave empty to show every reseller",
    )
    time_zone = models.CharField(max_length=50, default="UTC", validators=[known_time_zone])
    # Where the person begins and how lists look: their own, so that history doesn't record it
    first_page = models.CharField("first page", max_length=10, choices=FIRST_PAGES, default="dids")
    page_size = models.PositiveSmallIntegerField(null=True, blank=True)
    is_dense = models.BooleanField("dense rows", default=False)
    groups_numbers = models.BooleanField("numbers grouped as in their country", default=False)
    copies_e164 = models.BooleanField("numbers copied with a plus, as in E.164", default=False)
    did_columns = models.CharField(max_length=300, default="", blank=True)

    objects: ClassVar[StaffManager] = StaffManager()

    # Of an instance whose rights are narrowed to those of a token, see ``staff.tokens``: the token, and the
    # (resource, level) pairs that are in effect.
    token = None
    scopes = frozenset()

    class Meta(AbstractUser.Meta):
        verbose_name = "person"
        verbose_name_plural = "people"

    def save(self, *args, **options):
        self._refuse_if_narrowed()
        super().save(*args, **options)

    def refresh_from_db(self, *args, **options):
        self._refuse_if_narrowed()
        super().refresh_from_db(*args, **options)

    def _refuse_if_narrowed(self):
        """Keep the rights of a token from the table, and those of the table from whoever has a token."""
        if self.token:
            raise TypeError(f"{self} acts by the token {self.token.key}: the instance is for reading only.")

    @contextmanager
    def recorded(self, *, by):
        """Open a change of the user; what it writes is recorded by triggers, see ``staff.records``."""
        with audit.change(Change.Kind.STAFF, by=by, label=f"User {self} edited") as change:
            yield change

    def check_password(self, raw_password):
        """Check a password as Django does; a hash that is renewed on this occasion is the system's change."""

        def renew(raw_password):
            label = f"Password hash of {self} renewed at sign-in"
            with audit.change(Change.Kind.STAFF, by=audit.SYSTEM, label=label):
                self.set_password(raw_password)
                self._password = None  # the password itself is the same
                self.save(update_fields=["password"])

        return check_password(raw_password, self.password, renew)


class Role(Group):
    """A role: a group of Django's under the name that people use."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "role"


KEY_LENGTH, SECRET_LENGTH = 12, 43  # characters of 62: the secret has 256 bits
_CHARACTERS = string.ascii_letters + string.digits
NETWORKS_MOST = 50


class TokenQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Return the user's own tokens, and for users who manage staff, those of the people they manage."""
        own = models.Q(owner=user.pk)
        if not user.is_authenticated or user.token:
            return self.none()
        if not user.has_perm("staff.change_user"):
            return self.filter(own)
        found = self if user.is_superuser else self.filter(own | models.Q(owner__is_superuser=False))
        return found if user.reseller_id is None else found.filter(owner__reseller=user.reseller_id)

    def usable(self):
        """Return the tokens that are neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=clock.now())

    def ending(self):
        """Return the tokens that can be used, but not for much longer."""
        return self.usable().filter(expires_at__lte=clock.now() + Token.ENDS_SOON)


class Token(models.Model):
    """Access of a program to the API with at most the rights of its owner, see ``staff.tokens``.

    Its text is ``did_<key>.<secret>``. The key identifies it; of the secret, which is shown once, the SHA-256
    digest is kept: a random secret of 256 bits needs no slow hash.
    """

    DAYS, DAYS_MOST = 365, 5 * 365 + 1  # until it expires
    ENDS_SOON = timedelta(days=14)

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=100, help_text="Shown in the audit log, such as billing-sync")
    key = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.CharField(max_length=500)  # "clients:read dids:write", see ``staff.scopes``
    # A reseller that only tokens name which can’t be used any more may be deleted; they keep its id.
    reseller = models.ForeignKey(
        Reseller,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="tokens",
        db_index=False,
    )
    networks = models.TextField(blank=True, help_text="Separated by blanks; empty allows any address")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.CharField(max_length=45, blank=True, editable=False)

    objects = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        default_permissions = ("add",)
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(revoked_at=None),
                name="token_name_per_owner",
                violation_error_message="This name is taken by another token. Choose another name.",
            )
        ]

    def __str__(self):
        return self.name

    @property
    def has_lost_reseller(self):
        """Whether it is limited to a reseller that was deleted, so that nothing is left for it."""
        try:
            return self.reseller_id is not None and self.reseller is None
        except Reseller.DoesNotExist:
            return True

    @property
    def reseller_label(self):
        """Return which resellers it is limited to, in words."""
        if self.reseller_id is None:
            return "All resellers"
        return "Deleted reseller" if self.has_lost_reseller else str(self.reseller)

    @property
    def network_list(self):
        return self.networks.split()

    @property
    def levels(self):
        """Return {resource: highest level}."""
        return scopes.parse(self.scopes)

    @property
    def is_expired(self):
        return self.expires_at <= clock.now()

    @property
    def days_left(self):
        """Return the days until it expires, begun ones too, if it ends soon; else None."""
        left = self.expires_at - clock.now()
        return -(-left // timedelta(days=1)) if timedelta() < left <= self.ENDS_SOON else None

    @property
    def scopes_in_words(self):
        """Return the scopes as text: "dids write · clients read"."""
        return " · ".join(scope.replace(":", " ") for scope in self.scopes.split())

    def validate_constraints(self, exclude=None):
        """Report a name that is taken as an error of the field, not of the whole form."""
        try:
            super().validate_constraints(exclude)
        except ValidationError as error:
            raise ValidationError({"name": error.messages}) from None

    def clean(self):
        """Check what only several fields together show; each error belongs to one field."""
        errors = {}
        for field, check in (
            ("scopes", self._clean_scopes),
            ("reseller", self._clean_reseller),
            ("networks", self._clean_networks),
            ("expires_at", self._clean_end),
        ):
            try:
                check()
            except ValidationError as error:
                errors[field] = error
        if errors:
            raise ValidationError(errors)

    def _clean_scopes(self):
        levels = scopes.parse(self.scopes)
        if not levels:
            raise ValidationError("Choose at least one scope. Without one the token could do nothing.")
        offered = scopes.offered(self.owner)
        beyond = [
            f"{resource}:{level}" for resource, level in levels.items() if level not in offered[resource]
        ]
        if beyond:
            raise ValidationError(
                f"{self.owner} has no permission for {', '.join(beyond)}. A token has at most the rights of"
                " its owner."
            )
        self.scopes = scopes.text_of(levels)

    def _clean_reseller(self):
        bound_to = self.owner.reseller
        if bound_to and self.reseller_id not in (None, bound_to.pk):
            raise ValidationError(f"{self.owner} is bound to {bound_to}, so the token can’t be for another.")
        self.reseller = bound_to or self.reseller

    def _clean_networks(self):
        networks = [network_named(one) for one in self.networks.replace(",", " ").split()]
        if len(networks) > NETWORKS_MOST:
            raise ValidationError(
                f"{count_noun(len(networks), 'network')} are more than {NETWORKS_MOST}, the most that a token"
                " can have. Combine them."
            )
        self.networks = " ".join(dict.fromkeys(networks))

    def _clean_end(self):
        now = clock.now()
        if self.expires_at is None:
            return
        if self.expires_at <= now:
            raise ValidationError("This date is over. Choose a later end.")
        if self.expires_at > now + timedelta(days=self.DAYS_MOST):
            raise ValidationError("A token can be valid for at most 5 years. Choose an earlier end.")

    def issue(self, *, by):
        """Save the new token and return its text with the secret, which nothing can show again.

        Raises ValidationError if its fields are not valid.
        """
        self.key = _random(KEY_LENGTH)
        secret = _random(SECRET_LENGTH)
        self.digest = digest_of(secret)
        self.full_clean()
        try:
            with self._change(by, "created"):
                self.save(force_insert=True)
        except IntegrityError:  # the same name was taken at the same time
            self.full_clean()
            raise
        return f"did_{self.key}.{secret}"

    def revoke(self, *, by):
        """Let the token no longer be used; return False if it was revoked before."""
        with self._change(by, "revoked"):
            usable = Token.objects.filter(pk=self.pk, revoked_at=None)
            return bool(usable.update(revoked_at=clock.now()))

    def _change(self, by, what):
        """Record in the audit log that it is ``what``: "created" or "revoked"."""
        label = f"API token {self} of {self.owner} {what}"
        return audit.change(Change.Kind.STAFF, by=by, label=label, data={"token_is": what})


def _random(length):
    return "".join(secrets.choice(_CHARACTERS) for _ in range(length))


def digest_of(secret):
    """Return the SHA-256 digest of a secret as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def network_named(text):
    """Return a network such as "203.0.113.0/28", or an address, in its usual notation.

    Raises ValidationError with a sentence.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValidationError(
            f"“{text}” is not an address. Write one address or network a line, for example 203.0.113.64/27."
        ) from None
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValidationError(f"“{text}” is not a network. Its address is in {network}.") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

import audit
from clients.models import Reseller
from didmgmt import clock
from staff.models import Token, User
from staff.scopes import SCOPES


class Command(BaseCommand):
    help = "Create, list and revoke API tokens."

    def add_arguments(self, parser):
        commands = parser.add_subparsers(dest="do", required=True)
        create = commands.add_parser("create", help="create a token and print it, once")
        create.add_argument("name", help="as the audit log shows it, such as billing-sync")
        create.add_argument("--owner", required=True, metavar="USER", help="the user name of its owner")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            metavar="RESOURCE:LEVEL",
            help=f"may be repeated; resources: {', '.join(SCOPES)}; levels: read, write, admin",
        )
        create.add_argument("--reseller", default="", metavar="NAME", help="default: all that its owner has")
        create.add_argument(
            "--network",
            action="append",
            default=[],
            metavar="CIDR",
            help="may be repeated; default: any address",
        )
        create.add_argument("--days", type=int, default=Token.DAYS, help="until it expires (default: 365)")
        tokens = commands.add_parser("list", help="list the tokens that are not revoked")
        tokens.add_argument("--owner", default="", metavar="USER", help="those of this user only")
        revoke = commands.add_parser("revoke", help="revoke a token at once")
        revoke.add_argument("key", help="what is between “did_” and the dot")

    def handle(self, *, do, **options):
        {"create": self._create, "list": self._list, "revoke": self._revoke}[do](**options)

    def _create(self, *, name, owner, scope, reseller, network, days, **_):
        token = Token(
            name=name,
            owner=_owner(owner),
            scopes=" ".join(scope),
            reseller=_reseller(reseller) if reseller else None,
            networks=" ".join(network),
            expires_at=_end(days),
        )
        try:
            text = token.issue(by=audit.SYSTEM)
        except ValidationError as error:
            sentences = [f"{field}: {' '.join(found)}" for field, found in error.message_dict.items()]
            raise CommandError("\n".join(sentences)) from None
        self.stdout.write(text)
        self.stderr.write(
            f"Token {token} of {token.owner} is created: {token.scopes_in_words}, until"
            f" {token.expires_at:%Y-%m-%d}. Store it now, it can’t be shown again."
        )

    def _list(self, *, owner, **_):
        tokens = Token.objects.filter(revoked_at=None).select_related("owner", "reseller")
        if owner:
            tokens = tokens.filter(owner=_owner(owner))
        for token in tokens.order_by("owner__username", "name"):
            parts = [
                f"did_{token.key}",
                f"{token}, token of {token.owner}",
                token.scopes,
                token.reseller_label,
                token.networks or "any address",
                f"used {token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never used",
                f"{'expired' if token.is_expired else 'expires'} {token.expires_at:%Y-%m-%d}",
            ]
            self.stdout.write("  ".join(parts))
        if not tokens:
            self.stdout.write("There is no token.")

    def _revoke(self, *, key, **_):
        key = key.removeprefix("did_").partition(".")[0]
        token = Token.objects.select_related("owner").filter(key=key).first()
        if token is None:
            raise CommandError(f"There is no token with the key “{key}”. List them with: token list")
        if not token.revoke(by=audit.SYSTEM):
            raise CommandError(
                f"{token} of {token.owner} was revoked before, on {token.revoked_at:%Y-%m-%d}."
            )
        self.stdout.write(f"{token} of {token.owner} is revoked: requests with it are refused from now on.")


def _owner(username):
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user “{username}”.")
    return user


def _reseller(name):
    reseller = Reseller.objects.filter(name=name).first()
    if reseller is None:
        raise CommandError(f"There is no reseller “{name}”.")
    return reseller


def _end(days):
    try:
        return clock.now() + timedelta(days)
    except OverflowError:
        raise CommandError("A token can be valid for at most 5 years. Choose fewer days.") from None

"""Import a text in a test as the wizard does, without its pages."""

from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

import sheets
from clients.models import Account, Client, Package
from dids.imports import mapping as columns
from dids.imports.options import KEEP
from dids.imports.reasons import explain
from dids.imports.wizard import Import
from dids.models import ClientPackage
from staff.models import User

DEFAULTS = {"status": "instock", "after_hold": "instock", "tags": "", "notes": ""}


def staged(text, user, *, operator=None, mapping=None, name="numbers.csv", **options):
    """Upload and check ``text`` (CSV with a header, or bytes) as ``user``; return the import.

    ``options``: those of ``Import.check``, and the defaults of the upload.
    """
    chosen = {"existing": KEEP, "create": False, "all_or_nothing": False}
    chosen |= {key: options.pop(key) for key in list(options) if key in chosen}
    upload = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
    with sheets.load(upload, upload.name) as loaded:
        number_import = Import.start(user, upload, loaded, operator=operator, **DEFAULTS | options)
    head = number_import.upload.head()
    guess = columns.guess([row.cells for row in head], number_import.upload.format.width)
    skip = [row.line for row in head[: guess.header + 1]] if guess.header is not None else []
    assert number_import.check(mapping=mapping or guess.keys, skip=skip, **chosen)
    return finished(number_import)


def imported(text, user, **options):
    """Upload, check and apply ``text``; return the import."""
    number_import = staged(text, user, **options)
    assert number_import.apply(number_import.checked)
    return finished(number_import)


def refusals(number_import, limit=10):
    """Return the first refused rows, explained: see ``reasons.explain``."""
    return explain(number_import.refused[:limit], number_import.job.owner)


def finished(number_import):
    """Return the import after a worker has run its job, if it was queued."""
    if number_import.job.is_unfinished:
        call_command("worker", "--once")
        number_import.job.refresh_from_db()
    return number_import


def importer(world, *, lacks=(), bound=False):
    """Create a user with all permissions but those in ``lacks``; ``bound`` to Reseller 1."""
    user = User.objects.create_user("importer", reseller=world.reseller if bound else None)
    user.user_permissions.set(Permission.objects.exclude(codename__in=lacks))
    return user


def client_with_package(reseller):
    """Create the client Bakery with the account main and the package Loaf; return the client package."""
    client = Client.objects.create(reseller=reseller, name="Bakery")
    Account.objects.create(client=client, name="main")
    package = Package.objects.create(reseller=reseller, name="Loaf", did_limit=5)
    return ClientPackage.objects.create(client=client, package=package)

"""Record on past days, forge as the owner of the database can, and verify."""

from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

import audit
from audit import changes, triggers
from audit.models import Change
from tests.roles import as_owner


def days_ago(days):
    return timezone.now() - timedelta(days=days)


@contextmanager
def on(moment):
    """Record everything in this block with the clocks at ``moment``, in one change."""
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(timezone, "now", lambda: moment)
        clock.setattr(changes, "database_now", lambda: moment)
        with audit.change(Change.Kind.EDIT, by=audit.SYSTEM, at=moment) as change:
            yield change


def forge(*statements):
    """Write as the owner of the database can: with every trigger dropped, and reinstalled afterwards."""
    with as_owner():
        triggers.drop(connection)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        triggers.install(connection)
    assert triggers.missing(connection) == []


def verify(*options):
    """Return what the command prints, errors included."""
    out, errors = StringIO(), StringIO()
    try:
        call_command("verify_history", *options, stdout=out, stderr=errors)
    except CommandError as error:
        return f"{errors.getvalue()}{error}"
    return out.getvalue()

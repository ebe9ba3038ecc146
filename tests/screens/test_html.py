"""The Nu HTML checker finds no error in any page, dialog or fragment.

Runs where VNU_JAR is the path of the checker's vnu.jar and Java is installed: ``make html VNU_JAR=…``.
"""

import os
import re
import subprocess

import pytest
from django.db import transaction
from django.test import Client as Browser

from staff.models import User
from tests.imports import staged
from tests.screens.test_access import ADDRESSES, ids  # noqa: F401 a fixture
from tests.world import client_of, make_world, member

JAR = os.environ.get("VNU_JAR", "")

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not JAR, reason="name vnu.jar of the Nu HTML checker with VNU_JAR"),
]

# Attributes of htmx, and one of the standard that the checker does not know yet. Quotes depend on the locale.
ACCEPTED = ".*Attribute .hx-[a-z-]+. not allowed.*|.*link. element with a .blocking. attribute.*"
FRAGMENT = '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Fragment</title><body>\n'
# Besides ADDRESSES: lists with filters, without rows and with errors, and pages about errors.
MORE = [
    "/dids/?advanced=1&status=hold&client={client}&tag=nothing",
    "/dids/?q=2567,2563,999&per_page=20",
    "/dids/?q=25699&count=exact&columns=account,package",
    "/dids/?view={view}&status=active",
    "/dids/?as_of=2026-01-10T09:00",
    "/dids/?as_of=03/04/2026&advanced=1",
    "/dids/?nonsense=1",
    "/dids/new/?nonsense=1",
    "/dids/{import}/",
    "/dids/import/{staged}/columns/",
    "/dids/import/{staged}/check/",
    "/dids/import/{staged}/check/?show=refused",
    "/clients/{client}/dids/?status=active&q=256",
    "/clients/?name=nobody",
    "/clients/?closed=maybe&advanced=1",
    "/audit/?advanced=1&since=3+Nov+2026&until=03/04/2026",
    "/audit/?type=did&action=edit",
    "/audit/who-had-it/?numbers=2567",
    "/audit/who-had-it/?numbers=x&at=yesterday",
    "/find/?q=25",
    "/find/?q=ros",
    "/find/?q=nothing",
    "/nothing/",
]


@pytest.fixture(scope="module")
def world(module_db):
    return make_world()


@pytest.fixture(scope="module")
def owner(world):
    """Return who may do everything: with it each address answers with its page, not with a refusal."""
    return User.objects.create_superuser("owner")


def test_every_page_is_valid_html(ids, owner, world, tmp_path):  # noqa: F811
    check = staged("DID,Operator\n778800,Nowhere\nnonsense,\n2567,\n", owner, operator=world.operator)
    written = set()
    for asked, answer in answers(ids | {"staged": check.job.pk}, owner):
        text = b"".join(answer).decode() if "text/html" in answer.get("Content-Type", "") else ""
        if text and text not in written:
            written.add(text)
            whole = text if "<!doctype" in text else FRAGMENT + text
            name = f"{len(written):04}_{re.sub('[^a-z0-9]+', '_', asked)[:100]}.html"
            (tmp_path / name).write_text(whole)
    assert len(written) > 2 * len(ADDRESSES)
    assert errors_in(sorted(tmp_path.iterdir())) == ""


def answers(ids, owner):  # noqa: F811
    """Yield (a description, the response) for every address, opened and sent in several ways."""
    viewer, htmx = member("Viewer"), {"HX-Request": "true"}
    for path, sent in [*((one.path, one.sent) for one in ADDRESSES), *((path, {}) for path in MORE)]:
        url = path.format(**ids)
        fields = {name: value.format(**ids) for name, value in sent.items() if name != "step"}
        yield f"{url} of nobody", Browser().get(url)
        yield f"{url} of a viewer", client_of(viewer).get(url)
        yield f"{url} of the owner", client_of(owner).get(url)
        yield f"{url} by htmx", client_of(owner).get(url, headers=htmx)
        for data in ({}, fields, fields | {"step": "preview"}):
            with transaction.atomic():
                yield f"{url} after {sorted(data)}", client_of(owner).post(url, data, headers=htmx)
                transaction.set_rollback(True)


def errors_in(pages):
    """Return the errors that the checker reports, one a line."""
    checker = ["java", "-Xss4m", "-jar", JAR, "--errors-only", "--filterpattern", ACCEPTED, *pages]
    done = subprocess.run(checker, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""

"""Hosts whose keys differ are found when they start and by /readyz; keys are replaced host by host."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import call_command

from didmgmt import keys
from didmgmt.models import KeyFingerprint
from jobs.models import WorkerBeat
from tests.kills import database_url
from tests.world import client_of, member

OWN, OTHER = settings.SECRET_KEY, "another-key-" * 5


def start(command, tmp_path, **variables):
    """Run a command as another host would; return its exit status and what it says."""
    environment = os.environ | {"DATABASE_URL": database_url(), "VAR_DIR": str(tmp_path), "PORT": "1"}
    environment |= {"DJANGO_SETTINGS_MODULE": "didmgmt.settings"} | variables
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr + done.stdout


@pytest.mark.without_database  # the same on each: it reads a few rows in many processes
@pytest.mark.django_db(transaction=True)
def test_a_worker_with_another_key_does_not_start_and_says_what_to_do(tmp_path):
    assert start("worker --once", tmp_path, SECRET_KEY=OWN)[0] == 0
    status, said = start("worker --once", tmp_path, SECRET_KEY=OTHER, SEAL_KEY=OWN)
    assert status == 1
    assert "SECRET_KEY differs from that of the other hosts." in said and "SEAL_KEY" not in said
    assert OWN not in said and OTHER not in said
    status, said = start("worker --once", tmp_path, SECRET_KEY=OWN, SEAL_KEY=OTHER)
    assert (status, "Error: SEAL_KEY differs" in said) == (1, True)

    assert start("accept_keys", tmp_path, SECRET_KEY=OTHER, SEAL_KEY=OWN)[0] == 0
    assert start("worker --once", tmp_path, SECRET_KEY=OTHER, SEAL_KEY=OWN)[0] == 0
    assert start("worker --once", tmp_path, SECRET_KEY=OWN)[0] == 1


@pytest.mark.django_db(transaction=True)
def test_a_web_server_with_another_key_does_not_start(tmp_path):
    keys.record()
    status, said = start("web", tmp_path, SECRET_KEY=OTHER, SEAL_KEY=OWN)
    assert (status, "SECRET_KEY differs" in said) == (1, True)


@pytest.mark.django_db
def test_readyz_names_a_key_that_differs_and_takes_the_host_out_of_service(client, settings):
    WorkerBeat.beat("w")
    keys.record()
    assert client.get("/readyz").json()["keys"] == "ok"
    settings.SECRET_KEY = OTHER
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["keys"]) == (503, "other hosts have another: SECRET_KEY")


@pytest.mark.django_db
def test_the_key_of_sessions_is_replaced_host_by_host_without_signing_anybody_out(settings):
    browser = client_of(member("Viewer"))
    keys.record()
    for key, fallbacks in ((OWN, [OTHER]), (OTHER, [OWN])):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, fallbacks
        assert keys.differing() == []
        assert browser.get("/jobs/").status_code == 200
    call_command("accept_keys")
    settings.SECRET_KEY_FALLBACKS = []
    assert keys.differing() == []
    assert browser.get("/jobs/").status_code == 200
    settings.SECRET_KEY = OWN
    assert keys.differing() == ["SECRET_KEY"]


@pytest.mark.django_db
def test_no_key_is_stored():
    keys.record()
    stored = [*KeyFingerprint.objects.values_list("fingerprint", flat=True)]
    assert len(set(stored)) == 2 and not any(OWN in text or text in OWN for text in stored)

"""The examples of docs/api.md, sent by curl to the web server."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from audit import SYSTEM
from dids.models import DID
from tests.api.conftest import token_of
from tests.kills import database_url
from tests.servers import require
from tests.web_server import running

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = re.findall(r"^```bash\n(.*?)^```", Path(settings.BASE_DIR, "docs/api.md").read_text(), re.S | re.M)


@contextlib.contextmanager
def worker(folder):
    """Run a worker on the database of the test."""
    environment = {**os.environ, "VAR_DIR": str(folder), "DEBUG": "1", "DATABASE_URL": database_url()}
    command = [sys.executable, "manage.py", "worker", "--every", "0.2"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def test_the_examples_of_the_documentation_work(world, owner, tmp_path):
    require("curl", shutil.which("curl"))
    many = map(str, range(4420000000, 4420002001))
    DID.objects.create_numbers([*many], operator=world.operator, by=SYSTEM, status="instock")
    with worker(tmp_path), running(tmp_path, DATABASE_URL=database_url()) as server:
        variables = {
            "PATH": "/usr/bin:/bin",
            "SERVER": f"http://127.0.0.1:{server.port}",
            "TOKEN": token_of(owner),
            "NUMBER": "256999",
            "ACCOUNT": str(world.account.pk),
        }
        answers = []
        for example in EXAMPLES:
            command = ["bash", "-euo", "pipefail", "-c", example]
            done = subprocess.run(
                command, env=variables, capture_output=True, text=True, timeout=60, cwd=tmp_path
            )
            assert done.returncode == 0, (example, done.stderr)
            answers.append(json.loads(done.stdout))
    one, free, clients, number, not_modified, streamed, *writes, refusal, document = answers
    assert [item["number"] for item in one["items"]] == ["111"] and "limit=1&after=" in one["next"]
    assert [item["number"] for item in free["items"]] == ["4420002000", "4420001999"]
    assert clients == {"items": [{"name": "Rose Orig", "dids": 2}], "next": None, "count": 1}
    assert number["number"] == "256999"
    assert not_modified == 304
    assert streamed == 200 and len((tmp_path / "numbers.csv").read_text().splitlines()) == 2003
    assigned, held, rehearsed, job = writes
    assert (assigned["did"]["status"], held["did"]["status"]) == ("active", "hold")
    assert (rehearsed["dry_run"], rehearsed["selected"]) == (True, 2001)
    assert (job["state"], job["result"]["done"]) == ("done", 2001)
    assert refusal["errors"][0]["sentence"] == "There is no status “gone”."
    assert document["openapi"] == "3.1.0"

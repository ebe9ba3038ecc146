"""The examples of docs/api.md and of the page of tokens, sent by curl to the web server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission

from audit import SYSTEM
from dids.models import DID
from events.models import Endpoint
from screens.programs.tokens import examples
from tests.api.conftest import token_of
from tests.kills import database_url
from tests.servers import require
from tests.web_server import running, worker

PAGE = Path(settings.BASE_DIR, "docs/api.md").read_text()
EXAMPLES = re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M)


def curl(examples, folder, **variables):
    """Return the parsed answer of each example, a command for the shell."""
    require("curl", shutil.which("curl"))
    answers = []
    for example in examples:
        command = ["bash", "-euo", "pipefail", "-c", example]
        variables["PATH"] = "/usr/bin:/bin"
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, cwd=folder)
        assert done.returncode == 0, (example, done.stderr)
        answers.append(json.loads(done.stdout))
    return answers


def test_each_command_of_the_documentation_is_an_example_that_runs():
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.S | re.M)
    assert [text for kind, text in blocks if "curl" in text and kind != "bash"] == []


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_documentation_work(world, owner, tmp_path):
    owner.user_permissions.add(Permission.objects.get(codename="view_endpoint"))
    Endpoint.objects.create(url="https://rose.example/hook", types=[], reseller=world.reseller)
    many = map(str, range(4420000000, 4420002001))
    DID.objects.create_numbers([*many], operator=world.operator, by=SYSTEM, status="instock")
    where = {"DATABASE_URL": database_url()}
    with worker(tmp_path, **where), running(tmp_path, **where) as server:
        answers = curl(
            EXAMPLES,
            tmp_path,
            SERVER=f"http://127.0.0.1:{server.port}",
            TOKEN=token_of(owner),
            NUMBER="256999",
            ACCOUNT=str(world.account.pk),
            OPERATOR=f"id:{world.operator.pk}",
        )
    one, free, clients, number, not_modified, had, streamed, *writes, webhooks, refusal, document = answers
    assert [item["number"] for item in one["items"]] == ["111"] and "limit=1&after=" in one["next"]
    assert [item["number"] for item in free["items"]] == ["4420002000", "4420001999"]
    assert clients == {"items": [{"name": "Rose Orig", "dids": 2}], "next": None, "count": 1}
    assert number["number"] == "256999"
    assert not_modified == 304
    assert [item["state"] for item in had["items"]] == ["never", "never"]
    assert streamed == 200 and len((tmp_path / "numbers.csv").read_text().splitlines()) == 2003
    assigned, held, reserved, by_itself, figures, in_a_row, rehearsed, job, rows, rehearsed_rows = writes
    assert (reserved["dry_run"], reserved["result"]["done"]) == (True, 20)
    assert {item["kind"] for item in by_itself["items"]} == {"hold_ends"}
    assert figures["total"] > 2_000 and len(figures["flows"]) == 90
    assert in_a_row["items"][0]["first"] == "4420000000"
    assert (assigned["did"]["status"], held["did"]["status"]) == ("active", "hold")
    assert (rehearsed["dry_run"], rehearsed["selected"]) == (True, 2001)
    assert (job["state"], job["result"]["done"]) == ("done", 2001)
    assert webhooks["items"] == [{"url": "https://rose.example/hook", "state": "new"}]
    assert rows["sentence"] == "2 numbers created."
    assert rehearsed_rows["result"] == {"done": 1, "unchanged": 0, "refused": 1}
    assert refusal["errors"][0]["sentence"] == "There is no status “gone”."
    assert document["openapi"] == "3.1.0"


@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_page_work_as_they_are_copied(world, owner, tmp_path):
    with running(tmp_path, DATABASE_URL=database_url()) as server:
        commands = [command for _, command, _ in examples(f"http://127.0.0.1:{server.port}/api/v1")]
        variables = {"TOKEN": token_of(owner), "NUMBER": "256999", "ACCOUNT": str(world.account.pk)}
        listed, rehearsed, assigned = curl(commands, tmp_path, **variables)
    assert [item["number"] for item in listed["items"]] == ["256999"]
    assert (rehearsed["dry_run"], rehearsed["result"]["done"]) == (True, 1)
    assert (assigned["did"]["number"], assigned["did"]["status"]) == ("256999", "active")

"""The examples of docs/api.md, sent by curl to the web server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from tests.api.conftest import token_of
from tests.kills import database_url
from tests.servers import require
from tests.web_server import running

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = re.findall(r"^```bash\n(.*?)^```", Path(settings.BASE_DIR, "docs/api.md").read_text(), re.S | re.M)


def test_the_examples_of_the_documentation_work(world, owner, tmp_path):
    require("curl", shutil.which("curl"))
    with running(tmp_path, DATABASE_URL=database_url()) as server:
        variables = {
            "PATH": "/usr/bin:/bin",
            "SERVER": f"http://127.0.0.1:{server.port}",
            "TOKEN": token_of(owner),
            "NUMBER": "256999",
        }
        answers = []
        for example in EXAMPLES:
            command = ["bash", "-euo", "pipefail", "-c", example]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (example, done.stderr)
            answers.append(json.loads(done.stdout))
    one, free, clients, number, not_modified, refusal, document = answers
    assert [item["number"] for item in one["items"]] == ["111"] and "limit=1&after=" in one["next"]
    assert {item["status"] for item in free["items"]} == {"instock", "reserved"} and len(free["items"]) == 2
    assert clients == {"items": [{"name": "Rose Orig", "dids": 2}], "next": None, "count": 1}
    assert number["number"] == "256999"
    assert not_modified == 304
    assert refusal["errors"][0]["sentence"] == "There is no status “gone”."
    assert document["openapi"] == "3.1.0"

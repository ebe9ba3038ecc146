"""Schemathesis tries every operation of the document at the web server, and what one leads to after another.

No answer is a fault, each one is documented with its status, type, headers and members, and what the document
forbids is refused. ``make explore`` tries more, and something else each time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Program, token_of
from tests.examples import REPEATABLE, scaled
from tests.kills import database_url
from tests.web_server import running
from tests.world import NUMBERS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.hypothesis]

# Half of the ids and numbers are those of records that exist.
CONFIG = """
cache.enabled = false
checks.negative_data_rejection.expected-statuses = [400, 401, 403, 404, 406, 409, 412, 415, 422, 429, 431]
phases.stateful.generation.max-examples = {scenarios}
dictionaries.ids.values = {ids}
dictionaries.numbers.values = {numbers}

[parameters]
"path.number" = {{ dictionary = "numbers", probability = 0.5 }}
"path.pk" = {{ dictionary = "ids", probability = 0.5 }}
"body.reseller" = {{ dictionary = "ids", probability = 0.5 }}
"body.operator" = {{ dictionary = "ids", probability = 0.5 }}
"body.client" = {{ dictionary = "ids", probability = 0.5 }}
"body.account" = {{ dictionary = "ids", probability = 0.5 }}
"body.package" = {{ dictionary = "ids", probability = 0.5 }}
"body.client_package" = {{ dictionary = "ids", probability = 0.5 }}
"""
# The phase that tries the limits of each value takes the most time: it is left to ``make explore``.
PHASES = ["examples", "fuzzing", "stateful"]
if not REPEATABLE:
    PHASES.append("coverage")
# A record that the document can’t know to be missing is refused, and so are moves that its state rules out.
LEFT_OUT = "positive_data_acceptance"


def test_each_operation_answers_as_documented_whatever_is_sent(world, administrator, tmp_path):
    records = (
        world.reseller,
        world.operator,
        world.client,
        world.account,
        world.package,
        world.client_package,
    )
    config = tmp_path / "schemathesis.toml"
    values = {"ids": [one.pk for one in records], "numbers": json.dumps([*NUMBERS]), "scenarios": scaled(75)}
    config.write_text(CONFIG.format(**values))
    program = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"]
    options = ["--phases", ",".join(PHASES), "--exclude-checks", LEFT_OUT, "--max-examples", str(scaled(20))]
    options += ["--suppress-health-check", "all", "--continue-on-failure", "--no-color"]
    options += ["--generation-deterministic"] if REPEATABLE else []
    token = token_of(administrator)
    many = {"action": "create", "range": "4420000000-4420002000", "operator": world.operator.pk}
    assert Program(token).post("/dids/bulk", many).status == 202  # a job, which nobody runs
    with running(tmp_path, DATABASE_URL=database_url(), API_REQUESTS_PER_MINUTE="0") as server:
        address = f"http://127.0.0.1:{server.port}/api/v1/openapi.json"
        done = subprocess.run(
            [*program, address, "--header", f"Authorization: Bearer {token}", *options],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, done.stdout

"""A client that openapi-python-client generates from the document works, and its types are the document's."""

import json
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from api.urls import _document
from audit import SYSTEM
from dids.models import DID
from tests.api.conftest import token_of
from tests.kills import database_url
from tests.web_server import running, worker

FIRST, LAST = 4420000000, 4420002000  # one number more than is moved at once
# The only values of which the document can't know the type: what a program sent.
ANYTHING = {"InvalidValue.value"}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Generate the client; yield a function that imports one of its modules."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(_document())
    program = Path(sys.executable).with_name("openapi-python-client")
    options = ["--path", "openapi.json", "--output-path", "did_client", "--meta", "none"]
    (folder / "config.yaml").write_text("post_hooks: []\n")
    command = [program, "generate", *options, "--config", "config.yaml"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    sys.path.insert(0, str(folder))
    yield lambda name: import_module(f"did_client.{name}")
    sys.path.remove(str(folder))


def takes_json(operation):
    """Return whether an operation has no body, or one in JSON: the generator leaves out those in CSV."""
    body = operation.get("requestBody")
    return body is None or "application/json" in body["content"]


@pytest.mark.without_database
def test_the_client_has_each_operation_and_a_type_for_each_value(package):
    folder = Path(package("models").__file__).parent
    paths = json.loads(_document())["paths"].values()
    operations = [one for methods in paths for one in methods.values()]
    known = {one["operationId"] for one in operations if takes_json(one)}
    assert {file.stem for file in folder.parent.glob("api/*/*.py")} - {"__init__"} == known
    untyped = set()
    for file in folder.glob("*.py"):
        name, text = re.search(r"^class (\w+)", file.read_text(), re.M), file.read_text()
        members = re.findall(r"^    (\w+): (.*)$", text, re.M)
        untyped |= {
            f"{name[1]}.{member}"
            for member, kind in members
            if name and member != "additional_properties" and re.search(r"\bAny\b", kind)
        }
    assert untyped == ANYTHING


@pytest.fixture
def called(package, world, owner, tmp_path):
    """Yield a function that calls an operation of the generated client, such as "numbers.get_did"."""
    where = {"DATABASE_URL": database_url()}
    with worker(tmp_path, **where), running(tmp_path, **where) as server:
        address, token = f"http://127.0.0.1:{server.port}", token_of(owner)
        with package("client").AuthenticatedClient(base_url=address, token=token) as client:
            yield lambda name, *values, **named: package(f"api.{name}").sync(*values, client=client, **named)


@pytest.mark.django_db(transaction=True)
def test_a_generated_client_reads_and_writes(called, package, world):
    many = map(str, range(FIRST, LAST + 1))
    DID.objects.create_numbers([*many], operator=world.operator, by=SYSTEM, status="instock")
    models = package("models")

    page = called("numbers.list_dids", status=[models.ListDidsStatusItem.INSTOCK], limit=2)
    assert isinstance(page, models.DIDPage) and isinstance(page.next_, str)
    assert [one.operator.name for one in page.items] == ["DID Operator"] * 2
    named = [models.ListDidsFieldsItem.NUMBER, models.ListDidsFieldsItem.STATUS]
    (one,) = called("numbers.list_dids", q="256999", fields=named).items
    assert (one.number, one.status) == ("256999", models.DIDStatus.INSTOCK)
    assert one.notes is package("types").UNSET

    one = called("numbers.get_did", "2567")
    assert isinstance(one, models.DID) and one.client.name == "Rose Orig"

    new = models.NewDID(number="+44 20 7183 8750", operator=world.operator.pk, tags=["gold"])
    created = called("numbers.create_did", body=new, idempotency_key="one")
    assert (created.did.number, created.did.tags, created.result.done) == ("442071838750", ["gold"], 1)

    holder = models.Assignment(account=world.account.pk)
    assigned = called("numbers.assign_did", created.did.number, body=holder)
    assert isinstance(assigned, models.WrittenDID) and assigned.did.account.name == "rose_orig"

    archive = models.BulkAction.ARCHIVE
    few = models.Bulk(action=archive, range_=f"{FIRST}-{FIRST + 9}", dry_run=True)
    assert isinstance(called("numbers.bulk_dids", body=few), models.Rehearsed)
    few.dry_run = False
    done = called("numbers.bulk_dids", body=few)
    assert isinstance(done, models.WrittenMany) and done.result.done == 10

    rest = models.Bulk(action=archive, range_=f"{FIRST}-{LAST}", expected=LAST - FIRST + 1)
    queued = called("numbers.bulk_dids", body=rest)
    assert isinstance(queued, models.Queued)
    while (job := called("jobs.get_job", queued.job.id)).finished_at is None:
        time.sleep(0.2)
    assert (job.state, job.result.done) == (models.JobDetailState.DONE, LAST - FIRST + 1 - 10)

    refused = called("numbers.get_did", "999")
    assert isinstance(refused, models.Problem) and (refused.status, refused.code) == (404, "not_found")
    invalid = called("numbers.edit_did", "256999", body=models.DIDEdit(hold_days=999))
    assert [one.pointer for one in invalid.errors] == ["#/hold_days"]

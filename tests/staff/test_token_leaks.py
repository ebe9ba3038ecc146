"""A secret is in no log, error page or row of the database, whatever is sent with it."""

import pytest
from django.apps import apps
from django.core.management import call_command

from jobs.models import Job
from staff.models import Token
from tests.kills import database_url
from tests.staff.test_tokens import issue
from tests.web_server import running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("log_format", "debug"), [("line", "1"), ("json", "0")])
def test_a_real_server_writes_no_secret(world, supervisor, tmp_path, capfd, log_format, debug):
    token, header = issue(supervisor, "dids:write")
    secret = header.partition(".")[2]
    text = header.removeprefix("Bearer ")
    answers, variables = [], {"LOG_FORMAT": log_format, "LOG_LEVEL": "DEBUG", "DEBUG": debug}
    with running(tmp_path, DATABASE_URL=database_url(), **variables) as server:

        def send(path, method="GET", **headers):
            answers.append(server.get(path, method=method, **headers)[1])
            return answers[-1]

        authorized = {"Authorization": header, "User-Agent": text, "Cookie": f"sessionid={text}"}
        assert b"256999" in send("/api/v1/dids", **authorized)
        send("/api/v1/dids/999", **authorized)
        for path in (f"/api/v1/dids?q={text}", f"/api/v1/{text}", f"/{text}", f"/dids/?q={text}", "/metrics"):
            send(path, **authorized)
            send(path, "POST", **authorized)
        send("/api/v1/dids", Authorization=header[:-1])
        token.revoke(by=supervisor)
        send("/api/v1/dids", **authorized)
    call_command("worker", "--once")
    written = capfd.readouterr()
    logged = written.err + written.out
    assert f"Token {token.key} was refused from 127.0.0.1: revoked" in logged
    assert secret not in logged and secret[:-1] not in logged
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in files if secret.encode() in file]
    assert secret not in repr([list(model._base_manager.values()) for model in apps.get_models()])
    assert Token.objects.get().last_used_from == "127.0.0.1" and not Job.objects.exists()
    # An answer may repeat what its own address or query had, but not what was in its headers.
    assert not [body for body in (answers[0], answers[1], *answers[-4:]) if secret[:-1].encode() in body]

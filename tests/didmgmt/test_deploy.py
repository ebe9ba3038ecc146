"""The files of deploy/: systemd's units, the container, the compose file, the example of the settings."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from didmgmt import children, server
from tests.programs import accepts_connections, free_port, program
from tests.proxies import DEPLOY

ROOT = Path(settings.BASE_DIR)
UNITS = sorted(path.name for path in DEPLOY.glob("did-*"))


# --- systemd --------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path):
    """Return the folder of the units, for a Python that exists here."""
    for name in UNITS:
        text = (DEPLOY / name).read_text().replace("/srv/did/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(text)
    return tmp_path


def unit(name):
    """Return the sections of a unit; of a key that is repeated, the last value."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read(DEPLOY / name)
    return parser


def test_systemd_accepts_the_units(units):
    command = [program("systemd-analyze"), "verify", "--man=no", *(units / name for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "did-" in line] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_the_services_may_do_little(units, name):
    """Below 2 of 10 by systemd's own count of what a service could do to the system."""
    analyze = [program("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=20"]
    done = subprocess.run([*analyze, units / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_waits_as_long_as_the_processes_take_to_stop():
    patience = int(unit("did-web.service")["Service"]["TimeoutStopSec"])
    assert server.STOP_SECONDS < children.STOP_WITHIN < patience
    for name in ("did-web.service", "did-worker@.service"):
        service = unit(name)["Service"]
        assert (service["KillMode"], service["Restart"]) == ("mixed", "always")


def test_the_units_run_commands_that_exist():
    text = "".join((DEPLOY / name).read_text() for name in UNITS)
    assert set(re.findall(r"manage\.py (\w+)", text)) <= set(get_commands())


# --- the settings ---------------------------------------------------------------------------------

EXAMPLE = (DEPLOY / "did.env.example").read_text()


def defaults():
    """Return {variable: default} of the example, without those that have none."""
    lines = re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    return {name: value for name, value in lines if value}


def test_the_example_has_the_settings_of_the_readme():
    table = re.findall(r"^\| (`[A-Z`_, ]+`) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    documented = [name for names in table for name in re.findall(r"\w+", names)]
    named = re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert sorted(named) == sorted(documented)
    read = re.findall(r'env(?:_\w+|\.\w+)\(\s*"([A-Z_]+)"', (ROOT / "didmgmt" / "settings.py").read_text())
    assert set(read) <= set(named)


def test_the_defaults_of_the_example_are_those_of_the_product(tmp_path):
    code = (
        "import json; from didmgmt import settings; print(json.dumps("
        "{name: repr(value) for name, value in vars(settings).items() if name.isupper()}))"
    )
    given = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "TLS": "1", "SECRET_KEY": "x" * 50}
    named = {name: value.replace("/var/lib/did", str(tmp_path)) for name, value in defaults().items()}
    without, with_defaults = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, env=variables, check=True, capture_output=True
            ).stdout
        )
        for variables in (given, given | named)
    )
    assert with_defaults == without


# --- the container --------------------------------------------------------------------------------


def steps():
    """Return the (instruction, text) pairs of the Containerfile."""
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def of(instruction):
    return [text for name, text in steps() if name == instruction]


@pytest.fixture
def image(tmp_path):
    """Return the folder of an image: what COPY copies, and a /srv/venv with the requirements alone."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    copied = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert "COPY . ." in [" ".join(step) for step in steps()]
    for name in copied:
        source, target = ROOT / name, tmp_path / "srv" / "did" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)  # with the bytecode, which saves time
        else:
            shutil.copy(source, target)
    venv.create(tmp_path / "srv" / "venv", with_pip=False)
    (packages,) = (tmp_path / "srv" / "venv").glob("lib/python*/site-packages")
    for line in (tmp_path / "srv" / "did" / "requirements.txt").read_text().splitlines():
        name, version = re.fullmatch(r"([\w-]+)==([\d.]+)", line).groups()
        distribution = metadata.distribution(name)
        assert distribution.version == version
        for part in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (packages / part).exists():
                (packages / part).symlink_to(distribution.locate_file(part))
    return tmp_path


def test_the_container_serves_with_what_is_copied_and_required(image):
    folder, port = image / "srv" / "did", free_port()
    variables = dict(pair.split("=", 1) for pair in of("ENV")[0].split())
    assert variables["HOST"] == "0.0.0.0"  # noqa: S104 - of the container
    variables |= {"HOST": "127.0.0.1", "PORT": str(port), "ALLOWED_HOSTS": ".did.example.com", "TLS": "1"}
    variables |= {"VAR_DIR": str(image / "var"), "WEB_PROCESSES": "1"}
    variables["PATH"] = variables["PATH"].replace("/srv", f"{image}/srv").replace("$PATH", "/usr/bin:/bin")

    def run(*command):
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)

    healthy = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert run(*healthy).returncode == 1
    start = json.loads(of("CMD")[0])
    with subprocess.Popen(start, cwd=folder, env=variables, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not accepts_connections(port):
                time.sleep(0.05)
            done = run(*healthy)
            assert done.returncode == 0, done.stderr
        finally:
            process.terminate()
    assert process.returncode == 0


def test_the_container_runs_as_a_user_of_its_own_with_pinned_packages():
    assert of("USER") == ["did"]
    assert of("RUN")[1].endswith("pip install --no-cache-dir --disable-pip-version-check -r requirements.txt")
    assert not re.search(r"https?://", (DEPLOY / "Containerfile").read_text())


# --- compose --------------------------------------------------------------------------------------

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_uses_what_exists(name):
    service = COMPOSE["services"][name]
    for source in (volume.partition(":")[0] for volume in service.get("volumes", ()) if ":" in volume):
        assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file()
    commands = re.findall(r"manage\.py (\w+)", " ".join(service.get("command", ())))
    assert set(commands) <= set(get_commands())
    assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
    if "build" in service:
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert (DEPLOY / f"{service['env_file']}.example").is_file()
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]


def test_compose_migrates_before_anything_runs_and_waits_like_systemd():
    services = COMPOSE["services"]
    database = {"db": {"condition": "service_healthy"}}
    assert services["prepare"]["depends_on"] == database
    for name, unit_name in (("web", "did-web.service"), ("worker", "did-worker@.service")):
        # Without the database it would be stopped at the same time: prepare has ended, and orders nothing.
        prepared = {"prepare": {"condition": "service_completed_successfully"}}
        assert services[name]["depends_on"] == database | prepared
        assert services[name]["stop_grace_period"] == f"{unit(unit_name)['Service']['TimeoutStopSec']}s"
        assert services[name]["environment"]["OWNER_DATABASE_URL"] == ""

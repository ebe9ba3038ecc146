import json
import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(VENDOR, tmp_path / "vendor"))


def test_vendor_files_match_their_recorded_hashes(capsys):
    call_command("vendor", "--check")
    assert "match their recorded hashes" in capsys.readouterr().out


def test_an_edited_vendor_file_is_named(copy):
    (copy / "htmx.min.js").write_text("alert(1)")
    with pytest.raises(CommandError, match=r"htmx\.min\.js does not match its recorded hash"):
        call_command("vendor", "--check", folder=copy)


def test_a_missing_vendor_file_is_named(copy):
    (copy / "tabler-icons.svg").unlink()
    with pytest.raises(CommandError, match=r"tabler-icons\.svg is missing"):
        call_command("vendor", "--check", folder=copy)


def test_an_unrecorded_file_is_named(copy):
    (copy / "stray.js").write_text("")
    with pytest.raises(CommandError, match=r"stray\.js is not recorded"):
        call_command("vendor", "--check", folder=copy)


def test_every_package_has_its_version_and_licence_recorded():
    for package in json.loads((VENDOR / "VERSIONS.json").read_text())["packages"]:
        assert {"name", "version", "licence"} <= package.keys()


def test_the_sprite_has_every_recorded_icon():
    packages = json.loads((VENDOR / "VERSIONS.json").read_text())["packages"]
    (sprite,) = [file for package in packages for file in package["files"] if "icons" in file]
    symbols = (VENDOR / sprite["to"]).read_text()
    for name in sprite["icons"]:
        assert f'<symbol id="{name}"' in symbols


def test_every_icon_of_the_templates_is_in_the_sprite():
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "tabler-icons.svg").read_text()))
    templates = (Path(settings.BASE_DIR) / "templates").rglob("*.html")
    used = {name for path in templates for name in re.findall(r'{% icon "([^"]+)"', path.read_text())}
    assert used
    assert used - symbols == set()

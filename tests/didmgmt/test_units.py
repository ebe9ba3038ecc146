"""The units of systemd in deploy/, checked by systemd itself."""

import shutil
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

ANALYZE = shutil.which("systemd-analyze")
pytestmark = [
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the database makes no difference"),
    pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze"),
]


@pytest.mark.parametrize("unit", ["did-web.service", "did-worker.service"])
def test_systemd_accepts_the_unit(unit, tmp_path):
    text = (settings.BASE_DIR / "deploy" / unit).read_text()
    assert "/srv/did/.venv/bin/python" in text
    (tmp_path / unit).write_text(text.replace("/srv/did/.venv/bin/python", sys.executable))
    done = subprocess.run([ANALYZE, "verify", tmp_path / unit], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if unit in line] == []
    assert done.returncode == 0, done.stderr

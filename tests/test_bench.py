"""The bench measures and leaves nothing; how fast anything is, no test says."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.models import Change
from dids.models import DID, Stock
from staff.models import User
from tests.world import make_world

pytestmark = pytest.mark.django_db


def test_the_bench_reports_each_scenario_and_leaves_the_inventory_as_it_was():
    make_world()
    User.objects.create_superuser("admin")
    before = (DID.objects.count(), Change.objects.count(), Stock.objects.by_status())
    out = StringIO()

    call_command("bench", "--writes", "50", stdout=out)

    lines = [json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{")]
    assert len(lines) == 11
    assert all(line["p50"] > 0 for line in lines if "p50" in line)
    assert all(line["ours"] > 0 and line["rows"] == 50 for line in lines if "ours" in line)
    assert (DID.objects.count(), Change.objects.count(), Stock.objects.by_status()) == before


def test_the_bench_wants_numbers_to_list():
    with pytest.raises(CommandError, match="no numbers"):
        call_command("bench")

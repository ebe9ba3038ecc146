"""The export of any inventory imports back unchanged and restores an empty system."""

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import sheets
from audit import SYSTEM
from clients.names import clean_name
from dids.exports import rows as export_rows
from dids.models import DID
from operators.models import Operator
from staff.models import User
from tests.examples import scaled
from tests.imports import imported, importer, refusals, staged
from tests.world import member

pytestmark = pytest.mark.django_db

# Text that users type and that spreadsheets would run as a formula, in characters a text column can hold.
letters = some.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")
texts = some.one_of(
    some.sampled_from(["=1+1", "+49", "-x", "@sum", "'quoted", '"q", x', "a;b", "'=1", "tab | pipe", "0049"]),
    some.text(letters, min_size=1, max_size=12),
).map(lambda text: " ".join(text.split()))
tags = some.lists(some.sampled_from(["vip", "gold", "Berlin", "=tag"]), unique=True, max_size=3)
free = some.fixed_dictionaries({"Status": some.sampled_from(["reserved", "instock", "archive"])})
held = some.fixed_dictionaries(
    {
        "Status": some.sampled_from(["active", "blocked", "hold"]),
        "Client": some.sampled_from(["Rose Orig", "=Bakery"]),
        "Account": some.sampled_from(["one", "two"]),
        "Package": some.sampled_from(["Basic", "Gold"]),
    }
)


@some.composite
def rows(draw):
    numbers = some.text("0123456789", min_size=1, max_size=20)
    return [
        {
            "DID": number,
            "Operator": draw(some.sampled_from(["Oliver", "Op, 2"])),
            "Reseller": draw(some.sampled_from(["North", "South"])),
            "Tag": ", ".join(draw(tags)),
            "Notes": draw(texts),
            "After Hold": draw(some.sampled_from(["reserved", "instock", "archive"])),
        }
        | draw(some.one_of(free, held))
        for number in draw(some.lists(numbers, min_size=1, max_size=12, unique=True))
    ]


class RollBackError(Exception):
    pass


def as_file(rows):
    header = list(dict.fromkeys(name for row in rows for name in row))
    return b"".join(sheets.write([header, *([row.get(name, "") for name in header] for row in rows)]))


def exported():
    return b"".join(export_rows.CurrentRows(DID.objects.order_by("number"), timezone.now()).csv())


def without_ids(data):
    return [line.split(",", 1)[1] for line in data.decode().splitlines()]


def in_an_empty_system(work):
    """Return the result of ``work()`` and roll back what it wrote."""
    results = []
    try:
        with transaction.atomic():
            results.append(work())
            raise RollBackError
    except RollBackError:
        return results[0]


@override_settings(LONG_NUMBERS=True)
@settings(max_examples=scaled(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows())
def test_an_export_imports_unchanged_and_restores_an_empty_system(rows):
    def load_and_export(data):
        admin = member("Administrator")
        first = imported(data, admin, create=True)
        assert (first.counts["created"], first.counts["refused"]) == (len(rows), 0), refusals(first)
        file = exported()
        again = staged(file, admin)
        assert again.counts == {
            "created": 0,
            "updated": 0,
            "unchanged": len(rows),
            "refused": 0,
            "flagged": 0,
        }
        return file

    file = in_an_empty_system(lambda: load_and_export(as_file(rows)))
    restored = in_an_empty_system(lambda: load_and_export(file))

    assert without_ids(restored) == without_ids(file)


any_text = some.text(
    some.characters(exclude_categories=["Cs"]) | some.sampled_from("'=-+@\u200b\u00a0\u202e\tАаAaß\u0301"),
    min_size=1,
    max_size=12,
)


@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=some.lists(any_text.map(clean_name).filter(bool), min_size=1, max_size=5, unique=True),
    tags=some.lists(any_text.map(lambda text: text.replace(";", "").replace(",", "")), max_size=3),
)
def test_numbers_with_any_names_and_tags_are_imported_back_unchanged(world, names, tags):
    user = User.objects.filter(username="importer").first() or importer(world)

    def round_trip():
        for digit, name in enumerate(names):
            operator = Operator.objects.create(reseller=world.reseller, name=name)
            DID.objects.create_numbers([f"90{digit}"], operator=operator, by=SYSTEM, tags=tags)
        rows = export_rows.CurrentRows(DID.objects.filter(number__startswith="90"), timezone.now())
        done = staged(b"".join(sheets.write(rows)), user, create=True)
        return done.job.result["counts"]

    assert in_an_empty_system(round_trip) == {"unchanged": len(names)}

"""The lists of numbers of other systems: recognised, mapped and imported without a choice of columns."""

import csv
from pathlib import Path

import pytest

from dids.exports.columns import HEADER
from dids.imports.layouts import LAYOUTS
from dids.imports.mapping import guess
from dids.models import DID
from tests.imports import imported, importer, refusals

# (file, system, the numbers that it creates, the notes of the first); numbers and names are fictional.
CASES = [
    ("jerasoft", "JeraSoft", "442079460101 442079460102", "front desk"),
    ("astpp", "ASTPP", "12025550101 12025550102", ""),
    ("portabilling-1", "PortaBilling", "442079460103", "reception"),
    ("portabilling-2", "PortaBilling", "442079460104", "spare"),
    ("magnusbilling-1", "MagnusBilling", "5511970280101 5511970280102", "recepção"),
    ("magnusbilling-2", "MagnusBilling", "5511970280103", ""),
    ("fusionpbx-1", "FusionPBX", "12025550103 12025550104", "Sales"),
    ("fusionpbx-2", "FusionPBX", "12025550105", "Sales"),
    ("kazoo", "Kazoo", "12025550106 12025550107", ""),
    ("wazo-1", "Wazo", "14185550101 14185550102", "Reception"),
    ("wazo-2", "Wazo", "14185550103 14185550104", ""),
    ("netbox-phonebox", "NetBox phonebox", "442079460105 442079460106", "hotline"),
    ("twilio", "Twilio", "12025550108 12025550109", "Support line"),
    ("telnyx", "Telnyx", "12025550110 12025550111", "PO 7"),
    ("bandwidth", "Bandwidth", "9195550101 9195550102", ""),
    ("didww-1", "DIDWW", "442079460107", "front desk"),
    ("didww-2", "DIDWW", "442079460108", "fax"),
    ("voip-ms", "VoIP.ms", "5145550101 5145550102", "Montréal"),
    ("netsapiens-1", "NetSapiens", "18585550101 18585550102", "lobby"),
    ("netsapiens-2", "NetSapiens", "18585550103", "lobby"),
    ("metaswitch-1", "Metaswitch", "2025550112 2025550113 2025550114 2025550116", ""),
    ("metaswitch-2", "Metaswitch", "2025550117", ""),
    ("metaswitch-3", "Metaswitch", "2025550120 2025550121 2025550124", ""),
    ("microsoft-teams-1", "Microsoft Teams", "442079460109 442079460110", ""),
    ("microsoft-teams-2", "Microsoft Teams", "442079460111", ""),
    ("yeastar-1", "Yeastar", "442079460112 442079460113", "hotline"),
    ("yeastar-2", "Yeastar", "442079460114 442079460115", ""),
    ("yeastar-3", "Yeastar", "442079460116", "sales"),
]
FILES = Path(__file__).parents[2] / "data" / "layouts"


def test_every_sample_has_a_case():
    assert {path.stem for path in FILES.iterdir()} == {case[0] for case in CASES}


def test_every_known_system_has_a_sample():
    assert {layout.system for layout in LAYOUTS} == {case[1] for case in CASES}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "system", "numbers", "notes"), CASES, ids=[case[0] for case in CASES])
def test_the_list_of_a_known_system_is_imported_without_choosing_columns(name, system, numbers, notes, world):
    text = (FILES / f"{name}.csv").read_text()
    operator = None if "DID Operator" in text else world.operator
    before = set(DID.objects.values_list("number", flat=True))

    number_import = imported(text, importer(world), operator=operator)

    created = DID.objects.exclude(number__in=before).order_by("number")
    assert refusals(number_import) == []
    assert [did.number for did in created] == numbers.split()
    assert created[0].notes == notes
    rows = list(csv.reader(text.splitlines()))
    assert guess(rows, len(rows[0])).layout == system


def test_the_header_of_our_own_export_is_no_other_system():
    row = ["17", "In Stock", "x", "441632960100", "", "", "", "", "", "In Stock", "y"]
    found = guess([HEADER, [*row, "gold", "United Kingdom", "London", "Geographic"]], len(HEADER))
    assert found.layout == ""
    assert found.keys == [
        "id", "status", "operator", "number", "tags", "notes", "client", "account", "package", "after_hold",
        "reseller", "", "", "", "",
    ]  # fmt: skip


def test_a_column_that_a_known_list_does_not_have_may_name_the_operator():
    found = guess(
        [["SID", "Phone Number", "Friendly Name", "Carrier"], ["P", "+12025550108", "x", "Colt"]], 4
    )
    assert found.keys == ["", "number", "notes", "operator"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Order No,DN,Notes\n100230,+12025551700,x\n100231,+12025551701,y\n", "12025551700 12025551701"),
        ("Activation date,DN\n2026-05-01,+12025551710\n", "12025551710"),
        ("Kunden-Nr.;Rufnummer;Bemerkung\n100017;+49 40 6696801;Büro\n", "49406696801"),
        ("didNumber,country,state,trunkName\n12025551801,US,DC,trunk-a\n", "12025551801"),
        ("TN,Rate Center,State\n7345550126,ANNARBOR,MI\n", "7345550126"),
        ("StartingNumber,EndingNumber\n+12025551900,+12025551902\n", "12025551900 12025551901 12025551902"),
        ("АВС/ DEF;От;До;Емкость\n301;2110000;2110001;2\n", "3012110000 3012110001"),
        ("Country code,Area,Number\n44,1632,960601\n44,1632,960602\n", "441632960601 441632960602"),
        ("Kopfnummer,Von,Bis\n4930231251,00,01\n", "493023125100 493023125101"),
        ("H|20260503|ACME\nDID|Notes\n441632960501|a\n441632960502|b\n", "441632960501 441632960502"),
        ("+441632960501,100230\n+441632960502,100231\n", "441632960501 441632960502"),
    ],
)
def test_columns_found_by_name_and_content_create_these_numbers(text, numbers, world):
    before = set(DID.objects.values_list("number", flat=True))
    imported(text, importer(world), operator=world.operator)
    created = DID.objects.exclude(number__in=before).values_list("number", flat=True)
    assert sorted(created) == numbers.split()

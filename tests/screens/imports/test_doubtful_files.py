"""Files that a careful clerk would ask about, taken through the whole wizard.

Each gives exactly the numbers that were meant, with the answers of the case or with the safe defaults.
"""

import json
import re
from pathlib import Path

import pytest

from audit import SYSTEM
from clients.models import Account, Client, Package, Reseller
from dids.models import DID, ClientPackage
from operators.models import Operator
from tests.screens.imports.test_import_wizard import columns_of, upload
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


FAULTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "import-faults"


@pytest.fixture
def browser():
    return client_of(member("Administrator"))


@pytest.fixture(autouse=True)
def operator():
    reseller = Reseller.objects.create(name="North")
    Operator.objects.create(reseller=reseller, name="Colt")
    return Operator.objects.create(reseller=reseller, name="In-house")


def imported(browser, name, content, operator, **answers):
    """Import with these answers, and ``operator`` if one is asked for; return the counts of the check."""
    page = browser.get(upload(browser, content, name).url)
    path = page.request["PATH_INFO"]
    if any(item.kind == "operator" for item in page.context["questions"]):
        answers.setdefault("operator", operator.pk)
    answer = browser.post(path, columns_of(page) | answers)
    assert answer.status_code == 302, (answer.context["said"], answer.context["form"].errors)
    counts = browser.get(answer.url).context["counts"]
    browser.post(answer.url)
    return counts


def stored():
    return set(DID.objects.values_list("number", flat=True))


def run(first, count):
    return {str(number) for number in range(first, first + count)}


CASES = {
    "shortened ranges are refused": (
        "DID,Operator\n442079460501-509,Colt\n44207946052[0-9],Colt\n442079460531/9,Colt\n442079460541,Colt\n",
        {},
        {"442079460541"},
    ),
    "shortened ranges are expanded": (
        "DID,Operator\n442079460501-509,Colt\n44207946052[0-9],Colt\n",
        {"short_ranges": "expand"},
        {*run(442079460501, 9), *run(442079460520, 10)},
    ),
    "one dash in the middle is refused": (
        "DID,Operator\n43210-98765,Colt\n98765-43210,Colt\n9876543299,Colt\n",
        {},
        {"9876543299"},
    ),
    "one dash in the middle is dropped": (
        "DID,Operator\n43210-98765,Colt\n98765-43210,Colt\n98765-98799,Colt\n",
        {"dash": "number"},
        {"4321098765", "9876543210", "9876598799"},
    ),
    "one dash in the middle makes a range": (
        "DID,Operator\n2345-2445,Colt\n8765-4321,Colt\n",
        {"dash": "range"},
        run(2345, 101),
    ),
    "two numbers in a cell are refused": (
        "DID,Operator\n442079460501 / 442079460502,Colt\n442079460503,Colt\n",
        {},
        {"442079460503"},
    ),
    "two numbers in a cell are split": (
        "DID,Operator\n442079460501 / 442079460502,Colt\n442079460503,Colt\n",
        {"several": "split"},
        run(442079460501, 3),
    ),
    "dates and addresses are no numbers": (
        (
            "DID,Operator\n2026-06-11,Colt\n11.06.2026,Colt\n12-Jun,Colt\nsip:1@example.org,Colt\n"
            "tel:+442079460504,Colt\n"
        ),
        {},
        {"442079460504"},
    ),
    "numbers with a (0) are refused": (
        "DID,Operator\n+44 (0)20 7946 0551,Colt\n442079460552,Colt\n",
        {},
        {"442079460552"},
    ),
    "a (0) is dropped": (
        "DID,Operator\n+44 (0)20 7946 0551,Colt\n+49 (0) 30 2345 6711,Colt\n",
        {"zero": "drop"},
        {"442079460551", "493023456711"},
    ),
    "zeros within parts of a number are refused": (
        "CC,Area,Local,Operator\n44,020,79460561,Colt\n44,20,79460562,Colt\n",
        {"column0": "part", "column1": "part", "column2": "number"},
        {"442079460562"},
    ),
    "a count and a date of a file’s frame are no numbers": (
        "DID|Operator\n442079460571|Colt\n442079460572|Colt\n442079460573|Colt\n20260611|Colt\n3|Colt\n",
        {},
        run(442079460571, 3),
    ),
    "a flagged row is written if it is ticked": (
        "DID|Operator\n442079460571|Colt\n442079460572|Colt\n442079460573|Colt\n20260611|Colt\n3|Colt\n",
        {"written": "5"},
        {*run(442079460571, 3), "20260611"},
    ),
    "a totals row is refused": (
        "DID;Operator;Monthly\n442079460581;Colt;2,50\nSumme;;2,50\n",
        {},
        {"442079460581"},
    ),
    "lost zeros are refused": (
        "DID,Operator\n02079460591,Colt\n02079460592,Colt\n02079460593,Colt\n2079460594,Colt\n",
        {},
        {"02079460591", "02079460592", "02079460593"},
    ),
    "lost zeros are put in front": (
        "DID,Operator\n02079460591,Colt\n02079460592,Colt\n02079460593,Colt\n2079460594,Colt\n",
        {"lost": "put", "front": "0"},
        {f"0{number}" for number in run(2079460591, 4)},
    ),
    "shorter numbers are kept": (
        "DID,Operator\n442079460601,Colt\n442079460602,Colt\n442079460603,Colt\n44207946060,Colt\n",
        {"lost": "keep"},
        {*run(442079460601, 3), "44207946060"},
    ),
    "start and end in two columns": (
        "FirstNumber,LastNumber,Carrier\n+442079460610,+442079460619,Colt\n",
        {},
        run(442079460610, 10),
    ),
    "a code, the first and the last number": (
        "Code,From,To,Carrier\n301,2110020,2110024,Colt\n",
        {"column0": "part", "column1": "number", "column2": "range_end"},
        run(3012110020, 5),
    ),
    "marks of empty cells are no values": (
        "DID\tOperator\tStatus\tTag\n442079460621\tColt\tNULL\t\\N\n442079460622\tColt\t-\tn/a\n",
        {},
        run(442079460621, 2),
    ),
    "values of statuses are answered": (
        "DID,Status,Operator\n442079460631,libre,Colt\n442079460632,baja,Colt\n442079460633,?,Colt\n",
        {"status=libre": "instock", "status=baja": "archive", "status=?": "refuse"},
        run(442079460631, 2),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_doubtful_file_gives_only_the_numbers_that_were_meant(browser, operator, case):
    content, answers, expected = CASES[case]

    imported(browser, "numbers.csv", content, operator, **answers)

    assert stored() == expected
    assert not DID.objects.filter(tag_set__label__in=["NULL", "\\N", "n/a", "-"]).exists()


# --- the collected files, where they are available ----------------------------------------------------

ANSWERS = {
    "german.csv": {"status=frei": "instock"},
    "status-values.csv": {"status=in-use": "reserved", "status=free": "instock", "status=Inactive": "refuse"},
}
COUNTS = {  # created, refused or flagged
    "short-ranges.csv": (10, 6),
    "two-numbers-in-a-cell.csv": (0, 3),
    "zero-after-country-code.csv": (0, 2),
    "german.csv": (2, 0),
    "one-known-header.csv": (2, 0),
    "number-and-country.csv": (2, 0),
    "rate-center-state.csv": (2, 0),
    "camel-case.csv": (2, 0),
    "start-and-end.csv": (10, 0),
    "russian-plan.csv": (10, 0),
    "three-parts.csv": (2, 0),
    "nulls.tsv": (3, 0),
    "status-values.csv": (2, 1),
}


def fault_cases():
    if not (FAULTS / "cases.json").exists():
        return []
    return json.loads((FAULTS / "cases.json").read_text())


@pytest.mark.parametrize("case", fault_cases(), ids=lambda case: case["file"])
def test_a_collected_file_gives_its_right_result(browser, operator, case):
    content = (FAULTS / case["file"]).read_bytes()
    if b"{" in content:
        content = filled(content.decode(), operator).encode()
    before = stored()
    answers = dict(ANSWERS.get(case["file"], {}))
    for index, label in enumerate(case.get("columns", [])):
        answers[f"column{index}"] = {
            "DID": "number",
            "Operator": "operator",
            "Tag": "tags",
            "Notes": "notes",
        }[label]
    if case.get("settings", {}).get("create_missing"):
        answers["create"] = "on"

    counts = imported(browser, case["file"], content, operator, **answers)

    created = stored() - before
    assert not created & set(case.get("never", []))
    if "created" in case:
        assert created == set(case["created"])
    if case["file"] in COUNTS:
        assert (counts["created"], counts["refused"] + counts["flagged"]) == COUNTS[case["file"]]


def filled(text, operator):
    """Fill the braces of a file with ids and names."""
    numbers = ["442071000101", "442071000102", "441632960801", "441632960802"]
    DID.objects.create_numbers(numbers, operator=operator, by=SYSTEM, status="instock")
    client = Client.objects.create(reseller=operator.reseller, name="Bakery")
    account = Account.objects.create(client=client, name="main")
    package = Package.objects.create(reseller=operator.reseller, name="Loaf", did_limit=1)
    given = ClientPackage.objects.create(client=client, package=package)
    DID.objects.filter(number="441632960801").assign(given, account, by=SYSTEM)
    text = re.sub(r"\{id of (\d+)\}", lambda match: str(DID.objects.get(number=match[1]).pk), text)
    text = text.replace("{client}", "Bakery").replace("{account}", "main")
    return re.sub(r"\{package[^}]*\}", "Loaf", text)


CHOSEN = {  # file: answers other than the safe ones, and the numbers that they give
    "short-ranges.csv": (
        {"short_ranges": "expand", "lost": "keep"},
        run(441632961280, 10)
        | {f"0{number}" for number in range(1632961290, 1632961300)}
        | run(441632961300, 10)
        | run(441632961340, 10)
        | run(441632970000, 100)
        | run(441632970100, 10),
    ),
    "two-numbers-in-a-cell.csv": (
        {"several": "split", "short_ranges": "expand"},
        {*run(2025551270, 2), "0800223456", "0800223457", "01632960018", "01632960019"},
    ),
    "zero-after-country-code.csv": ({"zero": "drop"}, {"442079461001", "441632960116"}),
}


@pytest.fixture
def collection():
    if not FAULTS.exists():
        pytest.skip("the collection of files is not here")


@pytest.mark.parametrize("name", CHOSEN)
def test_doubtful_cells_are_read_as_the_user_chooses(browser, operator, collection, name):
    answers, numbers = CHOSEN[name]
    imported(browser, name, (FAULTS / name).read_bytes(), operator, **answers)
    assert stored() == numbers


def test_a_row_whose_id_is_another_number_is_refused(browser, operator, collection):
    text = filled((FAULTS / "id-and-did-disagree.csv").read_text(), operator)
    counts = imported(browser, "ids.csv", text, operator)
    assert (counts["created"], counts["refused"]) == (1, 2)
    assert "442071000103" in stored()


def test_a_place_that_one_row_frees_is_taken_by_the_next(browser, operator, collection):
    text = filled((FAULTS / "merged-swap.csv").read_text(), operator)
    imported(browser, "swap.csv", text, operator, errors_policy="all")
    statuses = dict(DID.objects.values_list("number", "status"))
    assert (statuses["441632960801"], statuses["441632960802"]) == ("hold", "active")


def test_a_name_that_differs_by_case_is_refused_and_blanks_are_folded(browser, operator, collection):
    content = (FAULTS / "near-equal-names.csv").read_bytes()
    counts = imported(browser, "names.csv", content, operator, create="on")
    assert set(Operator.objects.values_list("name", flat=True)) == {"Colt", "In-house", "In house"}
    assert counts["refused"] == 1
    assert stored() == run(441632960702, 3)

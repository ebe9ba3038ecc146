"""Files that a careful clerk would ask about, taken through the whole wizard.

Each gives exactly the numbers that were meant, with the answers of the case or with the safe defaults.
"""

import pytest

from clients.models import Reseller
from dids.models import DID
from operators.models import Operator
from tests.screens.imports.test_import_wizard import columns_of, upload
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


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
    "a count and a date of a file's frame are no numbers": (
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

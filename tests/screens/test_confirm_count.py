"""The count typed to confirm a large action: only digits, with or without separators."""

import pytest

from screens.forms import CONFIRM_ABOVE, ConfirmCountForm


def form(typed, count=1_234):
    return ConfirmCountForm.when_needed({"typed_count": typed}, count=count, fate="will be deleted")


@pytest.mark.parametrize("typed", ["1234", "1,234", " 1,234 ", "1.234", "1 234", "1’234", "1\u202f234"])
def test_the_number_is_accepted_with_or_without_separators(typed):
    assert form(typed).is_valid()


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "no! not 1 of the 234",
        "1234 numbers",
        "1 of 234",
        "12,34",
        "1,2,3,4",
        "1234,",
        "-1234",
        "+1234",
        "1234.0",
        "0001234",
        "1e3",
        "１２３４",
        "1233",
    ],
)
def test_anything_else_is_refused(typed):
    refused = form(typed)
    assert refused.errors == {"typed_count": ["Type 1,234, the number of DIDs that will be deleted."]}


def test_few_numbers_need_no_confirmation():
    assert form("", count=CONFIRM_ABOVE) is None
    assert form("", count=CONFIRM_ABOVE + 1) is not None

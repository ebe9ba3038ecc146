"""Country, area and type of a number by its head."""

import random

import phonenumbers
import pytest

from dids.numbering.countries import COUNTRIES
from dids.numbering.geography import TYPES, UNKNOWN, Geography, e164, grouped, head_of, of_head
from tests.examples import scaled


@pytest.mark.parametrize(
    ("number", "country", "area", "type_"),
    [
        ("442079460001", "United Kingdom", "London", "geographic"),
        ("447400123456", "United Kingdom", "", "mobile"),
        ("447911123456", "Guernsey", "", "mobile"),
        ("12125550100", "United States", "New York, NY", "geographic"),
        ("14165550100", "Canada", "Ontario", "geographic"),
        ("18765550100", "Jamaica", "", "mobile"),
        ("18005550199", "United States", "", "tollfree"),
        ("33805123456", "France", "", "tollfree"),
        ("80012345678", "International", "", "tollfree"),
        ("35312345678", "Ireland", "Dublin", "geographic"),
        ("15551234567", "", "", "unknown"),  # no area code of any country
        ("44203012", "United Kingdom", "", "unknown"),  # too short for its plan, but with a country code
        ("1234", "", "", "unknown"),
        ("2567", "", "", "unknown"),
        ("999999999999", "", "", "unknown"),
        ("0301234567", "", "", "unknown"),  # no number in E.164
        ("44207946000144207946", "", "", "unknown"),
    ],
)
def test_the_head_says_country_area_and_type(number, country, area, type_):
    found = of_head(head_of(number))
    assert (found.country_name, found.area, found.type) == (country, area, type_)


def test_every_number_of_a_head_has_its_country_and_type():
    dice = random.Random(5)
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    for region in dice.sample(regions, min(scaled(60), len(regions))):
        for kind in (0, 1, 3, 4):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            head = head_of(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)[1:])
            number = phonenumbers.parse(f"+{head}{dice.randrange(10_000):04}")
            found = of_head(head)
            if phonenumbers.region_code_for_number(number) and len(head) >= 4:
                assert found.country == phonenumbers.region_code_for_number(number), head
            assert found.type in TYPES and found.country in {*COUNTRIES, UNKNOWN}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("442079460001", "+44 20 7946 0001"),
        ("12125550100", "+1 212-555-0100"),
        ("33199004330", "+33 1 99 00 43 30"),
        ("2567", "2567"),
        ("999999999999", "999999999999"),
        ("4402079460001", "4402079460001"),  # the library would leave the (0) out
    ],
)
def test_numbers_are_grouped_as_in_their_country(number, shown):
    assert grouped(number, of_head(head_of(number)).pattern) == shown


def test_a_pattern_of_another_length_groups_nothing():
    assert grouped("4420", "+## ## #### ####") == "4420"
    assert Geography().pattern == ""


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("442079460001", "+442079460001"),
        ("12345678", "+12345678"),
        ("123456789012345", "+123456789012345"),
        ("1234567", "1234567"),
        ("1234567890123456", "1234567890123456"),
        ("02079460001", "02079460001"),
    ],
)
def test_a_number_has_a_plus_in_e164_unless_it_can_not_be_in_it(number, written):
    assert e164(number) == written

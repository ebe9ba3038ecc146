"""How names are stored, and when two of them are alike."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.models import Client
from clients.names import clean_name, keys
from operators.models import Operator

SIGNS = "\u200b\u200d\u00ad\u202e\u2066\ufeff\ufe0f\u3164\n\t\r\x00\x07\x85\u2028\u00a0\u3000\u2800 "
texts = st.text(st.characters() | st.sampled_from(SIGNS + "ABab-éÉАВЕаеßﬁ\u0301\u0307\u0345"), max_size=12)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("In-house\u200b", "In-house"),
        ("In  house", "In house"),
        ("In\u00a0house", "In house"),
        ("\u3000In\u2003\thouse\u2800", "In house"),
        ("In\r\nhouse", "In house"),
        ("In\u2028house", "In house"),
        ("In\u00adhouse", "Inhouse"),
        ("\u202eesuoh\u202c-In", "esuoh-In"),
        ("a\x00b\x07c\x7f\x9fd", "abcd"),
        ("Zu\u0308rich", "Zürich"),
        ("Zu\u200d\u0308rich", "Zürich"),
        ("\u212b", "Å"),
        (" \u200b\ufeff ", ""),
    ],
)
def test_a_name_is_stored_composed_with_single_blanks_and_without_invisible_signs(text, stored):
    assert clean_name(text) == stored


@given(texts)
def test_cleaning_a_clean_name_changes_nothing(text):
    assert clean_name(clean_name(text)) == clean_name(text)


@given(texts)
def test_no_control_bidi_or_zero_width_character_survives(text):
    name = clean_name(text)

    assert not set(name) & set(SIGNS.replace(" ", ""))
    assert not {unicodedata.category(char) for char in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert {char for char in name if unicodedata.category(char) == "Zs"} <= {" "}
    assert name == name.strip() and "  " not in name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("In-house", "IN-HOUSE"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Ｉｎ－ｈｏｕｓｅ", "In-house"),
        ("ﬁne", "fine"),
        ("№ 1", "No 1"),
        ("In–house", "In-house"),
        ("O’Neill", "O'Neill"),
        ("Аlрhа", "Alpha"),
        ("Αlpha", "ALPHA"),
        ("НОВА", "HOBA"),
        ("Нова", "НОВА"),
        ("Ёлка", "Ëлка"),
    ],
)
def test_names_that_look_the_same_are_alike(one, other):
    assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("In-house", "Inhouse"),
        ("Müller", "Muller"),
        ("нов", "hob"),
        ("Trunk 1", "Trunk l"),
        ("Mali", "Mall"),
        ("Opérator 10", "Opérator 11"),
    ],
)
def test_names_that_a_person_tells_apart_are_not_alike(one, other):
    assert not keys(one) & keys(other)


@given(texts)
def test_a_name_is_alike_itself_in_every_case_and_form(text):
    cases = [text.upper(), text.lower(), text.casefold()]
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    for other in cases + forms:
        assert keys(other) & keys(text)


@pytest.mark.django_db
def test_a_name_is_cleaned_however_it_is_written_or_sought(world):
    Operator.objects.create(reseller=world.reseller, name=" One\u200b")
    Operator.objects.bulk_create([Operator(reseller=world.reseller, name="Two\u00a0Two")])
    Client.objects.filter(pk=world.client.pk).update(name="Rose\u202e\tOrig ")

    found = Operator.objects.filter(name__in=["On\u00ade", "Two  Two"])
    assert {one.name for one in found} == {"One", "Two Two"}
    assert Client.objects.get(name="Rose Orig") == world.client

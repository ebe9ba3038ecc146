"""One request costs no more than its limits: repeated and long parameters, long texts.

Inputs are so large that anything quadratic would take longer than the suite may.
"""

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict

from clients.names import clean_name, fold, keys, shape
from clients.tags import tag_keys
from didmgmt.fields import LocalDateTimeField
from dids.lists.filters import DIDFilter
from dids.lists.listing import did_listing
from dids.models import DID
from dids.numbering.normalise import NumberError
from dids.numbering.ranges import Numbers
from dids.numbering.search import Search, parse_list, parse_search
from tests.world import client_of

FORM = "application/x-www-form-urlencoded"

LISTS = {
    "/dids/": ("operator", "client", "tag", "status", "reseller", "match", "q", "as_of"),
    "/jobs/": ("state", "kind"),
    "/clients/": ("reseller", "name"),
    "/packages/": ("reseller",),
    "/client-packages/": ("client", "package", "reseller", "state"),
    "/operators/": ("reseller",),
    "/audit/": ("person", "type", "object", "action"),
}


@pytest.mark.parametrize("address", LISTS)
def test_a_repeated_parameter_is_an_error_and_is_not_repeated_in_the_page(world, administrator, address):
    browser = client_of(administrator)
    for name in LISTS[address]:
        response = browser.get(f"{address}?{f'{name}=1&' * 15_000}")
        assert response.status_code in (200, 400), name
        assert len(response.content) < 1_000_000, name
        if response.status_code == 200 and response.context["listing"].errors:
            assert "No " in response.content.decode()


def test_too_many_values_of_a_filter_are_refused_with_a_sentence(world, administrator):
    response = client_of(administrator).get("/dids/?" + "operator=1&" * 51)
    assert "51 values are chosen; at most 50 can be." in response.content.decode()
    assert response.context["listing"].rows == []


def test_a_long_value_is_refused_with_a_sentence(world, administrator):
    response = client_of(administrator).get(f"/dids/?q={'1' * 20_001}")
    assert "Enter at most 20,000 characters." in response.content.decode()
    assert response.context["listing"].rows == []


def test_unknown_parameters_are_not_in_the_links_of_pages(world, administrator):
    query = QueryDict("sort=-number&per_page=20&nonsense=1&operator=1&operator=2&page=3")
    listing = did_listing(query, administrator, "/dids/")
    assert listing.parameters == [
        ("sort", "-number"),
        ("per_page", "20"),
        ("operator", "1"),
        ("operator", "2"),
    ]


def test_a_filter_with_too_many_values_selects_nothing(world, administrator):
    filterset = DIDFilter(QueryDict("status=instock&" * 51), DID.objects.all(), user=administrator)
    assert not filterset.is_valid()
    assert filterset.error_messages == ["Status: 51 values are chosen; at most 50 can be."]


def test_a_long_text_of_ticked_rows_is_refused_before_it_is_split(world, administrator):
    posted = {"scope": "ids", "ids": "1," * 600_000}
    response = client_of(administrator).post("/dids/mass-edit/", posted)
    assert response.status_code == 422
    assert "1,200,000 characters; at most 1,000,000 can be." in response.content.decode()


SIGNS = [
    "-",
    " ",
    "\t",
    "\n",
    ",",
    ";",
    "1",
    "0",
    "+",
    "(",
    ")",
    "/",
    ".",
    "*",
    "=",
    '"',
    "\u00a0",
    "–",
    "- ",
]
SIGNS += [
    "--1",
    "1-",
    "1 ",
    "+1",
    "(0)",
    "1,",
    "1;",
    "1-2 ",
    "tel:",
    "a",
    "٣",
    "１",
    "1/",
    "%20",
    "1 - ",
    "(1",
]
SIGNS += [";ext=", "1–", "²", "1e", "1:", "_", "'", "@", "\u200b"]


@pytest.mark.parametrize("sign", SIGNS)
def test_many_signs_of_each_kind_are_read_or_refused_at_once(sign):
    text = sign * (100_000 // len(sign))
    for written in (text, f"1 {text} 1"):
        outcomes = [outcome(parse_search, written, match) for match in ("", "exact", "begins")]
        assert all(isinstance(one, Search | NumberError | None) for one in outcomes)
        assert isinstance(parse_list(written[:20_000], 10_000)[1], Numbers)


def outcome(parse, *arguments):
    """Return what ``parse`` returns, or its error."""
    try:
        return parse(*arguments)
    except NumberError as error:
        return error


def test_a_list_that_is_too_long_is_refused_before_its_entries_are_read():
    listed = ",".join(str(n) for n in range(100_000, 500_000))
    with pytest.raises(NumberError, match="the list has 400,000 numbers"):
        parse_search(listed)


@pytest.mark.parametrize("read", [clean_name, fold, shape, keys])
def test_accents_without_end_are_cleaned_at_once(read):
    assert read("a" + "\u0300\u0323" * 500_000)


def test_tags_without_end_are_refused_at_once():
    with pytest.raises(ValidationError, match="has 1000000 characters"):
        tag_keys("\u0300\u0323" * 500_000)


def test_a_date_without_end_is_refused_at_once():
    with pytest.raises(ValidationError):
        LocalDateTimeField().clean("1" + " " * 50_000_000 + "1")


UNREAD = {
    "fields": ({"data": "a=b&" * 20_001, "content_type": FORM}, "The form has more than 20,000 fields"),
    "text": ({"data": {"notes": "x" * 5_000_000}}, "The form has more than 4 MB of text"),
    "long text": ({"data": "a=" + "%2C" * 2_000_000, "content_type": FORM}, "The form has more than 4 MB"),
    "files": (
        {"data": {"file": [SimpleUploadedFile("a.csv", b"1") for _ in range(101)]}},
        "More than 100 files were sent at once",
    ),
    "boundary": ({"data": b"1", "content_type": "multipart/form-data"}, "damaged or incomplete"),
    "parts": (
        {"data": b"--x\r\n" + b"A: b\r\n" * 9000, "content_type": "multipart/form-data; boundary=x"},
        "damaged or incomplete",
    ),
    "encoding": ({"data": "a=b", "content_type": f"{FORM}; charset=utf-7"}, "damaged or incomplete"),
    "host": ({"headers": {"host": "elsewhere"}}, "This site has another address."),
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_request_that_cannot_be_read_is_answered_with_a_sentence(world, administrator, case):
    sent, sentence = UNREAD[case]
    browser = client_of(administrator)
    browser.handler.enforce_csrf_checks = True  # which reads the form
    browser.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    response = browser.post("/dids/import/", **sent)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    part = browser.post(
        "/dids/import/", **sent | {"headers": {"HX-Request": "true", **sent.get("headers", {})}}
    )
    assert part.status_code == 400
    assert part.content.decode().startswith((sentence, "The request is"))


def test_many_fields_are_read(world, administrator):
    response = client_of(administrator).post("/dids/new/", "a=b&" * 19_000, content_type=FORM)
    assert response.status_code == 422


@pytest.mark.parametrize("address", ["/dids/", "/clients/", "/operators/", "/packages/", "/audit/", "/jobs/"])
def test_a_parameter_that_is_too_long_is_refused_whatever_its_name(world, administrator, address):
    browser = client_of(administrator)
    listing = browser.get(address).context["listing"]
    for name in listing.filterset.names():
        response = browser.get(address, {name: "x" * 20_001})
        assert response.status_code == 200
        assert "Enter at most 20,000 characters." in response.text, name

"""The page of the API's reference."""

import json
import re
from html import unescape

import pytest

from tests.api.test_document import OPERATIONS
from tests.world import client_of

pytestmark = pytest.mark.django_db


def test_the_reference_has_every_operation_and_each_link_leads_to_one(viewer):
    page = client_of(viewer).get("/api-reference/").text
    for path, method, one in OPERATIONS:
        assert f"<code>{path}</code>" in page and one["summary"] in page, (method, path)
    links, ids = re.findall(r'href="#([^"]+)"', page), re.findall(r'operation-body" id="([^"]+)"', page)
    assert len(ids) == len({*ids}) == len(OPERATIONS)
    assert {*links} - {"content", "dialog-slot"} == {*ids}
    assert "`" not in page and 'href="/api/v1/openapi.json"' in page


@pytest.mark.browser
def test_a_link_opens_the_operation(page_of, viewer):
    page = page_of(viewer)
    page.goto("/api-reference/")
    assert not page.locator("#get-api-v1-dids").is_visible()
    page.get_by_role("link", name="List numbers").click()
    page.locator("#get-api-v1-dids").wait_for(state="visible")


def test_an_operation_is_shown_with_its_body_and_its_answer(viewer):
    page = client_of(viewer).get("/api-reference/").text
    shown = page[page.index('id="post-api-v1-dids-number-assign"') :].partition("</details>")[0]
    body, answer = re.findall(r'<pre class="curl"[^>]*><code>(.*?)</code>', shown, re.S)
    assert json.loads(unescape(body)) == {"client_package": 31, "account": 12}
    assert json.loads(unescape(answer))["did"]["number"] == "442071838750"
    assert "Example of 404" not in page
    assert page.count("<h3>Example of 20") == len(OPERATIONS)
    assert "Also needs, for<br>– create: “Create numbers”<br>– edit:" in page


def test_the_reference_is_a_tab_beside_those_that_it_belongs_to(viewer):
    browser = client_of(viewer)
    page = browser.get("/api-reference/").text
    assert '<a href="/tokens/">' in page and '<a href="/api-reference/" aria-current="page">' in page
    assert '<a href="/api-reference/">Reference' in browser.get("/tokens/").text

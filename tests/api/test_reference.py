"""The page of the API's reference."""

import re

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

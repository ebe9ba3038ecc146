"""Details and changes that are written without templates."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from dids.history.timeline import Difference, Entry
from screens.templatetags.changes import difference_list, entry_list, fact_list

HOSTILE = [
    '<script>alert("1")</script>',
    "' onclick='x",
    '"><b>',
    "&lt;",
    "\u202e<",
    "{pk} %s {{ x }} {% x %}",
]


class Texts(HTMLParser):
    """Collects the tags, the attributes' values and the texts of HTML."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.values, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_have_written_stays_text(text):
    shown = text.replace("\u202e", "⟨U+202E⟩")
    at = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
    plain = [
        (fact_list([{"label": "x", "value": "x", "url": "/x"}, {"label": "x", "value": "x"}]), "x"),
        (difference_list([Difference("x", "x", "x")], "~"), "x"),
        (entry_list([Entry(at, "x", "x", "+", [Difference("x", "", "x")], 5)], may_open=True), "x"),
    ]
    hostile = [
        fact_list([{"label": text, "value": text, "url": f"/x{text}"}, {"label": text, "value": text}]),
        difference_list([Difference(text, text, text)], "~"),
        entry_list([Entry(at, text, text, "+", [Difference(text, "", text)], 5)], may_open=True),
    ]
    for (usual, _), html in zip(plain, hostile, strict=True):
        one, other = Texts(usual), Texts(html)
        assert other.tags == one.tags
        assert shown in other.text or text in other.text
        assert len(other.values) == len(one.values)
    assert f"/x{text}" in Texts(hostile[0]).values


def test_changes_are_links_for_those_who_may_open_them():
    entry = Entry(datetime(2026, 11, 3, tzinfo=UTC), "Ann", "Edit", "~", [], 5)
    assert "<a href=" in entry_list([entry], may_open=True)
    assert "<a href=" not in entry_list([entry], may_open=False)


@pytest.mark.parametrize(
    ("event", "old", "new", "words"),
    [
        ("+", "", "a", "a"),
        ("+", "", "", "–"),
        ("~", "a", "b", "from a → to b"),
        ("~", "", "b", "from – → to b"),
        ("~", "a", "", "from a → to –"),
        ("-", "a", "", "from a"),
    ],
)
def test_a_change_says_what_a_field_was_and_is(event, old, new, words):
    assert Texts(difference_list([Difference("Notes", old, new)], event)).text == f"Notes{words}"

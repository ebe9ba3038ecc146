import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django import forms
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.template import Context, RequestContext, Template
from django.template.library import SimpleNode
from django.test import RequestFactory
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe

from didmgmt.listing import Count
from didmgmt.templatetags.look import FRAGMENTS_MOST
from didmgmt.timing import ServerTimeMiddleware
from staff.models import User
from tests.world import member


def render(source, **context):
    request = RequestFactory().get("/dids/", {"status": "hold", "page": "3", "sort": "number"})
    return Template("{% load look %}" + source).render(RequestContext(request, context))


def test_the_page_shows_the_server_time(rf):
    def page(request):
        return HttpResponse("Served in <!--server-time--> s", headers={"Content-Length": "30"})

    response = ServerTimeMiddleware(page)(rf.get("/"))
    assert re.fullmatch(rb"Served in \d+\.\d{3} s", response.content)
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["Server-Timing"].startswith("app;dur=")


def test_a_page_is_drawn_when_it_is_whole(client, db):
    page = client.get("/login/").text
    (last,) = re.findall('<link rel="expect" href="#([^"]+)" blocking="render">', page)
    assert page.index("</main>") < page.index(f'id="{last}"')


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_page_is_drawn_when_its_scripts_have_run(page_of, world):
    page, held = page_of(member("Viewer")), []
    # The last script of the frame, which adds the button of orders to a list.
    page.route(re.compile(r"/js/sheet\b"), lambda route: held.append(route))
    page.add_init_script(
        "requestAnimationFrame(() => (window.drawn = Boolean(document.querySelector('.sort-menu'))))"
    )
    page.goto("/dids/", wait_until="commit")
    page.locator("#dialog-slot").wait_for(state="attached")
    page.wait_for_timeout(300)  # enough for a page that does not wait
    held[0].continue_()
    page.wait_for_load_state()
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("drawn") is True


def test_a_streamed_response_is_timed_without_being_read(rf):
    def rows():
        raise AssertionError("the middleware read the stream")
        yield

    response = ServerTimeMiddleware(lambda request: StreamingHttpResponse(rows()))(rf.get("/"))
    assert "Server-Timing" in response.headers


def test_a_status_shows_its_label_and_the_days_left_on_hold():
    badge = render("{% status 'hold' 'Hold' 12 %}")
    assert "did-status-hold" in badge
    assert "Hold<span" in badge
    assert "· 12 d" in badge
    assert " d</span>" not in render("{% status 'active' 'Active' %}")


def test_the_last_day_on_hold_is_shown_too():
    assert "· 0 d" in render("{% status 'hold' 'Hold' 0 %}")


def test_counts_have_separators():
    assert render("{{ count|thousands }}", count=6402) == "6,402"


def test_a_time_is_shown_in_the_users_zone_and_names_it():
    with timezone.override("Europe/Vilnius"):
        shown = render("{% moment at %}", at=datetime(2026, 11, 3, 12, 5, 9, tzinfo=UTC))
        exact = render("{% moment at seconds=True %}", at=datetime(2026, 11, 3, 12, 5, 9, tzinfo=UTC))
    assert ">3 Nov 2026, 14:05<" in shown and ">3 Nov 2026, 14:05:09<" in exact
    assert "Europe/Vilnius" in shown
    assert 'datetime="2026-11-03T12:05:09+00:00"' in shown


def test_an_empty_time_renders_nothing():
    assert render("{% moment at %}", at=None) == ""


@pytest.mark.parametrize(
    ("sort", "announced", "reversed_sort"),
    [("number", "ascending", "-number"), ("-number", "descending", "number"), ("status", None, "number")],
)
def test_a_column_header_announces_its_order_and_reverses_it(sort, announced, reversed_sort):
    head = render("{% sort_header 'number' 'DID' %}", listing=SimpleNamespace(sort=sort))
    assert (f'aria-sort="{announced}"' in head) == bool(announced)
    assert f"sort={reversed_sort}" in head
    assert "status=hold" in head
    assert "page=" not in head


def test_an_error_is_linked_to_its_control():
    class Form(forms.Form):
        name = forms.CharField(label="Name", help_text="As on the invoice.")

    form = Form({"name": ""})
    shown = render('{% include "_field.html" with field=form.name %}', form=form)
    assert 'aria-describedby="id_name_helptext id_name_error"' in shown
    assert 'id="id_name_error"' in shown
    assert 'aria-invalid="true"' in shown
    assert 'class="form-control"' in shown


def test_paging_shows_the_range_of_rows_and_keeps_the_filter():
    listing = SimpleNamespace(
        total=Count(6402),
        span="41 – 60",
        page=3,
        pages=321,
        per_page=20,
        parameters=[("status", "hold")],
        next_url="/dids/?status=hold&page=4",
    )
    shown = render('{% include "_paging.html" %}', listing=listing)
    assert "<b>41 – 60</b> of <b>6,402</b>" in shown
    assert "page=4" in shown
    assert 'name="status" value="hold"' in shown
    assert 'name="page" value="3"' not in shown.replace('class="form-control" name="page"', "")


def test_the_time_left_of_a_lock_is_rounded_up_to_minutes():
    assert render("{{ wait|in_words }}", wait=timedelta(minutes=14, seconds=1)) == "15 minutes"
    assert render("{{ wait|in_words }}", wait=timedelta(seconds=30)) == "1 minute"


def test_what_is_rendered_once_has_nothing_of_the_page_that_came_first():
    page = Template("{% load look %}{% once %}<i>{{ user }}{% icon 'x' %}</i>{% endonce %}{{ user }}")
    first, second = (page.render(Context({"user": name})) for name in ("Ann", "Bob"))
    assert first.endswith("</i>Ann") and "Ann" not in first.removesuffix("Ann")
    assert second == first.replace("Ann", "Bob")


def test_has_selects_no_elements_by_their_tag():
    """After each click a browser would restyle all elements with the tag, such as every ``a``."""
    css = re.sub(r"/\*.*?\*/", "", (settings.BASE_DIR / "static/css/app.css").read_text(), flags=re.DOTALL)
    selectors = [
        selector for rule in re.findall(r"([^{}]+){", css) for selector in re.split(r",(?![^(]*\))", rule)
    ]
    assert any(":has(" in selector for selector in selectors)
    assert [
        s for s in selectors if re.search(r":has\([^)]*\)+[ >+~]+(a|button|input|td|span|svg)\b[^ .#[]*$", s)
    ] == []


def test_a_fragment_sees_its_values_alone_and_is_rendered_once_for_each_combination():
    template = Template(
        "{% load look %}{% fragment key=key holes name=name %}{{ key }}{{ other }}{{ user }}"
        "{% page_sizes %}: {{ name }}{% endfragment %}"
    )
    rendered = []
    (counter,) = template.nodelist.get_nodes_by_type(SimpleNode)
    counter.func = lambda: rendered.append(1) or len(rendered)

    def page(key, name):
        return template.render(Context({"key": key, "name": name, "other": "secret", "user": "secret"}))

    assert page("a", "Ann") == "a1: Ann"
    assert page("a", "<i>Bob</i>") == "a1: &lt;i&gt;Bob&lt;/i&gt;"
    assert page("b", mark_safe("<i>")) == "b2: <i>"
    # Equal values that look different
    assert page("<", "") == "&lt;3: " and page(mark_safe("<"), "") == "<4: "
    assert page(1, "") == "15: " and page(True, "") == "True6: " and page((1,), "") == "(1,)7: "
    assert page((True,), "") == "(True,)8: " and page(None, "") == "None9: "
    assert page("a", "Cid") == "a1: Cid"


@pytest.mark.parametrize("value", [User(pk=1), SimpleLazyObject(lambda: "x"), ["x"], (User(pk=1),)])
def test_a_fragment_is_not_kept_by_a_record(value):
    with pytest.raises(TypeError, match="can’t be kept"):
        render("{% fragment key=value %}{% endfragment %}", value=value)


def test_a_hole_of_a_fragment_is_nothing_but_text():
    with pytest.raises(ValueError, match="something else"):
        render("{% fragment holes name=name %}{{ name|urlencode }}{% endfragment %}", name="a b")


def test_each_copy_of_a_fragment_has_tokens_of_its_own():
    template = Template(
        "{% load look %}{% fragment %}{% csrf_token %}{% form_token %}{% form_token %}{% endfragment %}"
    )
    pages = [template.render(Context({"csrf_token": token})) for token in ("one", "two")]
    assert 'value="one"' in pages[0] and 'value="two"' in pages[1]
    tokens = [token for page in pages for token in re.findall('name="form_token" value="([^"]{22})"', page)]
    assert len(set(tokens)) == 4


def test_a_fragment_keeps_a_bounded_number_of_texts():
    template = Template("{% load look %}{% fragment key=key %}{{ key }}{% endfragment %}")
    for key in range(FRAGMENTS_MOST + 5):
        assert template.render(Context({"key": key})) == str(key)
    (node,) = (one for one in template.nodelist if hasattr(one, "kept"))
    assert len(node.kept) == 5


def test_a_query_without_parameters_can_be_continued():
    source = (
        "{% query_without 'page' as query %}{{ query }}format=csv|{% query_without 'page' 'sort' 'status' %}|"
    )
    assert render(source) == "?status=hold&amp;sort=number&amp;format=csv|?|"

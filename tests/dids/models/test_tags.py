"""The case of a tag does not matter and its first spelling is kept: in edits, packages, filters and files."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict
from hypothesis import given
from hypothesis import strategies as st

from audit import SYSTEM
from audit.models import Change
from clients.models import Package
from clients.tags import split_tags, tag_keys, tag_label
from dids.forms.numbers import EditForm, MassEditForm, NewForm
from dids.history.undo.undo import Undo
from dids.imports.reasons import explain
from dids.lists.filters import DIDFilter
from dids.models import DID, Tag, TagSet
from tests.imports import finished, imported, importer, staged
from tests.world import client_of

pytestmark = pytest.mark.django_db

texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(",; Aaß\u200b\u00a0\u037eﬁ"), max_size=20
)


def number(world, tags=(), digits="900"):
    DID.objects.create_numbers([digits], operator=world.operator, by=SYSTEM, tags=tags)
    return DID.objects.filter(number=digits)


def label(dids):
    return dids.values_list("tag_set__label", flat=True).get()


@given(texts)
def test_a_label_is_read_as_the_tags_that_it_was_made_of(text):
    tags = split_tags(text)

    assert split_tags(tag_label(tags)) == tags
    assert tag_label([text]) == tag_label(tags)
    assert tag_keys(text) == tag_keys(text.upper()) == tag_keys(tag_label(tags))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Gold, gold; GOLD", ["Gold"]),
        ("vip\u200b, \u00a0Gold  Plus", ["Gold Plus", "vip"]),
        ("Ｇold, gold", ["Ｇold"]),
        ("beta, Alpha", ["Alpha", "beta"]),
        ("\u200b,;", []),
    ],
)
def test_tags_are_clean_distinct_and_sorted_without_regard_to_case(text, tags):
    assert split_tags(text) == tags


def test_the_first_spelling_is_kept(world):
    number(world, ["Gold"])

    assert label(number(world, ["GOLD", "vip"], "901")) == "Gold, vip"
    assert [tag.name for tag in Tag.objects.order_by("name")] == ["Gold", "vip"]


def test_a_tag_of_another_case_changes_no_number(world):
    dids = number(world, ["Gold"])

    result = dids.edit(by=SYSTEM, tags=["gold"])

    assert (result.done, label(dids)) == (0, "Gold")


def test_a_mass_edit_adds_and_removes_tags_in_any_case(world):
    dids = number(world, ["Gold"])

    assert dids.edit(by=SYSTEM, add_tags=["GOLD"]).done == 0
    dids.edit(by=SYSTEM, add_tags=["VIP"])
    assert label(dids) == "Gold, VIP"
    dids.edit(by=SYSTEM, remove_tags=["gold", "Vip"])
    assert label(dids) is None


def test_the_edit_form_takes_another_case_for_no_change(administrator):
    form = EditForm({"tags": "gold, vip"}, shown={"status": "instock", "tags": "Gold, vip"}, by=administrator)

    assert form.is_valid() and form.touched() == {}


def test_a_package_allows_its_tags_in_any_case(world):
    Package.objects.filter(pk=world.package.pk).update(allowed_tags="GOLD")
    world.client_package.refresh_from_db()
    gold, silver = number(world, ["Gold"]), number(world, ["silver"], "901")

    assert [*DID.objects.available_for(world.client_package)] == [gold.get()]
    assert gold.assign(world.client_package, world.account, by=SYSTEM).done == 1
    assert silver.assign(world.client_package, world.account, by=SYSTEM).done == 0


@pytest.mark.parametrize("chosen", ["Gold", "gold", "GOLD\u200b"])
def test_the_list_is_filtered_by_a_tag_in_any_case(world, viewer, chosen):
    dids = number(world, ["Gold"])
    number(world, ["silver"], "901")

    page = client_of(viewer).get("/dids/", {"tag": chosen})

    assert [row.pk for row in page.context["listing"].rows] == [dids.get().pk]
    assert page.context["listing"].filterset.form["tag"].subwidgets[0].data["selected"]
    assert DIDFilter(MultiValueDict({"tag": [chosen]}), DID.objects.all(), user=viewer).is_valid()


def test_the_choices_of_tags_are_found_in_any_case(world, viewer):
    number(world, ["Überblick"])

    answer = client_of(viewer).get("/dids/choices/tags/", {"q": "ÜBER"})

    assert [one["text"] for one in answer.json()["results"]] == ["Überblick"]


def test_an_import_spells_tags_as_they_are_stored(world):
    number(world, ["Gold"])
    text = "DID,Operator,Tag\n900,DID Operator,GOLD\n901,DID Operator,VIP; gold\n902,DID Operator,vip\n"

    done = imported(text, importer(world))

    assert done.job.result["applied"] == {"created": 2, "unchanged": 1}
    tagged = DID.objects.filter(number__in=["900", "901", "902"]).order_by("number")
    assert list(tagged.values_list("tag_set__label", flat=True)) == ["Gold", "Gold, VIP", "VIP"]
    assert Tag.objects.count() == 2


def test_a_tag_that_was_created_in_another_case_after_the_check_keeps_its_spelling(world):
    number_import = staged("DID,Operator,Tag\n901,DID Operator,VIP\n", importer(world))
    number(world, ["vip"])
    assert number_import.apply(number_import.checked)
    finished(number_import)

    assert DID.objects.get(number="901").tag_set.label == "vip"


def test_an_import_compares_tags_with_those_of_the_package_in_any_case(world):
    Package.objects.filter(pk=world.package.pk).update(allowed_tags="GOLD")
    text = (
        "DID,Operator,Status,Client,Account,Package,Tag\n"
        "900,DID Operator,active,Rose Orig,rose_orig,Basic,gold\n"
        "901,DID Operator,active,Rose Orig,rose_orig,Basic,silver\n"
    )

    done = imported(text, importer(world))

    assert done.job.result["counts"] == {"created": 1, "refused": 1}


def test_undo_brings_the_former_tags_back(world):
    dids = number(world, ["Gold"])
    dids.edit(by=SYSTEM, tags=["silver"])

    Undo(Change.objects.latest("pk"), by=SYSTEM).run()

    assert label(dids) == "Gold"


def test_a_file_may_have_more_tags_than_one_query_takes(world):
    number(world, ["t39999"])
    labels = [", ".join(f"T{100 * n + i}" for i in range(100)) for n in range(400)]
    rows = [f'{1000 + n},DID Operator,"{label}"' for n, label in enumerate(labels)]

    done = staged("DID,Operator,Tag\n" + "\n".join(rows) + "\n", importer(world))

    assert done.job.result["counts"] == {"created": 400}
    last = done.job.batches.get().groups.latest("pk").tags
    assert "t39999" in last and "T39998" in last


def test_sets_of_one_tag_have_one_row(world):
    sets = {TagSet.of(tags).pk for tags in (["Gold"], ["GOLD"], ["Ｇold"], ["gold", "GOLD"])}

    assert len(sets) == 1
    assert Tag.objects.get().name == "Gold"


# --- tags that look the same in other letters ---------------------------------------------------------

CYRILLIC = "Gоld"  # its second letter is not Latin


def test_a_form_refuses_a_new_tag_that_looks_like_another(world, administrator):
    dids = number(world, ["Gold"])
    shown = {"status": "instock", "tags": ""}

    form = EditForm({"tags": CYRILLIC}, shown=shown, by=administrator)
    assert form.errors["tags"] == [
        "There is a tag “Gold”, which looks the same but is written with other characters. Write it so."
    ]
    mass = {"change_tags": "on", "tag_action": "add", "tags": CYRILLIC}
    assert list(MassEditForm(mass, by=administrator).errors) == ["tags"]
    new = NewForm({"numbers": "901", "operator": world.operator.pk, "tags": CYRILLIC}, by=administrator)
    assert "tags" in new.errors

    dids.edit(by=SYSTEM, add_tags=[CYRILLIC])  # once it exists, it may be used
    assert EditForm({"tags": CYRILLIC}, shown=shown, by=administrator).is_valid()


def test_a_package_does_not_allow_a_new_tag_that_looks_like_another(world, administrator):
    number(world, ["Gold"])

    page = client_of(administrator).post(
        f"/packages/{world.package.pk}/edit/",
        {
            "name": "Basic",
            "reseller": world.reseller.pk,
            "did_limit": 5,
            "allowed_tags": CYRILLIC,
            "allowed_classes": "gold",
        },
    )

    assert page.status_code == 422 and list(page.context["form"].errors) == ["allowed_tags"]


def test_a_file_of_packages_does_not_allow_a_new_tag_that_looks_like_another(world, administrator):
    number(world, ["Gold"])
    text = f"Name,Reseller,DID limit,Allowed tags\nGold,Reseller 1,5,{CYRILLIC}\nVip,Reseller 1,5,gold\n"
    file = SimpleUploadedFile("packages.csv", text.encode())

    page = client_of(administrator).post("/packages/import/", {"file": file})

    ((line, column, value, reason),) = [tuple(one.values()) for one in page.context["refusals"]]
    assert (line, column, value) == (2, "Allowed tags", CYRILLIC)
    assert reason.startswith("There is a tag “Gold”, which looks the same")


def test_an_import_refuses_a_new_tag_that_looks_like_another(world):
    number(world, ["Gold"])
    user = importer(world)
    text = f"DID,Operator,Tag\n901,DID Operator,{CYRILLIC}\n902,DID Operator,vip\n903,DID Operator,vір\n"

    done = imported(text, user)

    reasons = [one["reason"] for one in explain(done.job.batches.get().refused, user)]
    assert reasons == [
        "There is a tag “Gold”, which looks the same but is written with other characters. Write it so.",
        "The file names the new tag “vip” before, which looks the same but is written with other characters."
        + " Write it so.",
    ]
    assert {tag.name for tag in Tag.objects.all()} == {"Gold", "vip"}


def test_tags_of_other_branches_are_not_told(world, stranger):
    number(world, ["Gold"])

    assert EditForm({"tags": CYRILLIC}, shown={"status": "instock", "tags": ""}, by=stranger).is_valid()

"""Names in a file of numbers that a person would take for existing ones, or for each other."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.models import Client
from clients.names import clean_name, keys
from dids.imports import lookalikes
from dids.imports.reasons import explain
from dids.models import DID
from operators.models import Operator
from tests.examples import scaled
from tests.imports import finished, imported, importer, staged

pytestmark = pytest.mark.django_db

REMEDY = " Write it so, or add “%s” by hand first."
HEADER = "DID,Operator,Reseller,Status,Client,Account,Package\n"


def refusals(number_import, user):
    batch = number_import.job.batches.get()
    return [(one["line"], one["column"], one["reason"]) for one in explain(batch.refused, user)]


def test_invisible_signs_and_blanks_fold_to_the_existing_name(world):
    Operator.objects.create(reseller=world.reseller, name="In-house")
    in_house = Operator.objects.create(reseller=world.reseller, name="In house")
    user = importer(world)
    names = ["in-house", "In-house\u200b", "In  house", "In\u00a0house", "In\u00ad house"]
    text = "DID,Operator\n" + "".join(f"{900 + n},{name}\n" for n, name in enumerate(names))

    done = imported(text, user, create=True)

    assert dict(DID.objects.filter(number__startswith="90").values_list("number", "operator__name")) == {
        "901": "In-house",
        "902": "In house",
        "903": "In house",
        "904": "In house",
    }
    assert refusals(done, user) == [
        (
            2,
            "Operator",
            "There is an operator “In-house”, which differs only in upper and lower case."
            + REMEDY % "in-house",
        )
    ]
    assert in_house.dids.count() == 3


@pytest.mark.parametrize(
    ("row", "column", "existing"),
    [
        ("900,DID Operator,reseller 1,,,,", "Reseller", "a reseller “Reseller 1”"),
        ("900,DID OPERATOR,Reseller 1,,,,", "Operator", "an operator “DID Operator”"),
        ("900,DID Operator,Reseller 1,active,ROSE Orig,x,y", "Client", "a client “Rose Orig”"),
        ("900,DID Operator,Reseller 1,active,Rose Orig,Rose_Orig,Basic", "Account", "an account “rose_orig”"),
        ("900,DID Operator,Reseller 1,active,Rose Orig,rose_orig,basic", "Package", "a package “Basic”"),
        ("900,DID Operator,Reseller 1,active,Rosе Orig,x,y", "Client", "a client “Rose Orig”, which looks"),
        ("900,dId operator,,,,,", "Operator", "an operator “DID Operator”"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_name_alike_is_refused_with_the_existing_one(world, row, column, existing, create):
    user = importer(world)
    counts = [model.objects.count() for model in lookalikes.MODELS.values()]

    done = imported(HEADER + row + "\n", user, create=create)

    ((line, at, reason),) = refusals(done, user)
    assert (line, at) == (2, column)
    assert reason.startswith(f"There is {existing}")
    assert counts == [model.objects.count() for model in lookalikes.MODELS.values()]


def test_both_names_alike_are_found_once_they_exist(world):
    for name in ("In-house", "in-house"):
        Operator.objects.create(reseller=world.reseller, name=name)

    done = imported("DID,Operator\n900,In-house\n901,in-house\n", importer(world), create=True)

    assert done.job.result["applied"] == {"created": 2}


def test_the_first_of_two_new_names_alike_is_created_and_the_other_refused(world):
    user = importer(world)
    text = (
        HEADER
        + "900,New,Reseller 1,,,,\n901,NEW,Reseller 1,,,,\n902,new,Reseller 2,,,,\n903,New,Reseller 1,,,,\n"
    )

    done = imported(text, user, create=True)

    assert refusals(done, user) == [
        (
            3,
            "Operator",
            "The file names the new operator “New” before, which differs only in upper and lower case."
            + REMEDY % "NEW",
        )
    ]
    assert set(Operator.objects.filter(name__iexact="new").values_list("name", "reseller__name")) == {
        ("New", "Reseller 1"),
        ("new", "Reseller 2"),
    }


def test_a_file_larger_than_what_is_kept_in_memory_is_compared_as_a_whole(world, monkeypatch):
    monkeypatch.setattr(lookalikes, "KEPT", 2)
    monkeypatch.setattr(lookalikes, "PAGE", 3)
    user = importer(world)
    rows = [f"{900 + n},{'Op' if n < 10 else 'OP'} {n % 10},Reseller 1,,,,\n" for n in range(20)]

    done = staged(HEADER + "".join(rows), user, create=True)

    assert [line for line, *_ in refusals(done, user)] == list(range(12, 22))


def test_a_name_alike_created_after_the_check_refuses_the_rows(world):
    user = importer(world)
    number_import = staged(
        HEADER + "900,Newcomer,Reseller 1,,,,\n901,Other,Reseller 1,,,,\n", user, create=True
    )
    Operator.objects.create(reseller=world.reseller, name="NEWCOMER")

    assert number_import.apply(number_import.checked)
    finished(number_import)

    assert not Operator.objects.filter(name="Newcomer").exists()
    assert number_import.job.result["applied"] == {"created": 1, "refused": 1}
    ((_, _, reason),) = refusals(number_import, user)
    assert reason.startswith("Changed since the check: There is an operator “NEWCOMER”")


def test_a_bound_person_is_told_names_of_their_branch_only(world):
    Operator.objects.create(reseller=world.reseller_2, name="In-house")
    Client.objects.create(reseller=world.reseller_2, name="Bakery")
    user = importer(world, bound=True)

    done = imported("DID,Operator\n900,IN-HOUSE\n901,DID OPERATOR\n", user, create=True)

    assert Operator.objects.filter(reseller=world.reseller, name="IN-HOUSE").exists()
    ((line, _, reason),) = refusals(done, user)
    assert line == 3 and "“DID Operator”" in reason


def test_who_may_not_create_is_not_told_to(world):
    user = importer(world, lacks=("add_operator",))

    done = staged("DID,Operator\n900,did operator\n", user, create=True)

    ((_, _, reason),) = refusals(done, user)
    assert reason.endswith("case. Write it so.")


names = st.text(
    st.sampled_from("Aa\u0410\u0430Bb\u0412-\u2013 \u00a0\u200b\u00adée\u0301\u202e"), min_size=1, max_size=5
)


@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=names, new=st.lists(names, min_size=1, max_size=4))
def test_an_import_never_creates_two_names_that_look_the_same(world, before, new):
    Operator.objects.filter(reseller=world.reseller_2).exclude(pk=world.operator_2.pk).delete()
    if clean_name(before):
        Operator.objects.create(reseller=world.reseller_2, name=before)
    user = importer(world) if not hasattr(world, "user") else world.user
    world.user = user
    rows = [f'{910 + n},"{name}",Reseller 2\n' for n, name in enumerate(new)]

    imported("DID,Operator,Reseller\n" + "".join(rows), user, create=True)

    found = list(Operator.objects.filter(reseller=world.reseller_2).values_list("name", flat=True))
    assert not [(a, b) for a in found for b in found if a < b and keys(a) & keys(b)]
    DID.objects.filter(number__startswith="91").delete()

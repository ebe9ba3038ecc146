from django.http import QueryDict

from didmgmt.parameters import unknown_parameters

KNOWN = ("q", "status", "client")


def test_known_parameters_are_no_errors():
    assert unknown_parameters(QueryDict("q=1&status=&status=hold"), KNOWN) == []


def test_an_unknown_parameter_is_named_with_the_nearest_known_one():
    (error,) = unknown_parameters(QueryDict("stauts=reserved"), KNOWN, "filter")
    assert error == "There is no filter “stauts”; did you mean “status”?"
    (error,) = unknown_parameters(QueryDict("STATUS=reserved"), KNOWN)
    assert error == "There is no parameter “STATUS”; did you mean “status”?"


def test_without_a_near_one_all_known_ones_are_named():
    assert unknown_parameters(["moment"], ["numbers", "at"]) == [
        "There is no parameter “moment”. Use “numbers” or “at”."
    ]
    assert unknown_parameters(["x"], ["show"]) == ["There is no parameter “x”. Use “show”."]
    assert unknown_parameters(["x"], []) == ["There is no parameter “x”. This page takes none."]


def test_long_and_many_names_make_few_short_sentences():
    errors = unknown_parameters(["a" * 5_000, *(f"b{n}" for n in range(900))], KNOWN)
    assert len(errors) == 6
    assert errors[-1] == "896 more parameters are unknown."
    assert max(map(len, errors)) < 150

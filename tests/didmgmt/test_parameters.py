from django.http import QueryDict

from didmgmt.parameters import parameter_errors

KNOWN = ("q", "status", "client")


def test_known_parameters_are_no_errors():
    assert parameter_errors(QueryDict("q=1&status=&status=hold&q=1"), KNOWN) == []


def test_an_unknown_parameter_is_named_with_the_nearest_known_one():
    (error,) = parameter_errors(QueryDict("stauts=reserved"), KNOWN, "filter")
    assert error == "There is no filter “stauts”; did you mean “status”?"
    (error,) = parameter_errors(QueryDict("STATUS=reserved"), KNOWN)
    assert error == "There is no parameter “STATUS”; did you mean “status”?"


def test_without_a_near_one_all_known_ones_are_named():
    assert parameter_errors(QueryDict("moment="), ["numbers", "at"]) == [
        "There is no parameter “moment”. Use “numbers” or “at”."
    ]
    assert parameter_errors(QueryDict("x="), ["show"]) == ["There is no parameter “x”. Use “show”."]
    assert parameter_errors(QueryDict("x="), []) == ["There is no parameter “x”. This page takes none."]


def test_long_and_many_names_make_few_short_sentences():
    names = ["a" * 5_000, *(f"b{n}" for n in range(900))]
    errors = parameter_errors(QueryDict("&".join(names)), KNOWN)
    assert len(errors) == 6
    assert errors[-1] == "896 more parameters are unknown."
    assert max(map(len, errors)) < 150


def test_several_values_of_a_parameter_that_takes_one_are_named():
    query = QueryDict("status=hold&status=active&client=1&client=2&client=3")
    assert parameter_errors(query, KNOWN, many=["status"]) == [
        "The parameter “client” takes one value, and has “1” and “2” and 1 more. Keep one of them."
    ]

"""A function that takes a record is offered as one that takes the record's fields."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, get_type_hints

import pytest

from ganlib.core.options import note, spell_out


@dataclass(frozen=True)
class Meal:
    dish: Annotated[str, "What is cooked."]
    guests: Annotated[int, "How many eat."] = 2
    drink: Annotated[str | None, "What is drunk."] = None


def serve(*, table: str = "by the window", meal: Meal, loud: bool = False) -> tuple[str, Meal, bool]:
    return table, meal, loud


def unchanged(parameter: Parameter) -> Parameter:
    return parameter


spelled = spell_out(serve, unchanged)


def test_the_signature_has_each_field_where_the_record_was_with_its_note_and_default() -> None:
    parameters = inspect.signature(spelled).parameters
    assert list(parameters) == ["table", "dish", "guests", "drink", "loud"]
    assert note(parameters["guests"].annotation) == (int, "How many eat.")
    assert note(parameters["table"].annotation) == (str, None)
    assert parameters["dish"].default is Parameter.empty
    assert parameters["guests"].default == 2
    assert get_type_hints(spelled)["drink"] == str | None


def test_the_function_gets_the_record_that_its_callers_gave_as_fields() -> None:
    assert spelled(dish="soup") == ("by the window", Meal("soup"), False)
    assert spelled(dish="soup", guests=5, drink="tea", loud=True) == ("by the window", Meal("soup", 5, "tea"), True)


def test_an_empty_text_is_no_value_where_there_need_be_none() -> None:
    table, meal, _ = spelled(dish="", drink="", table="")
    assert (table, meal) == ("", Meal("", drink=None))


@pytest.mark.parametrize("options", [{}, {"dish": "soup", "dessert": "cake"}])
def test_what_is_missing_or_unknown_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"dish|dessert"):
        spelled(**options)


def test_what_is_offered_may_differ_from_the_record() -> None:
    def offer(parameter: Parameter) -> Parameter:
        return parameter.replace(default="stew") if parameter.name == "dish" else parameter

    assert spell_out(serve, offer)()[1] == Meal("stew")

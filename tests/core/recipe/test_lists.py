import pytest
from pydantic import TypeAdapter, ValidationError

from birdnet_cli.core.recipe.lists import CommaList, NumberList


@pytest.mark.parametrize("value", ["max, avg,bilinear,", ["max", "avg", "bilinear"], ("max", "avg", "bilinear")])
def test_a_list_is_a_text_with_commas_or_a_sequence(value: object) -> None:
    assert TypeAdapter(CommaList).validate_python(value) == ("max", "avg", "bilinear")


@pytest.mark.parametrize(
    ("value", "numbers"), [("100, 150", (100.0, 150.0)), ([1, 2.5], (1.0, 2.5)), (3, (3.0,)), ("", ())]
)
def test_numbers_may_be_a_text_a_sequence_or_a_single_number(value: object, numbers: tuple[float, ...]) -> None:
    assert TypeAdapter(NumberList).validate_python(value) == numbers


def test_a_word_is_no_number() -> None:
    with pytest.raises(ValidationError, match="unable to parse string as a number"):
        TypeAdapter(NumberList).validate_python("1,two")

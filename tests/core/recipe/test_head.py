import pytest
from pydantic import ValidationError

from birdnet_cli.core.recipe import HeadSettings


def test_c_is_a_positive_number_or_auto() -> None:
    assert HeadSettings().C == "auto"
    assert HeadSettings.model_validate({"C": "1e-3"}).C == 1e-3
    for wrong in (0, -1, "often", float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="C"):
            HeadSettings.model_validate({"C": wrong})


@pytest.mark.parametrize("wrong", [{"head": "tree"}, {"cv": 1}, {"seed": -1}, {"weight_dtype": "bfloat16"}], ids=str)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        HeadSettings.model_validate(wrong)

import pytest
from pydantic import ValidationError

from birdnet_cli.core.recipe import PoolingSettings


def test_a_name_alone_is_the_packed_normalised_descriptor_of_all_channels() -> None:
    settings = PoolingSettings(name="bilinear")
    assert (settings.packed, settings.normalize, settings.reduce, settings.select) == (True, True, None, None)


@pytest.mark.parametrize(
    "wrong", [{"name": "median"}, {"reduce": 0}, {"select": 0}, {"sketch_dim": 0}, {"seed": -1}, {"redcue": 8}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PoolingSettings.model_validate({"name": "bilinear"} | wrong)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PoolingSettings(name="max").reduce = 3  # type: ignore[misc]

import pytest
from pydantic import ValidationError

from birdnet_cli.core.recipe import MapHeadSettings, NetworkSettings


def test_blocks_are_a_number_or_a_number_for_each_of_four_stages() -> None:
    assert NetworkSettings(name="resnet164", blocks=3).blocks == 3
    assert NetworkSettings.model_validate({"name": "resnet50", "blocks": [3, 4, 6, 3]}).blocks == (3, 4, 6, 3)
    for wrong in (0, [1, 2], 1025):
        with pytest.raises(ValidationError, match="blocks"):
            NetworkSettings.model_validate({"name": "resnet50", "blocks": wrong})


def test_a_factorized_bilinear_head_has_twenty_factors_of_which_half_are_dropped() -> None:
    settings = MapHeadSettings(name="fb", norm=True)
    assert (settings.factors, settings.drop_prob, settings.mask, settings.diagonal) == (20, 0.5, "batch", False)


@pytest.mark.parametrize("wrong", [{"drop_prob": 1.0}, {"factors": -1}, {"mask": "pixel"}, {"name": "svm"}], ids=str)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        MapHeadSettings.model_validate({"name": "fb", "norm": True} | wrong)

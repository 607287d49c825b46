import pytest
from pydantic import ValidationError

from birdnet_cli.core.recipe import ExtractSettings


def test_the_default_is_bilinear_pooling_of_vgg16_in_half_precision_storage() -> None:
    settings = ExtractSettings()
    assert (settings.backbone, settings.layer, settings.pooling, settings.dtype) == (
        "vgg16", None, ("bilinear",), "float16",
    )  # fmt: skip


def test_descriptors_may_be_a_text_with_commas() -> None:
    assert ExtractSettings.model_validate({"pooling": "max, avg"}).pooling == ("max", "avg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"pooling": ""},
        {"select": "variance:0"},
        {"select": "top:5"},
        {"reduce": 0},
        {"batch_size": 0},
        {"workers": -1},
        {"fit_images": 0},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ExtractSettings.model_validate(wrong)

"""Settings of the transforms: the size of a training image before its crop."""

from typing import Any

import pytest

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import AugmentSettings, resolve_settings


@pytest.mark.parametrize(
    ("policy", "image_size", "pixels"),
    [("none", 224, 224), ("cifar", 32, 32), ("basic", 160, 184), ("level1", 224, 256), ("level2", 224, 480)],
)
def test_source_of_an_augmentation_follows_the_policy(policy: str, image_size: int, pixels: int) -> None:
    settings = AugmentSettings.model_validate({"policy": policy, "image_size": image_size})
    assert settings.source_pixels() == pixels


def test_source_of_an_augmentation_can_be_given() -> None:
    assert AugmentSettings(policy="level2", image_size=224, source_size=300).source_pixels() == 300
    assert AugmentSettings(policy="cifar", image_size=32, source_size=32).source_pixels() == 32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"policy": "basic", "source_size": 200}, "a source of 200 pixels is smaller than the crop of image_size=224"),
        ({"policy": "cifar", "source_size": 256}, "the policy 'cifar' has no source larger than image_size=224"),
        ({"policy": "none", "source_size": 256}, "the policy 'none' has no source larger than image_size=224"),
        ({"policy": "level3"}, "input should be 'none', 'basic', 'cifar', 'level1' or 'level2'"),
    ],
)
def test_source_that_does_not_fit_the_policy_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_settings(AugmentSettings, section="augment", flags=values)

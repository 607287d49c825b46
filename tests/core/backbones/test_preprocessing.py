import json
import math

import numpy as np
import pytest
import torch

from birdnet_cli.core.backbones.preprocessing import IMAGENET, OXFORD_VGG, Preprocessing, find_preprocessing
from birdnet_cli.core.errors import ModelFileError, UnknownNameError, UsageError


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7), dtype=np.uint8)


def test_imagenet_preprocessing_equals_the_formula_in_numpy(images):
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (images / 255 - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(IMAGENET.apply(torch.from_numpy(images)).numpy(), expected, rtol=1e-6, atol=1e-6)


def test_oxford_preprocessing_reverses_the_channels_and_subtracts_the_mean(images):
    expected = images[:, ::-1].astype(np.float64) - np.array([103.939, 116.779, 123.68])[:, None, None]
    np.testing.assert_allclose(OXFORD_VGG.apply(torch.from_numpy(images)).numpy(), expected, rtol=1e-6, atol=1e-5)


def test_a_blue_pixel_lands_in_the_first_channel_of_bgr():
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert OXFORD_VGG.apply(blue).flatten().tolist() == pytest.approx([255 - 103.939, -116.779, -123.68])


def test_float_images_give_what_uint8_images_give(images):
    as_uint8 = torch.from_numpy(images)
    assert torch.equal(IMAGENET.apply(as_uint8), IMAGENET.apply(as_uint8.double()))


def test_preprocessing_stays_float32_under_bfloat16_autocast(images):
    inputs = torch.from_numpy(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = OXFORD_VGG.apply(inputs)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, OXFORD_VGG.apply(inputs))


def test_preprocessing_lays_its_result_out_in_channels_last(images):
    assert IMAGENET.apply(torch.from_numpy(images)).is_contiguous(memory_format=torch.channels_last)


def test_preprocessing_leaves_its_input_as_it_was(images):
    inputs = torch.from_numpy(images).float().contiguous(memory_format=torch.channels_last)
    before = inputs.clone()
    IMAGENET.apply(inputs)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("preprocessing", [IMAGENET, OXFORD_VGG])
def test_json_round_trip_keeps_every_value(preprocessing):
    assert Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json()))) == preprocessing


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [1, 2]},
        {"mean": "123"},
        {"mean": [1, 2, True]},
        {"mean": [1, 2, math.nan]},
        {"std": [1, 1, 0]},
        {"std": [1, 1, -1]},
        {"std": [1, 1, math.inf]},
        {"scale": 0},
        {"scale": "1"},
        {"scale": 10**400},
        {"channel_order": "gbr"},
        {"channel_order": ["rgb"]},
        {"extra": 1},
    ],
)
def test_json_with_a_wrong_value_is_refused(change):
    with pytest.raises(ModelFileError, match=r"preprocessing|int too large"):
        Preprocessing.from_json(IMAGENET.to_json() | change)


@pytest.mark.parametrize("document", [None, [], "imagenet", {"mean": [0, 0, 0]}])
def test_json_without_the_four_keys_is_refused(document):
    with pytest.raises(ModelFileError, match="expected the keys channel_order, mean, scale, std"):
        Preprocessing.from_json(document)


def test_a_std_of_zero_is_refused_at_construction():
    with pytest.raises(UsageError, match="std and scale must be above 0"):
        Preprocessing(mean=(0, 0, 0), std=(1, 0, 1), scale=1)


def test_preprocessings_are_found_by_name_and_near_matches_are_named():
    assert find_preprocessing("oxford") is OXFORD_VGG
    with pytest.raises(UnknownNameError, match="did you mean imagenet"):
        find_preprocessing("imagnet")

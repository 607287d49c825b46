"""The policies that cut windows out of canvases, image by image and batch by batch."""

import pickle
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from birdnet_cli.core.data import Augmentation, Transform
from birdnet_cli.core.data.augmentation.augment import canvas_transform, cut_windows, draw_augmentations
from birdnet_cli.core.recipe import AugmentSettings, TransformSettings

Noise = Callable[..., np.ndarray]

POLICIES = ("none", "basic", "cifar", "level1", "level2")
CANVAS_POLICIES = ("none", "basic", "cifar")


def pictures(n: int, *, W: int = 40, H: int = 33) -> list[Image.Image]:
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8)) for _ in range(n)]


def augment(settings: AugmentSettings, images: list[Image.Image], *, seed: int = 0, epoch: int = 0) -> Tensor:
    augmentation = Augmentation(settings, seed=seed, epoch=epoch)
    return torch.stack([augmentation.at(index)(image) for index, image in enumerate(images)])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
def test_result_is_a_square_of_bytes(policy: str, resize: str) -> None:
    settings = AugmentSettings(policy=policy, image_size=24, resize=resize)
    result = augment(settings, pictures(3))
    assert result.shape == (3, *Augmentation(settings, seed=0, epoch=0).shape) == (3, 3, 24, 24)
    assert result.dtype == torch.uint8


@pytest.mark.parametrize("policy", CANVAS_POLICIES)
@pytest.mark.parametrize("epoch", [0, 7])
def test_batch_in_memory_is_the_images_one_by_one(policy: str, epoch: int) -> None:
    settings = AugmentSettings(policy=policy, image_size=24, resize="crop")
    images = pictures(12)
    canvas = canvas_transform(settings)
    assert canvas is not None
    draws = draw_augmentations(12, seed=5, epoch=epoch)
    order = [7, 0, 7, 11, 3]
    batch = cut_windows(torch.stack([canvas(images[index]) for index in order]), draws[order], settings=settings)
    assert torch.equal(batch, augment(settings, images, seed=5, epoch=epoch)[order])


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_epoch_seed_and_index_change_the_result_and_nothing_else_does(policy: str) -> None:
    settings = AugmentSettings(policy=policy, image_size=24)
    same = pictures(1) * 6
    first = augment(settings, same)
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    assert torch.equal(augment(settings, same), first)
    assert len({image.numpy().tobytes() for image in first}) > 3
    assert not torch.equal(augment(settings, same, epoch=1), first)
    assert not torch.equal(augment(settings, same, seed=1), first)


def test_no_policy_is_the_transform_of_evaluation() -> None:
    settings = AugmentSettings(policy="none", image_size=24, resize="letterbox")
    transform = Transform(TransformSettings(image_size=24, resize="letterbox"))
    assert torch.equal(augment(settings, pictures(3)), torch.stack([transform(image) for image in pictures(3)]))


def find_window(window: np.ndarray, canvas: np.ndarray) -> tuple[int, int, bool]:
    """Return top, left and whether it is mirrored, of a [3, S, S] window in a [3, C, C] canvas."""
    S, places = window.shape[-1], canvas.shape[-1] - window.shape[-1] + 1
    return next(
        (top, left, mirrored)
        for top in range(places)
        for left in range(places)
        for mirrored in (False, True)
        if np.array_equal(canvas[:, top : top + S, left : left + S][:, :, :: -1 if mirrored else 1], window)
    )


def test_cifar_cuts_the_image_with_four_white_pixels_around_it() -> None:
    settings = AugmentSettings(policy="cifar", image_size=32)
    (image,) = pictures(1, W=32, H=32)
    canvas = np.full((3, 40, 40), 255, dtype=np.uint8)
    canvas[:, 4:36, 4:36] = np.asarray(image).transpose(2, 0, 1)
    found = [find_window(window, canvas) for window in augment(settings, [image] * 1500).numpy()]
    for axis in (0, 1):
        counts = np.bincount([place[axis] for place in found], minlength=9)
        assert len(counts) == 9
        assert ((counts - 1500 / 9) ** 2 / (1500 / 9)).sum() < 31.8  # chi-square, 8 degrees of freedom: p = 1e-4
    assert 750 - 80 < sum(mirrored for _, _, mirrored in found) < 750 + 80
    assert len(set(found)) > 160 * 0.98


def test_basic_cuts_the_evaluation_transform_of_a_larger_size() -> None:
    settings = AugmentSettings(policy="basic", image_size=16, source_size=20, resize="crop")
    (image,) = pictures(1)
    canvas = Transform(TransformSettings(image_size=20, resize="crop"))(image).numpy()
    found = {find_window(window, canvas) for window in augment(settings, [image] * 400).numpy()}
    assert found == {(top, left, mirrored) for top in range(5) for left in range(5) for mirrored in (False, True)}


@pytest.mark.parametrize("policy", ["basic", "cifar", "level1", "level2"])
def test_nothing_is_mirrored_if_left_and_right_mean_something(policy: str) -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:] = np.linspace(60, 190, 64)[:, None]
    settings = AugmentSettings(policy=policy, image_size=32, mirror=False)
    for window in augment(settings, [Image.fromarray(pixels)] * 30).float().mean(1):
        inner = window[8:-8, 8:-8].mean(0)
        assert inner[0] < inner[-1]
    mirrored = augment(settings.model_copy(update={"mirror": True}), [Image.fromarray(pixels)] * 30).float().mean(1)
    rising = sum(bool(window[8:-8, 8].mean() < window[8:-8, -9].mean()) for window in mirrored)
    assert 5 < rising < 25


def test_canvases_in_memory_are_left_alone() -> None:
    settings = AugmentSettings(policy="cifar", image_size=16)
    canvases = torch.arange(3 * 16 * 16, dtype=torch.int64).to(torch.uint8).reshape(1, 3, 16, 16).repeat(8, 1, 1, 1)
    before = canvases.clone()
    windows = cut_windows(canvases, draw_augmentations(8, seed=0, epoch=0), settings=settings)
    windows.zero_()
    assert torch.equal(canvases, before)


def test_no_canvas_is_an_empty_batch() -> None:
    settings = AugmentSettings(policy="cifar", image_size=16)
    empty = torch.empty(0, 3, 16, 16, dtype=torch.uint8)
    assert cut_windows(empty, draw_augmentations(5, seed=0, epoch=0)[[]], settings=settings).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("policy", POLICIES)
def test_augmentation_travels_to_worker_processes(policy: str) -> None:
    augmentation = Augmentation(AugmentSettings(policy=policy, image_size=16), seed=2, epoch=3)
    (image,) = pictures(1)
    copy = pickle.loads(pickle.dumps(augmentation))
    assert torch.equal(copy.at(9)(image), augmentation.at(9)(image))

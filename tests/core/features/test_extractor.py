"""Images -> descriptors, and the fit and state of the poolings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import Batch, Transform, decode_image
from birdnet_cli.core.engine.extract import prepare_extraction
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.recipe import TransformSettings
from tests.core.textures import small_settings


def extractor_of(textures: Path, **changes: object) -> FeatureExtractor:
    return prepare_extraction(textures, "unused.h5", settings=small_settings(**changes)).extractor


def random_images(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def batch_of(images: torch.Tensor, start: int = 0) -> Batch:
    n = len(images)
    return Batch(list(range(start, start + n)), images, list(range(n)), [], [bytes(32)] * n)


@pytest.mark.parametrize("name", ["bilinear-reduce8", "compact-d64-reduce8"])
def test_a_reduction_is_refused_before_its_fit_and_projects_on_principal_axes_after_it(
    textures: Path, name: str
) -> None:
    extractor = extractor_of(textures, pooling=name)
    images = random_images(6)
    with pytest.raises(UsageError, match="the 1x1 reduction is not fitted"):
        extractor(images)
    counts: list[int] = []
    extractor.fit([batch_of(images[:4]), batch_of(images[4:], start=4)], on_images=counts.append)
    assert counts == [4, 2]
    with torch.no_grad():
        positions = extractor.feature_map(images).movedim(1, -1).flatten(0, 2).double().numpy()  # [P, C]
    _, _, axes = np.linalg.svd(positions - positions.mean(0), full_matrices=False)
    reduction = extractor.poolings[name].reduction
    assert reduction is not None
    cosines = np.abs((reduction.weight.detach().double().numpy() * axes[:8]).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    assert extractor(images)[name].isfinite().all()


def test_a_fit_without_a_readable_image_is_refused(textures: Path) -> None:
    extractor = extractor_of(textures, pooling="bilinear-reduce8")
    unreadable = Batch([0, 1], torch.empty(0, 3, 32, 32, dtype=torch.uint8), [], [], [bytes(32)] * 2)
    with pytest.raises(DataError, match="none could be read"):
        extractor.fit([unreadable])


def test_another_extractor_with_the_same_state_computes_the_same_descriptors(textures: Path) -> None:
    poolings = "avg,bilinear-reduce8,compact-d64"
    fitted, fresh = (extractor_of(textures, pooling=poolings) for _ in range(2))
    images = random_images(4)
    fitted.fit([batch_of(images)])
    state = fitted.state()
    # Average pooling has no tensors; the compact pooling's hashes are drawn, not fitted, and kept all the same.
    assert sorted(state) == ["bilinear-reduce8", "compact-d64"]
    fresh.load_state(state | {"a descriptor of another extraction": {"weight": np.zeros(3)}})
    for name, expected in fitted(images).items():
        assert torch.equal(fresh(images)[name], expected), name


def test_a_cached_descriptor_is_that_of_the_image_alone(extracted: ExtractReport, textures: Path) -> None:
    extraction = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="max,avg,bilinear"))
    transform = Transform(TransformSettings(image_size=32))
    with FeatureCache.open(extracted.output) as cache:
        row = 17
        image = transform(decode_image(textures / cache.names[row]))
        for name, expected in extraction.extractor(image[None]).items():
            ((_, stored),) = cache.blocks(name, np.array([row]))
            np.testing.assert_allclose(stored[0], expected[0].numpy(), rtol=2e-3, atol=1e-4, err_msg=name)


def test_flip_averages_with_the_mirrored_image(textures: Path) -> None:
    plain = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="bilinear"))
    flipped = prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="bilinear", flip=True))
    image = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    expected = (plain.extractor(image)["bilinear"] + plain.extractor(image.flip(-1))["bilinear"]) / 2
    torch.testing.assert_close(flipped.extractor(image)["bilinear"], expected)
    assert not torch.equal(expected, plain.extractor(image)["bilinear"])

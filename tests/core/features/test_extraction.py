"""The description of an extraction: descriptors, plan, fit images and batches."""

from pathlib import Path

import pytest

from birdnet_cli.core.engine.extract import prepare_extraction
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.features.extraction import ComponentSelection
from tests.core.textures import small_settings


def test_a_selection_is_taken_from_its_full_descriptor_which_is_computed_once(textures: Path) -> None:
    settings = small_settings(pooling="bilinear-variance20,avg,bilinear-variance7,bilinear")
    extraction = prepare_extraction(textures, "unused.h5", settings=settings)
    assert list(extraction.computed) == ["bilinear", "avg"]
    assert extraction.selections == {
        "bilinear-variance20": ComponentSelection("bilinear", 20),
        "bilinear-variance7": ComponentSelection("bilinear", 7),
    }
    assert extraction.plan.descriptors == {"bilinear": 8256, "avg": 128}
    assert list(extraction.final_dims.items()) == [
        ("bilinear-variance20", 20), ("avg", 128), ("bilinear-variance7", 7), ("bilinear", 8256),
    ]  # fmt: skip


def test_the_number_of_fit_images_counts_only_where_a_reduction_is_fitted(textures: Path) -> None:
    def identity(pooling: str, fit_images: int) -> dict[str, object]:
        settings = small_settings(pooling=pooling, fit_images=fit_images)
        return prepare_extraction(textures, "unused.h5", settings=settings).plan.identity()

    assert identity("avg", 4) == identity("avg", 5)
    assert identity("bilinear-reduce8", 4) != identity("bilinear-reduce8", 5)


@pytest.mark.parametrize(("fit_images", "expected"), [(4, [0, 6, 12, 18]), (5, [0, 4, 9, 14, 19]), (99, range(24))])
def test_fit_images_are_spread_evenly_over_the_training_split(
    textures: Path, fit_images: int, expected: list[int]
) -> None:
    extraction = prepare_extraction(textures, "unused.h5", settings=small_settings(fit_images=fit_images))
    train = [row for row, split in enumerate(extraction.plan.splits) if split == "train"]
    assert list(extraction.fit_rows()) == [train[position] for position in expected]


def test_fit_images_without_a_training_split_are_refused(textures: Path) -> None:
    extraction = prepare_extraction(textures, "unused.h5", settings=small_settings(), splits=("test",))
    with pytest.raises(DataError, match="fitted on the training split, which is left out"):
        extraction.fit_rows()


def test_batches_do_not_cross_ranges_of_rows(textures: Path) -> None:
    extraction = prepare_extraction(textures, "unused.h5", settings=small_settings(batch_size=4))
    batches = extraction.load_batches([range(6), range(6, 9)])
    assert [batch.indices for batch in batches] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]


def test_reduce_and_select_modify_the_poolings_they_apply_to(textures: Path) -> None:
    settings = small_settings(pooling="max,bilinear,compact-d64,bilinear-reduce4", reduce=8, select="variance:20")
    extraction = prepare_extraction(textures, "unused.h5", settings=settings)
    assert list(extraction.requested) == [
        "max", "bilinear-reduce8-variance20", "compact-d64-reduce8", "bilinear-reduce4-variance20",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="--reduce applies to bilinear and compact poolings"):
        prepare_extraction(textures, "unused.h5", settings=small_settings(pooling="max", reduce=8))

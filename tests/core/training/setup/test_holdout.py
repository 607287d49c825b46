from collections import Counter
from dataclasses import replace
from pathlib import Path

from birdnet_cli.core.data import ImageDataset, open_dataset
from birdnet_cli.core.training.setup.holdout import split_images
from tests.core.training.quick import quick_settings


def names(samples: tuple[object, ...]) -> set[str]:
    return {sample.name for sample in samples}  # type: ignore[attr-defined]


def with_val(dataset: ImageDataset, count: int) -> ImageDataset:
    chosen = dataset.subset("train").samples[:count]
    samples = tuple(replace(sample, split="val") if sample in chosen else sample for sample in dataset.samples)
    return replace(dataset, samples=samples)


def test_each_class_gives_its_share_of_the_training_split_and_the_test_split_nothing(textures: Path) -> None:
    dataset = open_dataset(textures)
    images = split_images(dataset, quick_settings(val_fraction=0.25))
    assert images.held_out
    assert Counter(sample.label for sample in images.val) == {0: 2, 1: 2, 2: 2}
    assert Counter(sample.label for sample in images.train) == {0: 6, 1: 6, 2: 6}
    assert not names(images.train) & names(images.val)
    assert names(images.train) | names(images.val) == names(dataset.subset("train").samples)


def test_the_seed_decides_on_the_held_out_images(textures: Path) -> None:
    dataset = open_dataset(textures)
    first, again, other = (names(split_images(dataset, quick_settings(seed=seed)).val) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_validation_split_of_the_data_set_is_used_as_it_is(textures: Path) -> None:
    dataset = with_val(open_dataset(textures), 5)
    images = split_images(dataset, quick_settings())
    assert not images.held_out
    assert names(images.val) == names(dataset.subset("val").samples)
    assert names(images.train) == names(dataset.subset("train").samples)


def test_a_share_of_zero_holds_nothing_out(textures: Path) -> None:
    images = split_images(open_dataset(textures), quick_settings(val_fraction=0))
    assert (len(images.train), images.val, images.held_out) == (24, (), False)


def test_the_fingerprint_sees_names_sizes_labels_and_parts_but_no_times(textures: Path) -> None:
    dataset = open_dataset(textures)
    images = split_images(dataset, quick_settings())
    first, *rest = images.train
    same = images.fingerprint(dataset.classes)

    def changed(**changes: object) -> str:
        return replace(images, train=(replace(first, **changes), *rest)).fingerprint(dataset.classes)  # type: ignore[arg-type]

    assert changed(mtime_ns=1) == same
    assert len({same, changed(size=1), changed(name="other"), changed(label=2)}) == 4
    assert split_images(dataset, quick_settings(seed=1)).fingerprint(dataset.classes) != same
    assert images.fingerprint(("a", "b", "c")) != same

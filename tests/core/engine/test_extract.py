"""The public call: the data set is opened, and the chosen splits are extracted."""

from pathlib import Path

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.extract import extract
from tests.core.textures import small_settings


def test_only_the_chosen_splits_are_extracted(textures: Path, tmp_path: Path) -> None:
    report = extract(textures, tmp_path / "test.h5", settings=small_settings(pooling="max"), splits=("test",))
    with FeatureCache.open(report.output) as cache:
        assert set(cache.splits) == {"test"}
        assert cache.classes == ("checks", "rings", "stripes")

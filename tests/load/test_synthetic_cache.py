"""`train_head` accepts the drawn cache."""

from pathlib import Path

import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.recipe import HeadSettings
from tests.load.synthetic_cache import write_synthetic_cache


@pytest.mark.parametrize("solver", ["exact", "streamed"])
def test_a_head_is_trained_on_drawn_descriptors(tmp_path: Path, solver: str) -> None:
    write_synthetic_cache(tmp_path / "a.h5", rows=700, values=60, classes=4, noise=1.0)
    with FeatureCache.open(tmp_path / "a.h5") as cache:
        assert (cache.rows, cache.descriptors) == (700, {"avg": 60})
    settings = HeadSettings.model_validate({"C": 1.0, "solver": solver, "calibrate": False})
    trained = train_head(tmp_path / "a.h5", tmp_path / "m.safetensors", settings=settings, embed_backbone=False)
    assert trained.images == 560

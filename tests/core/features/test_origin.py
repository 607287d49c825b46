"""What a cache says of its origin is checked before any work."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import CacheError
from birdnet_cli.core.features.origin import read_origin
from birdnet_cli.core.features.run import ExtractReport

STRANGE = {
    "a layer that is no text": (
        {"layer": None},
        r"not as fbn extract writes it: layer: Input should be a valid string",
    ),
    "an unknown precision": (
        {"precision": "int4"},
        r"not as fbn extract writes it: precision: Input should be 'float32'",
    ),
    "a preprocessing of other keys": (
        {"preprocessing": {"mean": 0}},
        r"not as fbn extract writes it: preprocessing: exp",
    ),
}


def change(source: Path, target: Path, **fields: Any) -> Path:
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        document = json.loads(file.attrs["fingerprint"]) | fields
        file.attrs["fingerprint"] = np.bytes_(json.dumps(document).encode())
    return target


def test_what_extract_has_put_on_record_is_read(extracted: ExtractReport) -> None:
    with FeatureCache.open(extracted.output) as cache:
        origin = read_origin(cache)
        assert (origin.backbone, origin.layer) == (cache.fingerprint["backbone"], cache.fingerprint["layer"])
        assert origin.transform.model_dump() == cache.fingerprint["transform"]
        assert origin.settings == cache.provenance["settings"]


@pytest.mark.parametrize(("fields", "message"), STRANGE.values(), ids=STRANGE)
def test_a_strange_record_is_refused_before_the_solve(
    extracted: ExtractReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(sys.modules[train_head.__module__], "fit_head", lambda *_, **__: pytest.fail("solved"))
    cache = change(extracted.output, tmp_path / "a.h5", **fields)
    with pytest.raises(CacheError, match=message):
        train_head(cache, tmp_path / "m.safetensors", pooling="avg", embed_backbone=False)

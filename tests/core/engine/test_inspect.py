"""The description that a cache or a model file holds."""

import hashlib
import json
from pathlib import Path

import pytest

from birdnet_cli.core.engine.inspect import describe_cache, describe_file
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import CacheError, ModelFileError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.recipe import HeadSettings


def test_the_description_of_a_cache_counts_what_is_in_it(extracted: ExtractReport) -> None:
    report = describe_cache(extracted.output)
    assert report["bytes"] == extracted.output.stat().st_size
    assert (report["images"], report["failed"], report["classes"]) == (36, 0, 3)
    assert report["splits"] == {"train": 24, "test": 12}
    assert report["descriptors"] == extracted.descriptors
    assert report["fingerprint"]["layer"] == "relu2_1"
    assert report["provenance"]["weights_source"] == "random (seed 0)"


def test_an_h5_file_is_described_as_a_cache_and_another_file_as_a_model(
    extracted: ExtractReport, tmp_path: Path
) -> None:
    assert describe_file(extracted.output) == describe_cache(extracted.output)
    settings = HeadSettings(C=1.0, calibrate=False)
    model = train_head(extracted.output, tmp_path / "m.safetensors", pooling="avg", settings=settings, weights="none")
    document = describe_file(model.output)
    assert document["sha256"] == hashlib.sha256(model.output.read_bytes()).hexdigest()
    assert list(document["classes"]) == ["checks", "rings", "stripes"]
    json.dumps(document)


def test_a_foreign_file_is_refused_by_its_suffix(tmp_path: Path) -> None:
    for name, error in (("a.h5", CacheError), ("a.safetensors", ModelFileError)):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(error, match=name):
            describe_file(tmp_path / name)

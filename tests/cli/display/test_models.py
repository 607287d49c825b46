from dataclasses import replace
from pathlib import Path

import pytest

from birdnet_cli.cli.display.models import print_models
from birdnet_cli.core.model.library import ModelEntry
from tests.core.small_model import DESCRIPTION


def test_a_model_is_a_row_with_its_descriptor_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    entry = ModelEntry(Path("birds.safetensors"), 12_340_000, DESCRIPTION)
    print_models([entry])
    header, row = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["model", "classes", "backbone", "descriptor", "head", "size"]
    assert row == ["birds.safetensors", "3", "vgg16", "relu1_1", "bilinear-reduce8-variance20", "svm", "12.3", "MB"]


def test_a_head_on_the_feature_map_has_no_descriptor(capsys: pytest.CaptureFixture[str]) -> None:
    description = replace(DESCRIPTION, pooling=None, head={"head": "fb"})
    print_models([ModelEntry(Path("m.safetensors"), 1_000_000, description)])
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row == ["m.safetensors", "3", "vgg16", "relu1_1", "fb", "1.0", "MB"]

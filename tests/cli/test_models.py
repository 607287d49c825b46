import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def test_models_are_listed_newest_first_with_what_they_are(fbn: Fbn, model: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "new.safetensors").write_bytes(model.read_bytes())
    (tmp_path / "foreign.safetensors").write_bytes(b"foreign")
    os.utime(model, (1, 1))
    done = fbn("models", "ls")
    assert done.code == 0
    header, *rows = (line.split() for line in done.out.splitlines())
    assert header == ["model", "classes", "backbone", "descriptor", "head", "size"]
    size = f"{model.stat().st_size / 1e6:.1f}"
    expected = ["3", "vgg16", "relu2_1", "avg", "svm", size, "MB"]
    assert rows == [["runs/new.safetensors", *expected], ["m.safetensors", *expected]]


def test_another_folder_can_be_listed(fbn: Fbn, whole_model: Path) -> None:
    assert whole_model.name not in fbn("models", "ls").out
    assert str(whole_model) in fbn("models", "ls", whole_model.parent).out


def test_a_folder_without_models_is_an_empty_table(fbn: Fbn) -> None:
    done = fbn("models", "ls")
    assert done.code == 0
    assert len(done.out.splitlines()) == 1


def test_backbones_are_listed_by_name(fbn: Fbn) -> None:
    names = fbn("models", "backbones").out.splitlines()
    assert {"vgg16", "vgg19", "resnet50"} <= set(names)


def test_the_layers_of_a_backbone_are_listed_with_the_default(fbn: Fbn) -> None:
    lines = fbn("models", "backbones", "vgg16").out.splitlines()
    assert lines[0].startswith("conv1_1") or lines[0].startswith("relu1_1")
    assert [line for line in lines if "default" in line] == ["relu5_3  (default, 512 channels)"]


@pytest.mark.parametrize("name", ["../../secret", "vgg"])
def test_an_unknown_backbone_is_a_usage_error(fbn: Fbn, name: str) -> None:
    done = fbn("models", "backbones", name)
    assert done.code == 2
    assert f"unknown backbone '{name}'" in done.err

"""The model files of a folder, and the newest."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.model import write_model_file
from birdnet_cli.core.model.library import find_model, list_models
from tests.core.small_model import DESCRIPTION


def write_model(path: Path, *, age: int) -> Path:
    """Write a small model that was last changed `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_model_file(path, replace(DESCRIPTION, classes=(path.stem,)), {"head": {"weight": torch.zeros(age)}})
    os.utime(path, ns=(0, 10**18 - age * 10**9))
    return path


def test_models_are_listed_newest_first_in_the_folder_and_its_runs(tmp_path: Path) -> None:
    old = write_model(tmp_path / "old.safetensors", age=30)
    new = write_model(tmp_path / "runs" / "a" / "b" / "new.safetensors", age=10)
    middle = write_model(tmp_path / "middle.safetensors", age=20)
    write_model(tmp_path / "elsewhere" / "other.safetensors", age=1)
    entries = list_models(tmp_path)
    assert [entry.path for entry in entries] == [new, middle, old]
    assert [entry.description.classes for entry in entries] == [("new",), ("middle",), ("old",)]
    assert find_model(tmp_path) == new


def test_models_of_the_same_age_are_listed_by_name(tmp_path: Path) -> None:
    second, first = (write_model(tmp_path / f"{name}.safetensors", age=1) for name in "ba")
    assert [entry.path for entry in list_models(tmp_path)] == [first, second]


def test_an_entry_holds_the_files_size_and_descriptor(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", age=1)
    (entry,) = list_models(tmp_path)
    assert entry.size == path.stat().st_size
    assert entry.descriptor == "bilinear-reduce8-variance20"


def test_files_other_than_models_of_fbn_are_left_out(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.safetensors", age=30)
    save_file({"weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "garbage.safetensors").write_bytes(b"garbage")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "dangling.safetensors").symlink_to("nowhere")
    (tmp_path / "half.safetensors").write_bytes(model.read_bytes()[:-1])
    assert [entry.path for entry in list_models(tmp_path)] == [model]


def test_a_temporary_file_of_a_write_is_not_listed(tmp_path: Path) -> None:
    write_model(tmp_path / ".m.safetensors.123.tmp", age=1)
    assert list_models(tmp_path) == []


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_a_folder_without_a_model_is_an_error_with_the_ways_to_name_or_write_a_model(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ModelFileError,
        match="no model found: name a file with -m or FBN_MODEL, or write a model with fbn train",
    ):
        find_model(tmp_path / folder)

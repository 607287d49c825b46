"""The model file is read as it was written, and any other file is refused in one line."""

import hashlib
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from birdnet_cli.core import tensor_file
from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.model import load_model, read_description, read_model_file, write_model_file
from tests.core.small_model import DESCRIPTION

TENSORS = {
    "head": {"weight": torch.arange(60.0).view(3, 20), "temperature": torch.tensor(0.7)},
    "pooling": {"selection.indices": torch.arange(20)},
    "backbone": {"features.0.weight": torch.ones(4, 3, 3, 3)},
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_model_file(tmp_path / "m.safetensors", DESCRIPTION, TENSORS)
    return tmp_path / "m.safetensors"


def rewrite(path: Path, document: object, tensors: dict[str, Tensor] | None = None) -> None:
    """Give a model file another header document."""
    text = document if isinstance(document, str) else json.dumps(document)
    save_file(tensors if tensors is not None else load_file(path), path, metadata={"fbn_model": text})


def assert_refused(path: Path, message: str) -> None:
    for read in (read_description, read_model_file, load_model):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: ")
        assert message in text
        assert "\n" not in text


def test_what_was_written_is_read(written: Path) -> None:
    description, tensors = read_model_file(written)
    assert description == DESCRIPTION
    assert read_description(written) == DESCRIPTION
    assert tensors.keys() == TENSORS.keys()
    for group, state in TENSORS.items():
        assert tensors[group].keys() == state.keys()
        for name, tensor in state.items():
            assert torch.equal(tensors[group][name], tensor)


def test_a_model_without_its_backbone_reads_back_without_tensors_of_it(tmp_path: Path) -> None:
    write_model_file(tmp_path / "m.safetensors", DESCRIPTION, {"head": TENSORS["head"]})
    _, tensors = read_model_file(tmp_path / "m.safetensors")
    assert tensors["backbone"] == tensors["pooling"] == {}


def test_the_returned_digest_is_the_files_sha256(tmp_path: Path) -> None:
    digest = write_model_file(tmp_path / "m.safetensors", DESCRIPTION, TENSORS)
    assert digest == hashlib.sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest()


def test_the_umask_decides_who_may_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_model_file(tmp_path / "m.safetensors", DESCRIPTION, TENSORS)
    finally:
        os.umask(before)
    assert (tmp_path / "m.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_model_and_nothing_partial(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(tensors: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    before = written.read_bytes()
    monkeypatch.setattr(tensor_file, "save_file", write_half)
    with pytest.raises(OSError, match="no space left"):
        write_model_file(written, replace(DESCRIPTION, flip=False), TENSORS)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_an_absent_file_is_refused_with_the_commands_that_write_models(tmp_path: Path) -> None:
    assert_refused(
        tmp_path / "absent.safetensors", "no such model file; fbn train-head and fbn finetune write model files"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"no model" * 100, b"\x80\x04\x95", struct.pack("<Q", 1 << 63) + b"{}",
        struct.pack("<Q", 2) + b"{}" + b"more than the header says", struct.pack("<Q", 9) + b"\xff" * 9,
    ],
    ids=["empty", "short", "garbage", "pickle", "endless header", "trailing bytes", "header that is no text"],
)  # fmt: skip
def test_foreign_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    assert_refused(tmp_path / "m.safetensors", "not a readable safetensors file")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(written: Path, kept: float) -> None:
    data = written.read_bytes()
    written.write_bytes(data[: int(kept * len(data))])
    assert_refused(written, "not a readable safetensors file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "no such model file")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_safetensors_file_of_another_program_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "m.safetensors", metadata=metadata)
    assert_refused(tmp_path / "m.safetensors", "not a model of fbn")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "the header is not JSON"),
        ("[]", "model format 'list'; this version of fbn reads format 1"),
        ("{}", "model format None; this version of fbn reads format 1"),
        ('{"format": 2}', "model format 2; this version of fbn reads format 1"),
        ("[" * 100_000, "the header is not JSON"),
        ('{"format": ' + "1" * 5000 + "}", "the header is not JSON"),
    ],
    ids=["half", "list", "empty", "newer", "deep", "long number"],
)
def test_a_header_of_another_format_is_refused(written: Path, header: str, message: str) -> None:
    rewrite(written, header)
    assert_refused(written, message)


@pytest.mark.parametrize("key", ["classes", "backbone", "transform", "flip", "pooling", "head", "provenance"])
def test_a_missing_field_is_named(written: Path, key: str) -> None:
    document = DESCRIPTION.to_json()
    del document[key]
    rewrite(written, document)
    assert_refused(written, f"the header lacks or mistypes: {key}")


def test_every_missing_field_is_named_at_once(written: Path) -> None:
    rewrite(written, {"format": 1, "classes": [], "head": 3})
    assert_refused(written, "lacks or mistypes: backbone, transform, flip, pooling, head, provenance")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a", 3, None]}, "class names are not all text"),
        ({"backbone": {"backbone": "vgg16", "layer": 3}}, "lacks or mistypes: layer, weights_sha256, preprocessing"),
        ({"transform": {"image_size": 0}}, "settings are not valid"),
        ({"transform": {"image_sise": 32}}, "settings are not valid"),
        ({"pooling": {"name": "median"}}, "settings are not valid"),
        ({"pooling": {}}, "settings are not valid"),
        ({"head": {}}, "the header's head lacks or mistypes: head"),
    ],
    ids=["classes", "backbone", "image_size", "unknown", "pooling", "no pooling", "no head"],
)
def test_a_field_with_a_wrong_value_is_refused(written: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(written, DESCRIPTION.to_json() | changes)
    assert_refused(written, message)


@pytest.mark.parametrize("key", ["weight", "head.", "optimizer.step"])
def test_a_tensor_of_no_group_is_refused(written: Path, key: str) -> None:
    rewrite(written, DESCRIPTION.to_json(), load_file(written) | {key: torch.zeros(1)})
    with pytest.raises(ModelFileError, match=rf"m\.safetensors: unknown tensor '{key}'"):
        read_model_file(written)

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from birdnet_cli.core.backbones.preprocessing import IMAGENET, OXFORD_VGG
from birdnet_cli.core.backbones.weight_files import read_weight_file
from birdnet_cli.core.errors import WeightsError

TENSORS = {"conv.weight": torch.arange(54.0).view(2, 3, 3, 3), "conv.bias": torch.ones(2)}


def assert_has_tensors(path: Path) -> None:
    read = read_weight_file(path, {}).tensors
    assert set(read) == set(TENSORS)
    assert all(torch.equal(read[key], tensor) for key, tensor in TENSORS.items())


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "net.safetensors")
    assert_has_tensors(tmp_path / "net.safetensors")
    assert read_weight_file(tmp_path / "net.safetensors", {}).preprocessing is None


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["net.pth", "net.PT"])
def test_state_dicts_are_read_in_torchs_new_and_old_format(tmp_path, name, zipped):
    torch.save(TENSORS, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert_has_tensors(tmp_path / name)


@pytest.mark.parametrize("text", ["oxford", json.dumps(OXFORD_VGG.to_json())])
def test_safetensors_metadata_gives_the_preprocessing(tmp_path, text):
    save_file(TENSORS, tmp_path / "net.safetensors", metadata={"preprocessing": text})
    assert read_weight_file(tmp_path / "net.safetensors", {}).preprocessing == OXFORD_VGG


@pytest.mark.parametrize("text", ["oxfrod", "{", json.dumps(IMAGENET.to_json() | {"scale": -1}), "[" * 100_000])
def test_unreadable_preprocessing_metadata_is_refused(tmp_path, text):
    save_file(TENSORS, tmp_path / "net.safetensors", metadata={"preprocessing": text})
    with pytest.raises(WeightsError, match="its metadata's preprocessing cannot be read"):
        read_weight_file(tmp_path / "net.safetensors", {})


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path, zipped):
    trace = tmp_path / "ran"
    torch.save(TENSORS | {"x": Payload(f"touch {trace}")}, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"net\.pth: refused, because it is no plain state dict"):
        read_weight_file(tmp_path / "net.pth", {})
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx"])
@pytest.mark.parametrize("content", [b"", b"not a weight file", b"\xff" * 64])
def test_a_damaged_file_is_refused_by_name(tmp_path, suffix, content):
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="needs onnx: pip install 'birdnet-cli[offline]'")
    (tmp_path / f"net{suffix}").write_bytes(content)
    with pytest.raises(WeightsError, match=f"net{suffix}"):
        read_weight_file(tmp_path / f"net{suffix}", {"conv.weight": TENSORS["conv.weight"]})


def test_a_safetensors_header_of_absurd_length_is_refused(tmp_path):
    (tmp_path / "net.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        read_weight_file(tmp_path / "net.safetensors", {})


def test_a_file_that_is_no_state_dict_is_refused(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"expected a state dict \(name -> tensor\), got a list"):
        read_weight_file(tmp_path / "net.pth", {})


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_entries_that_are_no_ordinary_tensors_are_left_out(tmp_path):
    odd = {"epoch": 3, "sparse": torch.eye(2).to_sparse(), "nowhere": torch.ones(2, device="meta")}
    torch.save(TENSORS | odd, tmp_path / "net.pth")
    assert_has_tensors(tmp_path / "net.pth")


def test_another_suffix_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"ends in \.safetensors, \.pth, \.pt, \.onnx"):
        read_weight_file(tmp_path / "net.h5", {})


def test_a_missing_file_is_refused_with_the_other_choices(tmp_path):
    with pytest.raises(WeightsError, match="no such file; weights are 'auto', 'none', or"):
        read_weight_file(tmp_path / "net.pth", {})

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from birdnet_cli.core.backbones import onnx_weights
from birdnet_cli.core.backbones.onnx_weights import read_onnx_weights
from birdnet_cli.core.errors import WeightsError

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'birdnet-cli[offline]'")

EXPECTED: dict[str, Tensor] = {
    "features.0.weight": torch.arange(54.0).view(2, 3, 3, 3),
    "features.0.bias": torch.tensor([1.0, 2.0]),
    "features.2.weight": torch.arange(36.0).view(2, 2, 3, 3),
    "features.2.bias": torch.tensor([3.0, 4.0]),
}
RENAMED = dict(zip(EXPECTED, ["a", "b", "c", "d"], strict=True))


def write_onnx(path: Path, names: dict[str, str], *, left_out: str = "", **change: Any) -> Path:
    initializers = [
        onnx.numpy_helper.from_array(tensor.numpy(), names[key])
        for key, tensor in reversed(EXPECTED.items())
        if key != left_out
    ]
    inputs = list(names.values())
    nodes = [
        onnx.helper.make_node("Conv", ["x", *inputs[:2]], ["y"], name="first"),
        onnx.helper.make_node("Relu", ["y"], ["z"]),
        onnx.helper.make_node("Conv", ["z", *inputs[2:]], ["out"], name="second"),
    ]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "net", [], [], initializers)), path, **change)
    return path


def assert_reads_expected(path: Path) -> None:
    read = read_onnx_weights(path, EXPECTED)
    assert list(read) == list(EXPECTED)
    assert all(torch.equal(read[key], tensor) for key, tensor in EXPECTED.items())


def test_initialisers_are_found_by_their_published_names(tmp_path):
    assert_reads_expected(write_onnx(tmp_path / "net.onnx", {key: key for key in EXPECTED}))


def test_renamed_initialisers_are_found_by_the_order_of_the_convolutions(tmp_path):
    assert_reads_expected(write_onnx(tmp_path / "net.onnx", RENAMED))


def test_a_missing_initialiser_is_named_by_its_node(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", RENAMED, left_out="features.2.bias")
    with pytest.raises(WeightsError, match="expected weight and bias of second as initialisers"):
        read_onnx_weights(path, EXPECTED)


def test_a_published_name_that_is_missing_is_left_to_the_network_to_report(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", {key: key for key in EXPECTED}, left_out="features.2.bias")
    assert list(read_onnx_weights(path, EXPECTED)) == list(EXPECTED)[:3]


def test_networks_with_more_than_convolutions_need_published_names(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", RENAMED)
    with pytest.raises(
        WeightsError, match=r"named like conv1\.weight, and only VGG's tensors can be found by their order"
    ):
        read_onnx_weights(path, {"conv1.weight": torch.zeros(2, 3, 3, 3), "bn1.weight": torch.zeros(2, 2)})


def test_a_file_without_convolutions_is_refused(tmp_path):
    model = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="it has no convolution"):
        read_onnx_weights(tmp_path / "net.onnx", EXPECTED)


def test_tensors_kept_in_another_file_are_refused(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", RENAMED, save_as_external_data=True, location="secret", size_threshold=0)
    with pytest.raises(WeightsError, match="in another file"):
        read_onnx_weights(path, EXPECTED)


def test_a_tensor_with_too_few_bytes_is_refused_by_name(tmp_path):
    short = onnx.TensorProto(
        name="features.0.bias", data_type=onnx.TensorProto.FLOAT, dims=[2], raw_data=np.ones(1, "<f4").tobytes()
    )
    model = onnx.helper.make_model(onnx.helper.make_graph([], "short", [], [], [short]))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match=r"the initialiser features\.0\.bias is damaged"):
        read_onnx_weights(tmp_path / "net.onnx", EXPECTED)


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "net.onnx", RENAMED)
    monkeypatch.setitem(onnx_weights.__dict__["__builtins__"], "__import__", refuse_onnx)
    with pytest.raises(WeightsError, match=r"reading it needs onnx: pip install 'birdnet-cli\[offline\]'"):
        read_onnx_weights(path, EXPECTED)


def refuse_onnx(name: str, *arguments: Any, original: Any = __import__) -> Any:
    if name == "onnx":
        raise ImportError(name)
    return original(name, *arguments)

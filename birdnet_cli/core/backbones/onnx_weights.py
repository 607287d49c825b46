"""Read a network's tensors from the initialisers of an ONNX file; the graph is never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from birdnet_cli.core.errors import WeightsError

__all__ = ["read_onnx_weights"]


def read_onnx_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the initialisers named as in `expected`, or else the convolutions in the order of the graph.

    Exporters rename tensors, but the layout of an ONNX `Conv` is always [out, in, height, width]. If no name fits and
    `expected` consists of convolutions with biases only, as for VGG, the i-th `Conv` node gives the i-th pair.

    Args:
        path: the file.
        expected: the network's tensors by name, in the order of computation.

    Returns:
        float32 tensors under names of `expected`; some may be absent, and shapes are not checked.

    Raises:
        WeightsError: onnx is not installed, the file is damaged or keeps its tensors elsewhere, or no tensor
            corresponds to `expected`.
    """
    graph = _load_graph(path)
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    sources = {key: key for key in expected if key in initializers}
    if not sources:
        sources = _match_convolutions(path, graph, initializers, expected)
    return {key: _to_tensor(path, initializers[source]) for key, source in sources.items()}


def _match_convolutions(
    path: Path, graph: Any, initializers: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> dict[str, str]:
    keys = list(expected)
    pairs = list(zip(keys[::2], keys[1::2], strict=False))
    is_plain = len(keys) % 2 == 0 and all(
        expected[weight].ndim == 4 and expected[bias].ndim == 1 for weight, bias in pairs
    )
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    if not is_plain or not nodes:
        reason = "it has no convolution" if is_plain else "only VGG's tensors can be found by their order"
        raise WeightsError(f"{path}: no initialiser is named like {keys[0]}, and {reason}")
    sources: dict[str, str] = {}
    for pair, node in zip(pairs, nodes, strict=False):
        if len(node.input) != 3 or any(name not in initializers for name in node.input[1:]):
            raise WeightsError(f"{path}: expected weight and bias of {node.name or node.output[0]} as initialisers")
        sources |= dict(zip(pair, node.input[1:], strict=True))
    return sources


def _load_graph(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise WeightsError(f"{path}: reading it needs onnx: pip install 'birdnet-cli[offline]'") from error
    try:
        # External data would let an untrusted file make this process read any path.
        return onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a readable ONNX file: {error}") from error


def _to_tensor(path: Path, initializer: Any) -> Tensor:
    from onnx import TensorProto, numpy_helper

    if initializer.data_location == TensorProto.EXTERNAL:
        raise WeightsError(f"{path}: keeps {initializer.name} in another file; save it as one file")
    try:
        return torch.from_numpy(np.array(numpy_helper.to_array(initializer), dtype=np.float32))
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path}: the initialiser {initializer.name} is damaged: {error}") from error

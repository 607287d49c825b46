"""A pretrained network up to a layer: RGB images [N, 3, H, W] in 0..255 -> feature map [N, C, h, w]."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.errors import UsageError, WeightsError

__all__ = ["Backbone"]

# Every supported network accepts images of this side; smaller maps may vanish before the last layer.
SAFE_SIDE = 96
NAMED_IN_ERRORS = 4


class Backbone(nn.Module):
    """A network with its own preprocessing, so that callers pass RGB images in 0..255 whatever the weight set.

    Its state dict has the published names of the tensors (`features.0.weight`) up to `layer`.

    Args:
        network: maps preprocessed images [N, 3, H, W] to the feature map; may be on the meta device until `load`.
        name: the backbone's name in `list_backbones`, or `timm:NAME`.
        layer: the layer whose output is the feature map.
        channels: C of the feature map.
        nonnegative: True only if no value of the feature map can be below 0.
        preprocessing: the preprocessing that the weights expect.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        layer: str,
        channels: int,
        nonnegative: bool,
        preprocessing: Preprocessing,
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.layer = layer
        self.channels = channels
        self.nonnegative = nonnegative
        self.preprocessing = preprocessing
        self.register_state_dict_post_hook(_publish_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_accept_published_names)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        """Compute the feature map.

        Preprocessing is always float32; under bfloat16 autocast the network and its feature map are bfloat16.

        Args:
            images: [N, 3, H, W], RGB, uint8 or float, values 0..255.

        Returns:
            The feature map [N, C, h, w], in channels_last memory order if the network keeps that order.

        Raises:
            UsageError: the images have another shape, or are too small for the network.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise UsageError(f"{self.name}: expected images [N, 3, H, W], got {list(images.shape)}")
        H, W = images.shape[2:]
        try:
            return self.run_network(self.preprocessing.apply(images))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if min(H, W) >= SAFE_SIDE:
                raise
            raise UsageError(
                f"{self.name} at {self.layer} cannot process images of {H}x{W} pixels ({str(error).splitlines()[0]}); "
                f"use a larger image size, or an earlier layer"
            ) from error

    def run_network(self, inputs: Tensor) -> Tensor:
        """Map preprocessed images [N, 3, H, W] to the feature map [N, C, h, w]."""
        feature_map: Tensor = self.network(inputs)
        return feature_map

    def load(self, tensors: Mapping[str, Tensor], *, source: str) -> None:
        """Copy weights into the network as float32, in channels_last memory order.

        Args:
            tensors: tensors by their names in the state dict; other names are ignored.
            source: origin of the tensors, for the error message.

        Raises:
            WeightsError: a tensor is missing or has another shape; the message names the first four.
        """
        expected = self.network.state_dict()
        # Old files lack BatchNorm's step counter, and fbn never reads it.
        absent = [key for key in expected if key not in tensors and not key.endswith("num_batches_tracked")]
        misfit = [
            f"{key} is {list(tensors[key].shape)}, expected {list(tensor.shape)}"
            for key, tensor in expected.items()
            if key in tensors and tensors[key].shape != tensor.shape
        ]
        if absent or misfit:
            problems = [f"missing {_name_first(absent)}"] if absent else []
            problems += [_name_first(misfit)] if misfit else []
            raise WeightsError(
                f"{source} does not fit {self.name} at {self.layer}: {'; '.join(problems)}; "
                f"it holds {_name_first(list(tensors)) or 'no tensor'}"
            )
        filled = {
            key: tensors[key].to(dtype=tensor.dtype, device="cpu", copy=True)
            if key in tensors
            else torch.zeros(tensor.shape, dtype=tensor.dtype)
            for key, tensor in expected.items()
        }
        self.network.load_state_dict(filled, assign=True)
        self.network.to(memory_format=torch.channels_last)


def _publish_names(_module: nn.Module, state: dict[str, Any], prefix: str, _metadata: object) -> None:
    for key in [key for key in state if key.startswith(f"{prefix}network.")]:
        state[prefix + key.removeprefix(f"{prefix}network.")] = state.pop(key)


def _accept_published_names(_module: nn.Module, state: dict[str, Any], prefix: str, *_details: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[f"{prefix}network." + key.removeprefix(prefix)] = state.pop(key)


def _name_first(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_IN_ERRORS} more" if len(names) > NAMED_IN_ERRORS else ""
    return ", ".join(names[:NAMED_IN_ERRORS]) + more

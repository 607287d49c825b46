"""Build `timm:NAME`: a network of timm whose `forward_features` gives a feature map [N, C, h, w]."""

import importlib
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from birdnet_cli.core.backbones.backbone import Backbone
from birdnet_cli.core.backbones.preprocessing import Preprocessing
from birdnet_cli.core.errors import UnknownNameError, UsageError, WeightsError

__all__ = [
    "PREFIX",
    "TimmBackbone",
    "build",
    "canonical_key",
    "default_preprocessing",
    "fetch_pretrained",
    "list_layers",
    "state",
]

PREFIX = "timm:"
LAYER = "forward_features"
HUB_FILE = "model.safetensors"


class TimmBackbone(Backbone):
    """A backbone whose network is timm's, without its pooling and classifier."""

    def run_network(self, inputs: Tensor) -> Tensor:
        """Map preprocessed images [N, 3, H, W] to the feature map [N, C, h, w]."""
        feature_map: Tensor = self.network.forward_features(inputs)  # type: ignore[operator]
        return feature_map


def list_layers(name: str) -> list[str]:
    """Return the only layer that timm's networks offer, after checking the name."""
    _create(name)
    return [LAYER]


def state(name: str) -> dict[str, Tensor]:
    """Return all tensors of the network without its classifier, for their names, shapes and types."""
    return dict(_create(name).state_dict())


def canonical_key(key: str) -> str:
    """Return the present name of a tensor, given its name in a published file."""
    return key


def default_preprocessing(name: str) -> Preprocessing:
    """Return the mean and std of the network's pretrained configuration."""
    config = _import_timm().get_pretrained_cfg(_check_name(name))
    return Preprocessing(mean=tuple(config.mean), std=tuple(config.std), scale=1 / 255)


def build(name: str, *, layer: str | None, preprocessing: Preprocessing) -> TimmBackbone:
    """Build a network on the CPU with random values, which callers replace.

    Args:
        name: `timm:` and a name that timm knows, such as `timm:resnet50.a1_in1k`.
        layer: `forward_features`, or None.
        preprocessing: the preprocessing that the weights expect.

    Raises:
        UnknownNameError: no such network or layer.
        UsageError: timm is not installed, or the network does not end in a feature map [N, C, h, w].
    """
    if layer not in (None, LAYER):
        raise UnknownNameError(f"layer of {name}", str(layer), [LAYER])
    network = _create(name)
    with torch.inference_mode():
        output = network.forward_features(torch.zeros(1, *network.pretrained_cfg["input_size"]))  # type: ignore[operator, index]
    if output.ndim != 4 or output.shape[1] != network.num_features:
        raise UsageError(
            f"'{name}' ends in {list(output.shape)}, not in a feature map [N, {network.num_features}, h, w]; "
            f"choose a convolutional network"
        )
    return TimmBackbone(
        network,
        name=name,
        layer=LAYER,
        channels=output.shape[1],
        # Only a trace could prove it; False is always correct and costs speed.
        nonnegative=False,
        preprocessing=preprocessing,
    )


def fetch_pretrained(name: str, *, offline: bool) -> Path:
    """Return the path of the network's pretrained safetensors file, after a download if the cache lacks it.

    Args:
        name: `timm:` and a name that timm knows.
        offline: look into the Hugging Face cache only.

    Raises:
        WeightsError: timm publishes no such file, or it is not in the cache and cannot be downloaded.
    """
    hub_id = _import_timm().get_pretrained_cfg(_check_name(name)).hf_hub_id
    if not hub_id:
        raise WeightsError(f"timm publishes no weights for '{name}': give a file with --weights")
    repository, _, revision = hub_id.partition("@")
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.hf_hub_download(repository, HUB_FILE, revision=revision or None, local_files_only=offline))
    except Exception as error:
        # The hub's client raises errors of its own and of its transport, which have no common base class.
        raise WeightsError(
            f"no weights for '{name}': {HUB_FILE} of huggingface.co/{hub_id} is not in the Hugging Face cache"
            f"{', and offline mode forbids the download' if offline else f' ({_first_line(error)})'}; "
            f"download that file where there is a network and give it with --weights"
        ) from error


def _create(name: str) -> nn.Module:
    timm_name = _check_name(name)
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = _import_timm().create_model(timm_name, pretrained=False, num_classes=0, global_pool="")
    return network.eval()


def _check_name(name: str) -> str:
    timm = _import_timm()
    timm_name = name.removeprefix(PREFIX)
    architecture, _, tag = timm_name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("timm backbone", name, [PREFIX + known for known in timm.list_models()])
    pretrained = timm.list_pretrained(f"{architecture}.*")
    if tag and timm_name not in pretrained:
        raise UnknownNameError("timm backbone", name, [PREFIX + known for known in pretrained])
    return timm_name


def _import_timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise UsageError(f"timm cannot be imported ({error}): pip install 'birdnet-cli[timm]'") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"

"""Find a backbone's weights: a name and a source -> tensors with their origin, hash and preprocessing."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from birdnet_cli.core.backbones import timm_models
from birdnet_cli.core.backbones.download import download_file
from birdnet_cli.core.backbones.families import default_preprocessing, find_family
from birdnet_cli.core.backbones.offline_wheel import WHEEL, find_wheel_file, is_oxford_vgg16, read_wheel_file
from birdnet_cli.core.backbones.preprocessing import OXFORD_VGG, Preprocessing, find_preprocessing
from birdnet_cli.core.backbones.published_weights import PublishedWeights, list_published_weights
from birdnet_cli.core.backbones.random_weights import draw_random_tensors
from birdnet_cli.core.backbones.weight_files import read_weight_file
from birdnet_cli.core.errors import WeightsError
from birdnet_cli.core.provenance import hash_file

__all__ = ["WeightSet", "offline_requested", "resolve_weights"]

OnProgress = Callable[[int, int], None]
OFFLINE_VARIABLES = ("FBN_OFFLINE", "HF_HUB_OFFLINE")
RANDOM_SEED = 0


@dataclass(frozen=True, eq=False)
class WeightSet:
    """A backbone's tensors and their origin.

    Attributes:
        source: description of the origin, with its path.
        sha256: hash of the file in hexadecimal digits; hash of the tensors if there is no file.
        tensors: tensors of the backbone by their published names, at least one; no others.
        preprocessing: the preprocessing that these weights expect.
    """

    source: str
    sha256: str
    tensors: dict[str, Tensor] = field(repr=False)
    preprocessing: Preprocessing


def offline_requested() -> bool:
    """Return True if FBN_OFFLINE or HF_HUB_OFFLINE is set to 1, true, yes or on."""
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in OFFLINE_VARIABLES)


def resolve_weights(
    backbone_name: str,
    source: str | Path = "auto",
    *,
    preprocessing: str | None = None,
    offline: bool | None = None,
    on_progress: OnProgress | None = None,
) -> WeightSet:
    """Find the weights of a backbone.

    `auto` takes the first source that exists: torchvision's file in the hub cache (below `TORCH_HOME`); the wheel of
    the `[offline]` extra (vgg16 only); torchvision's download into the hub cache. Every torchvision file is checked
    against the hash in its name. `timm:` backbones come from the Hugging Face cache or hub instead.

    Weights have a preprocessing. For a file it is the first of these that applies: the argument `preprocessing`; the
    file's safetensors metadata `preprocessing` (`imagenet`, `oxford` or the JSON of `Preprocessing.to_json`);
    `OXFORD_VGG` if the first layer has the sha256 of the Oxford VGG16's; the preprocessing of the torchvision weight
    set of the same file name; the preprocessing of the backbone's default weights.

    Args:
        backbone_name: a name of `list_backbones`, or `timm:NAME`.
        source: `auto`; `none` for random values from a fixed seed (for tests); or a .safetensors, .pth, .pt or .onnx
            file.
        preprocessing: `imagenet` or `oxford`, which overrules the other rules; None applies them.
        offline: True never uses the network; None reads FBN_OFFLINE and HF_HUB_OFFLINE.
        on_progress: called during a download with the bytes downloaded so far and in total (0 if unknown).

    Raises:
        UnknownNameError: no such backbone or preprocessing.
        UsageError: the network does not end in a feature map, or timm is not installed.
        WeightsError: no weights were found, or the file is damaged, has another hash, or holds no tensor of the
            backbone.
    """
    find_family(backbone_name)
    override = find_preprocessing(preprocessing) if preprocessing else None
    if offline is None:
        offline = offline_requested()
    if source == "none":
        return _draw_random(backbone_name, override)
    if source != "auto":
        return _read(backbone_name, Path(source), str(source), override)
    if backbone_name.startswith(timm_models.PREFIX):
        path = timm_models.fetch_pretrained(backbone_name, offline=offline)
        return _read(backbone_name, path, f"timm's pretrained weights: {path}", override)
    published = list_published_weights(backbone_name)[0]
    if not published.cache_path.is_file():
        wheel_file = find_wheel_file() if backbone_name == "vgg16" else None
        if wheel_file:
            return _read_wheel(wheel_file, override)
        if offline:
            raise WeightsError(
                f"no weights for '{backbone_name}', and offline mode forbids the download: "
                f"{_advise(backbone_name, published)}"
            )
        _download(backbone_name, published, on_progress)
    return _read_cached(backbone_name, published, override)


def _read_cached(name: str, published: PublishedWeights, override: Preprocessing | None) -> WeightSet:
    path = published.cache_path
    digest = hash_file(path)
    if not digest.startswith(published.sha256_prefix):
        raise WeightsError(
            f"{path}: damaged: its sha256 should begin with {published.sha256_prefix}, but is {digest[:12]}…; delete it"
        )
    return _read(name, path, f"torchvision's {published.url}: {path}", override, digest=digest)


def _download(name: str, published: PublishedWeights, on_progress: OnProgress | None) -> None:
    try:
        download_file(
            published.url, published.cache_path, sha256_prefix=published.sha256_prefix, on_progress=on_progress
        )
    except WeightsError as error:
        raise WeightsError(f"{error}; {_advise(name, published)}") from error


def _advise(name: str, published: PublishedWeights) -> str:
    extra = ", or pip install 'birdnet-cli[offline]'" if name == "vgg16" else ""
    return f"put the file of {published.url} at {published.cache_path}, or give a file with --weights{extra}"


def _read(
    name: str, path: Path, source: str, override: Preprocessing | None, *, digest: str | None = None
) -> WeightSet:
    family = find_family(name)
    expected = family.state(name)
    content = read_weight_file(path, expected)
    tensors = {family.canonical_key(key): tensor for key, tensor in content.tensors.items()}
    tensors = {key: tensor for key, tensor in tensors.items() if key in expected}
    if not tensors:
        found = ", ".join(list(content.tensors)[:3]) or "none"
        raise WeightsError(f"{path}: no tensor of {name} in it: expected {next(iter(expected))}, …; it has {found}")
    return WeightSet(
        source=source,
        sha256=digest or hash_file(path),
        tensors=tensors,
        preprocessing=override or content.preprocessing or _recognise(name, path, tensors),
    )


def _recognise(name: str, path: Path, tensors: Mapping[str, Tensor]) -> Preprocessing:
    if name == "vgg16" and is_oxford_vgg16(tensors):
        return OXFORD_VGG
    if not name.startswith(timm_models.PREFIX):
        for published in list_published_weights(name):
            if published.file_name == path.name:
                return published.preprocessing
    return default_preprocessing(name)


def _read_wheel(path: Path, override: Preprocessing | None) -> WeightSet:
    tensors, digest = read_wheel_file(path, find_family("vgg16").state("vgg16"))
    return WeightSet(
        source=f"Oxford VGG16 (Simonyan & Zisserman, CC BY 4.0) in the wheel {WHEEL}: {path}",
        sha256=digest,
        tensors=tensors,
        preprocessing=override or OXFORD_VGG,
    )


def _draw_random(name: str, override: Preprocessing | None) -> WeightSet:
    tensors, digest = draw_random_tensors(find_family(name).state(name), seed=RANDOM_SEED)
    return WeightSet(
        source=f"random (seed {RANDOM_SEED})",
        sha256=digest,
        tensors=tensors,
        preprocessing=override or default_preprocessing(name),
    )

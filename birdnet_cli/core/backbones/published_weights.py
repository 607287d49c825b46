"""List the weight sets that torchvision publishes for a backbone: addresses, hashes and preprocessing."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision

from birdnet_cli.core.backbones.preprocessing import Preprocessing

__all__ = ["PublishedWeights", "list_published_weights"]

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")


@dataclass(frozen=True)
class PublishedWeights:
    """A published weight set.

    Attributes:
        url: the address of the file.
        preprocessing: mean and std of torchvision's transform for these weights.
    """

    url: str
    preprocessing: Preprocessing

    @property
    def file_name(self) -> str:
        """The last part of the address, which is also the name in the hub cache."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256_prefix(self) -> str:
        """The first hexadecimal digits of the file's sha256, which torchvision writes into its name; may be empty."""
        found = HASH_IN_NAME.search(self.file_name)
        return found.group(1) if found else ""

    @property
    def cache_path(self) -> Path:
        """The path where torch.hub keeps the file, below TORCH_HOME if that is set."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file_name


def list_published_weights(name: str) -> list[PublishedWeights]:
    """Return torchvision's weight sets of a classifier, its default first."""
    enum = torchvision.models.get_model_weights(name)
    entries = sorted(enum, key=lambda entry: entry is not enum.DEFAULT)
    return [PublishedWeights(url=entry.url, preprocessing=_read_transform(entry)) for entry in entries]


def _read_transform(entry: torchvision.models.WeightsEnum) -> Preprocessing:
    transform = entry.transforms()
    return Preprocessing(mean=tuple(transform.mean), std=tuple(transform.std), scale=1 / 255)

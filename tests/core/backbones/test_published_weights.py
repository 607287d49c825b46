"""The weight sets that torchvision publishes: addresses, hashes, preprocessing, cache paths."""

import pytest
import torchvision

from birdnet_cli.core.backbones.preprocessing import IMAGENET
from birdnet_cli.core.backbones.published_weights import PublishedWeights, list_published_weights
from birdnet_cli.core.backbones.torchvision_models import list_models


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "efficientnet_b0", "convnext_tiny", "mnasnet0_5"])
def test_the_default_set_comes_first_with_its_hash_and_torchvisions_own_mean(name):
    default = list_published_weights(name)[0]
    assert default.url == torchvision.models.get_model_weights(name).DEFAULT.url
    assert len(default.sha256_prefix) >= 8
    assert default.preprocessing.mean == (0.485, 0.456, 0.406)


def test_every_convolutional_classifier_has_published_weights():
    assert all(list_published_weights(name) for name in list_models())


@pytest.mark.parametrize(
    ("file_name", "prefix"),
    [("net-0123abcd.pth", "0123abcd"), ("net_v2-88682ab5.pth", "88682ab5"), ("net-0123.pth", ""), ("net.pth", "")],
)
def test_the_hash_is_the_end_of_the_file_name(hub_cache, file_name, prefix):
    published = PublishedWeights(url=f"https://example.invalid/models/{file_name}", preprocessing=IMAGENET)
    assert published.file_name == file_name
    assert published.sha256_prefix == prefix
    assert published.cache_path == hub_cache / file_name

"""Whole networks: published parameter counts and multiply-adds, shapes, heads, initial values, training."""

import functools

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.networks import Network, create_network, describe_network, list_networks

CIFAR = ("resnet164", "resnet1001", "inception_bn_small")
# Trainable parameters: for 10 classes, for 100, and for 100 without those of BN and the biases of the features'
# convolutions, which the published figures leave out.
PARAMETERS = {
    ("resnet164", "fc"): (1_715_818, 1_738_948, 1_702_164),
    ("resnet164", "fb"): (1_767_028, 2_251_048, 2_214_264),
    ("resnet1001", "fc"): (10_402_762, 10_425_892, 10_201_620),
    ("resnet1001", "fb"): (10_453_972, 10_937_992, 10_713_720),
    ("inception_bn_small", "fc"): (1_652_826, 1_683_156, 1_678_020),
    ("inception_bn_small", "fb"): (1_720_036, 2_355_256, 2_350_120),
}


@functools.cache
def shapes_of(name: str, head: str, num_classes: int) -> Network:
    """A network without values, built once."""
    return create_network(name, head=head, num_classes=num_classes, device="meta")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_norms_and_biases(features: nn.Module) -> int:
    layers = [layer for layer in features.modules() if isinstance(layer, nn.BatchNorm2d | nn.Conv2d)]
    return sum(
        parameter.numel()
        for layer in layers
        for name, parameter in layer.named_parameters()
        if isinstance(layer, nn.BatchNorm2d) or name == "bias"
    )


def multiply_adds(network: Network) -> int:
    """Return the multiply-adds of one image, as PyTorch counts them."""
    size = network.info.image_size
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


# ResNet-1001 has ResNet-164's blocks, 111 to a stage; the count of its fc parameters shows that they are there.
LONG = {("resnet1001", "fb")}


@pytest.mark.parametrize(
    ("name", "head"),
    [pytest.param(*key, marks=[pytest.mark.slow] if key in LONG else []) for key in PARAMETERS],
)
def test_cifar_networks_have_the_published_parameters(name, head):
    of_10, of_100, published = PARAMETERS[name, head]

    assert count(shapes_of(name, head, 10)) == of_10
    network = shapes_of(name, head, 100)
    assert count(network) == of_100
    assert count(network) - count_norms_and_biases(network.features) == published


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet164", 244.5),
        pytest.param("resnet1001", 1487.8, marks=pytest.mark.slow),
        ("inception_bn_small", 266.7),
    ],
)
def test_cifar_networks_have_the_published_multiply_adds(name, millions):
    network = shapes_of(name, "fc", 10)

    assert abs(multiply_adds(network) / 1e6 - millions) < 0.06


@pytest.mark.parametrize(("name", "millions"), [("resnet164", 34.4), ("inception_bn_small", 45.2)])
def test_the_fb_head_has_the_published_multiply_adds(name, millions):
    network, without = shapes_of(name, "fb", 100), shapes_of(name, "fc", 100)
    fc = 100 * network.channels

    head = multiply_adds(network) - (multiply_adds(without) - fc)

    assert abs(head / 1e6 - millions) < 0.06


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet34_v2", 21_800_107), ("resnet50_v2", 25_549_483), ("inception_bn", 11_295_240)]
)
def test_imagenet_networks_end_in_maps_of_7_by_7(name, parameters):
    network = shapes_of(name, "fc", 1000)
    images = torch.empty(2, 3, 224, 224, device="meta")

    assert network.features(images).shape == (2, network.channels, 7, 7)
    assert network(images).shape == (2, 1000)
    assert count(network) == parameters


@pytest.mark.parametrize(("name", "factors"), [("resnet164", 20), ("inception_bn_small", 20), ("resnet34_v2", 50)])
def test_heads_change_nothing_before_the_last_activation(name, factors):
    networks = {head: shapes_of(name, head, 10) for head in ("fc", "tanh", "fb")}

    features = {head: str(network.features) for head, network in networks.items()}

    assert features["fc"] == features["tanh"] == features["fb"]
    kinds = {head: type(network.head.activation) for head, network in networks.items()}
    assert kinds == {"fc": nn.ReLU, "tanh": nn.Tanh, "fb": nn.Tanh}
    assert networks["fb"].head.factorized_bilinear.quadratic.weight.shape[1] == factors
    assert count(networks["tanh"]) == count(networks["fc"])


@pytest.mark.parametrize("name", ["resnet164", "resnet50_v2"])
@pytest.mark.parametrize("head", ["fc", "fb"])
def test_a_network_learns_a_batch_by_heart(name, head):
    # With dropped factors the loss jumps at the end, with the reference and the kernel alike.
    kept = {"drop_prob": 0.0} if head == "fb" else {}
    network = create_network(name, head=head, num_classes=3, blocks=1, width=4, **kept)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(9, 3, 16, 16, generator=generator) * 60
    labels = torch.arange(9) % 3
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)

    losses = [step(network, optimizer, images, labels) for _ in range(15)]

    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize("name", ["inception_bn_small", "resnet34_v2"])
def test_every_parameter_gets_a_gradient(name):
    network = create_network(name, head="fb", num_classes=3, **({"blocks": 1, "width": 4} if "resnet" in name else {}))

    network(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 60).square().sum().backward()

    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("name", ["resnet164", "inception_bn_small", "inception_bn"])
def test_the_last_map_has_not_been_activated(name):
    network = create_network(name, num_classes=2, **({"blocks": 1, "width": 4} if "resnet" in name else {}))

    features = network.features(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 60)

    # Every channel, of every branch, is normalised and nothing else.
    assert (features.amin((0, 2, 3)) < 0).all()


def step(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> float:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def test_initial_values_depend_on_the_seed_alone():
    settings = {"head": "fb", "num_classes": 4, "blocks": 1, "width": 8}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = create_network("resnet164", seed=3, **settings).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same = create_network("resnet164", seed=3, **settings).state_dict()
    other = create_network("resnet164", seed=4, **settings).state_dict()

    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["features.conv.weight"], other["features.conv.weight"])


@pytest.mark.parametrize("name", ["resnet164", "inception_bn_small"])
def test_initial_values_are_he_normal_with_neutral_norms(name):
    network = create_network(name, head="fb", num_classes=10)

    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
            assert (layer.running_mean == 0).all()
            assert (layer.running_var == 1).all()
        if isinstance(layer, nn.Conv2d):
            assert not layer.bias.any()
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert abs(layer.weight.std().item() / expected - 1) < 5 / (2 * layer.weight.numel()) ** 0.5


def test_networks_subtract_the_mean_colour_and_divide_by_nothing():
    info = describe_network("resnet164")

    assert (info.mean, info.std, info.scale) == ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), 1.0)
    assert (info.image_size, describe_network("resnet50_v2").image_size) == (32, 224)
    assert list_networks() == [
        "inception_bn", "inception_bn_small", "resnet1001", "resnet164", "resnet34_v2", "resnet50_v2",
    ]  # fmt: skip


def test_unknown_names_are_refused_with_the_near_ones():
    with pytest.raises(UnknownNameError, match="unknown network 'resnet165': did you mean resnet164"):
        create_network("resnet165", num_classes=10)
    with pytest.raises(UnknownNameError, match="unknown head 'fbn': did you mean fb"):
        create_network("resnet164", head="fbn", num_classes=10)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("inception_bn_small", {"blocks": 3}, "inception_bn_small has no settings blocks and width"),
        ("resnet164", {"blocks": (1, 1, 1, 1)}, "resnet164 has the same number of blocks in every stage"),
        ("resnet164", {"blocks": 0}, "blocks and width of at least 1, got blocks=0"),
        ("resnet34_v2", {"width": 0}, "got blocks=None and width=0"),
        ("resnet164", {"head": "fc", "factors": 3}, "the head 'fc' has no factors"),
    ],
)
def test_settings_that_a_network_does_not_have_are_refused(name, settings, message):
    with pytest.raises(UsageError, match=message):
        create_network(name, num_classes=10, device="meta", **settings)

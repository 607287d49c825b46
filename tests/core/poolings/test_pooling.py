import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError, UsageError
from birdnet_cli.core.poolings import PcaAccumulator, Pooling, create_pooling, list_poolings, parse_pooling
from birdnet_cli.core.recipe import PoolingSettings

FITTED = ["bilinear-reduce3", "bilinear-variance7", "bilinear-full-reduce3-variance5", "compact-d16-reduce4"]
NAMES = [*list_poolings(), "compact-d16", "compact-rm-d16", *FITTED]
DIMS = {
    "max": 6, "avg": 6, "avg-raw": 6, "bilinear": 21, "bilinear-full": 36, "compact": 8192, "compact-rm": 8192,
    "compact-d16": 16, "compact-rm-d16": 16,
    "bilinear-reduce3": 6, "bilinear-variance7": 7, "bilinear-full-reduce3-variance5": 5, "compact-d16-reduce4": 16,
}  # fmt: skip


def feature_map(N: int = 3, *, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(N, 6, 4, 5, generator=torch.Generator().manual_seed(N), dtype=torch.float64).to(dtype)


def fitted(name: str) -> Pooling:
    pooling = create_pooling(parse_pooling(name), channels=6, nonnegative=True)
    if pooling.reduction is not None:
        accumulator = PcaAccumulator(6)
        accumulator.update(feature_map(8))
        assert pooling.settings.reduce is not None
        pooling.reduction.load(*accumulator.fit(pooling.settings.reduce))
    if pooling.selection is not None:
        pooling.selection.load(torch.arange(pooling.dim) + 1)
    return pooling


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_descriptor_is_float32_with_dim_columns_for_every_input_dtype(name, dtype):
    pooling = fitted(name)
    x = feature_map(dtype=dtype)

    descriptor = pooling(x)

    assert pooling.dim == DIMS[name]
    assert descriptor.shape == (3, DIMS[name])
    assert descriptor.dtype == torch.float32
    # Half precision input is exact in float32, and the arithmetic is float32 for both.
    torch.testing.assert_close(descriptor, pooling(x.float()), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_pooling_with_the_loaded_state_gives_the_same_descriptor(name):
    pooling = fitted(name)
    fresh = create_pooling(pooling.settings, channels=6, nonnegative=True)

    fresh.load_state_dict(pooling.state_dict())

    assert torch.equal(fresh(feature_map()), pooling(feature_map()))


@pytest.mark.parametrize("name", ["compact-d16", "compact-rm-d16"])
def test_loaded_hashes_replace_those_of_the_seed(name):
    pooling = fitted(f"{name}-seed5")
    other = create_pooling(parse_pooling(name), channels=6, nonnegative=True)
    assert not torch.equal(other(feature_map()), pooling(feature_map()))

    other.load_state_dict(pooling.state_dict())

    assert torch.equal(other(feature_map()), pooling(feature_map()))


@pytest.mark.parametrize("name", FITTED)
def test_a_pooling_that_is_to_be_fitted_refuses_to_run_before(name):
    pooling = create_pooling(parse_pooling(name), channels=6, nonnegative=True)

    with pytest.raises(UsageError, match="is not fitted"):
        pooling(feature_map())


def test_a_selection_is_applied_to_the_full_descriptor():
    pooling, full = fitted("bilinear-variance7"), fitted("bilinear")

    assert pooling.full_dim == full.dim == 21
    assert torch.equal(pooling.describe(feature_map()), full(feature_map()))
    assert torch.equal(pooling(feature_map()), full(feature_map())[:, 1:8])


def test_the_full_descriptor_needs_no_fitted_selection():
    pooling = create_pooling(parse_pooling("bilinear-variance7"), channels=6, nonnegative=True)

    assert pooling.describe(feature_map()).shape == (3, 21)


def test_a_reduction_comes_before_the_pooling():
    pooling = fitted("bilinear-reduce3")
    assert pooling.reduction is not None
    reduced = pooling.reduction(feature_map())
    assert reduced.amin() < 0

    expected = create_pooling(parse_pooling("bilinear"), channels=3, nonnegative=False)(reduced)

    torch.testing.assert_close(pooling(feature_map()), expected)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_no_bit(name):
    pooling = fitted(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        descriptor = pooling(feature_map())

    assert torch.equal(descriptor, pooling(feature_map()))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_gives_no_descriptors(name):
    assert fitted(name)(feature_map(0)).shape == (0, DIMS[name])


@pytest.mark.parametrize("name", NAMES)
def test_an_all_zero_map_gives_finite_values_and_gradients(name):
    x = torch.zeros(2, 6, 4, 5, requires_grad=True)
    descriptor = fitted(name)(x)
    descriptor.sum().backward()

    assert descriptor.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_one_image_shows_in_its_descriptor_alone(name):
    x = feature_map()
    x[1] = torch.nan

    descriptor = fitted(name)(x)

    assert descriptor[1].isnan().any()
    assert descriptor[[0, 2]].isfinite().all()


def test_channels_last_maps_give_the_same_descriptors():
    x = feature_map()
    for name in NAMES:
        pooling = fitted(name)
        torch.testing.assert_close(pooling(x.contiguous(memory_format=torch.channels_last)), pooling(x))


def test_a_signed_map_for_a_nonnegative_pooling_is_refused():
    with pytest.raises(NumericsError, match="promised a map without values below 0"):
        fitted("bilinear")(feature_map() - 0.5)


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (2, 6, 16), (6, 4, 4)], ids=str)
def test_a_map_of_another_shape_is_refused(shape):
    with pytest.raises(UsageError, match=r"expected a feature map \[N, 6, h, w\], got "):
        fitted("max")(torch.zeros(shape))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PoolingSettings(name="bilinear", reduce=7), "cannot reduce 6 channels to 7"),
        (PoolingSettings(name="bilinear", select=22), "cannot select 22 of 21 components"),
        (PoolingSettings(name="bilinear", reduce=3, select=7), "cannot select 7 of 6 components"),
        (PoolingSettings(name="avg", packed=False), "packed=False is a setting of bilinear"),
    ],
    ids=str,
)
def test_settings_that_the_map_cannot_fulfil_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        create_pooling(settings, channels=6, nonnegative=True)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_the_feature_map(name):
    x = feature_map().requires_grad_()
    weights = torch.randn(DIMS[name], generator=torch.Generator().manual_seed(0))
    (fitted(name)(x) * weights).sum().backward()

    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.flatten(2).any(2).all()

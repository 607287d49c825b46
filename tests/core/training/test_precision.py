import pytest
import torch

from birdnet_cli.core.training.precision import autocast_to, create_scaler, resolve_training_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "dtype"), [("float16", torch.float16), ("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_a_precision_has_its_dtype(name: str, dtype: torch.dtype) -> None:
    assert resolve_training_precision(name, CPU) is dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_products_are_computed_in_the_dtype(dtype: torch.dtype) -> None:
    a = torch.ones(2, 2)
    with autocast_to(dtype, CPU):
        assert (a @ a).dtype is dtype


def test_float32_switches_an_outer_autocast_off() -> None:
    a = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16), autocast_to(torch.float32, CPU):
        assert (a @ a).dtype is torch.float32


def test_the_loss_is_scaled_for_float16_alone() -> None:
    assert create_scaler(torch.float16, CPU).is_enabled()
    assert not create_scaler(torch.bfloat16, CPU).is_enabled()

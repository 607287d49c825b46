import pytest
import torch

from birdnet_cli.core.poolings.bilinear import BilinearPooling


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def oracle(x: torch.Tensor) -> torch.Tensor:
    """Lin et al., 2015: outer products summed over positions, signed root, l2; [N, C * C]."""
    outer = torch.einsum("nchw,ndhw->ncd", x, x).flatten(1)
    return torch.nn.functional.normalize(outer.sign() * outer.abs().sqrt())


def test_the_full_form_is_the_root_of_the_summed_outer_products() -> None:
    x = draw(2, 5, 3, 4)
    torch.testing.assert_close(BilinearPooling(5, nonnegative=False, packed=False)(x), oracle(x))


def test_the_packed_form_has_the_inner_products_of_the_full_form() -> None:
    x = draw(3, 5, 3, 4)
    pooling = BilinearPooling(5, nonnegative=False, packed=True)
    packed = pooling(x)
    assert packed.shape == (3, pooling.dim) == (3, 15)
    torch.testing.assert_close(packed @ packed.T, oracle(x) @ oracle(x).T)


@pytest.mark.parametrize(("packed", "dim"), [(True, 131_328), (False, 262_144)])
def test_the_descriptor_of_512_channels_has_the_published_size(packed: bool, dim: int) -> None:
    assert BilinearPooling(512, nonnegative=True, packed=packed).dim == dim

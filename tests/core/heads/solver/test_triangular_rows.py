import pytest
import torch

from birdnet_cli.core.heads.solver import triangular_rows as module
from birdnet_cli.core.heads.solver.triangular_rows import TriangularRows


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(module, "PART_ROWS", 4)


def triangle(rows: int) -> torch.Tensor:
    return torch.randn(rows, rows, generator=torch.Generator().manual_seed(0)).tril()


ROWS = {
    "triangle": triangle(11),
    "fold of a triangle": triangle(11)[[0, 3, 4, 5, 9]],
    "full": torch.randn(9, 5, generator=torch.Generator().manual_seed(1)),
    "a slab of zeros": torch.cat([torch.zeros(4, 6), torch.ones(3, 6)]),
    "one row": triangle(1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ROWS)
def test_products_are_those_of_the_whole_matrix_and_a_column_of_ones(name, bias, dtype):
    rows = ROWS[name]
    n, r = rows.shape
    generator = torch.Generator().manual_seed(2)
    z, residual = (torch.randn(size, 3, generator=generator, dtype=dtype) for size in (r + 1, n))
    matrix = torch.cat([rows, torch.ones(n, 1)], dim=1).to(dtype)

    triangular = TriangularRows(rows, bias=bias)

    assert (triangular.rows, triangular.dim) == (n, r)
    expected = matrix.mT @ residual
    expected[-1] *= bias
    torch.testing.assert_close(triangular.logits(z), matrix @ z)
    torch.testing.assert_close(triangular.transposed_product(residual), expected)


def test_the_zeros_of_a_triangle_are_left_out():
    assert sum(part.numel() for part in TriangularRows(triangle(12))._parts) == 4 * (4 + 8 + 12)


def test_a_value_that_is_not_a_number_is_no_zero():
    rows = triangle(4)
    rows[0, 3] = torch.nan

    assert TriangularRows(rows).logits(torch.ones(5, 1))[0].isnan()

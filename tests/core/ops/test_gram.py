import pytest
import torch

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops import gram
from birdnet_cli.core.ops.gram import accumulation_dtype, as_matrices, image_portions


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_map_is_viewed_as_matrices_without_a_copy(memory_format: torch.memory_format) -> None:
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5).to(memory_format=memory_format)
    matrices = as_matrices(x)
    assert matrices.shape == (2, 3, 20)
    assert matrices.data_ptr() == x.data_ptr()
    assert torch.equal(matrices[1, 2, 7], x[1, 2, 1, 2])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(3, 4), "got 2 dimensions"),
        (torch.ones(1, 3, 4, dtype=torch.int32), "got torch.int32; convert it first"),
        (torch.ones(2, 0, 4), r"at least one channel and one position, got \(2, 0, 4\)"),
        (torch.ones(2, 3, 0, 4), "at least one channel and one position"),
    ],
)
def test_other_shapes_and_dtypes_are_refused(x: torch.Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        as_matrices(x)


def test_products_accumulate_in_float32_or_wider() -> None:
    assert accumulation_dtype(torch.float64) == torch.float64
    assert {accumulation_dtype(dtype) for dtype in (torch.float32, torch.bfloat16, torch.float16)} == {torch.float32}


def test_portions_cover_all_images_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "GRAM_BYTES", 3 * 4 * 5 * 5)  # three Gram matrices of 5 channels
    portions = list(image_portions(torch.ones(8, 5, 2)))
    assert portions == [slice(0, 3), slice(3, 6), slice(6, 8)]


def test_a_portion_has_an_image_even_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "GRAM_BYTES", 1)
    assert list(image_portions(torch.ones(2, 5, 2))) == [slice(0, 1), slice(1, 2)]

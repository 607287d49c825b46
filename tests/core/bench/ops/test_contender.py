import pytest

from birdnet_cli.core.bench.ops.contender import Shape, parse_shapes
from birdnet_cli.core.errors import UsageError


def test_shapes_are_read_in_their_order_and_written_alike() -> None:
    shapes = parse_shapes("8x512x196, 32x512x784")
    assert shapes == (Shape(8, 512, 196), Shape(N=32, C=512, L=784))
    assert [str(shape) for shape in shapes] == ["8x512x196", "32x512x784"]


@pytest.mark.parametrize("text", ["", "8x512", "8x512x0", "8x512x196x1", "8x-1x3", "8x512x196,"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected images x channels x positions, such as 8x512x196"):
        parse_shapes(text)

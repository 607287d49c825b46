import pytest

from birdnet_cli.core.bench.ops import Shape, parse_shapes
from birdnet_cli.core.errors import UsageError


def test_shapes_are_read() -> None:
    assert parse_shapes("8x512x196, 1x2x3") == (Shape(8, 512, 196), Shape(1, 2, 3))
    assert str(Shape(8, 512, 196)) == "8x512x196"


@pytest.mark.parametrize("text", ["8x512", "8x512x0", "8x512x196x2", "axbxc", ""])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected images x channels x positions, such as 8x512x196"):
        parse_shapes(text)

"""YAML of strangers: plain values, or one error."""

import pytest

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe.plain_yaml import read_yaml

STEPS = zip("abcdefg", "bcdefgh", strict=True)
BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in STEPS)


def test_plain_values_are_read() -> None:
    assert read_yaml("a: {b: [1, 2.5, null, text]}", source="x") == {"a": {"b": [1, 2.5, None, "text"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases"),
        ("a: &a {b: *a}", "aliases"),
        ("[" * 100_000, "nested too deeply"),
        ("a: " * 3 + "b", "not YAML"),
        ("!!python/object/apply:os.system [id]", "not YAML"),
        ("when: 2026-02-31", "not YAML"),
        ("a: \x00", "not YAML"),
        ("#" * (2**20 + 1), "at most 1,048,576 characters"),
    ],
    ids=["bomb", "cycle", "depth", "colons", "tag", "date", "nul", "length"],
)
def test_anything_else_is_one_error(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=r"^x\.yaml: not YAML") as caught:
        read_yaml(text, source="x.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_of_any_length_is_shown_in_part() -> None:
    from birdnet_cli.core.recipe import ExtractSettings, resolve_settings

    with pytest.raises(UsageError) as caught:
        resolve_settings(ExtractSettings, section="extract", overrides=["extract.image_size=" + "x" * 10_000])
    assert len(str(caught.value)) < 400

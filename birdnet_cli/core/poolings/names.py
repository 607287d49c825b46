"""Descriptor names <-> settings: `bilinear-reduce144-variance5000` is a pooling and its modifiers in a fixed order."""

import re
from dataclasses import dataclass
from typing import Any

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.recipe import PoolingSettings

__all__ = ["list_poolings", "parse_pooling", "pooling_name"]


@dataclass(frozen=True, slots=True)
class _Modifier:
    """A part of a descriptor's name, such as `reduce144`.

    Attributes:
        word: the part without its number.
        setting: field of `PoolingSettings` that it sets.
        poolings: poolings that have the setting.
        value: value that the word alone sets; None where a whole number follows the word.
        minimum: smallest such number.
    """

    word: str
    setting: str
    poolings: frozenset[str]
    value: str | bool | None = None
    minimum: int = 1


# In the order in which they appear in a canonical name.
MODIFIERS = (
    _Modifier("raw", "normalize", frozenset({"avg"}), value=False),
    _Modifier("full", "packed", frozenset({"bilinear"}), value=False),
    _Modifier("rm", "sketch", frozenset({"compact"}), value="random_maclaurin"),
    _Modifier("d", "sketch_dim", frozenset({"compact"})),
    _Modifier("seed", "seed", frozenset({"compact"}), minimum=0),
    _Modifier("reduce", "reduce", frozenset({"bilinear", "compact"})),
    _Modifier("variance", "select", frozenset({"max", "avg", "bilinear", "compact"})),
)
POOLINGS = ("max", "avg", "bilinear", "compact")


def list_poolings() -> list[str]:
    """Return the names of the poolings, also with each modifier that takes no number."""
    names = []
    for pooling in POOLINGS:
        words = [modifier.word for modifier in MODIFIERS if pooling in modifier.poolings and modifier.value is not None]
        names += [pooling, *(f"{pooling}-{word}" for word in words)]
    return names


def parse_pooling(text: str) -> PoolingSettings:
    """Read a descriptor's name.

    Args:
        text: `max`, `avg`, `bilinear` or `compact`, then modifiers in any order, each after a `-`: `raw` (avg: no
            normalization), `full` (bilinear: all C*C values), `rm` (compact: Random Maclaurin), `dN` (compact:
            dimensions of the sketch), `seedN` (compact), `reduceN` (bilinear, compact: channels after a 1x1
            reduction), `varianceN` (components kept).

    Returns:
        Settings with `pooling_name(settings) == text` when the modifiers are in canonical order and none is a default.

    Raises:
        UnknownNameError: no such pooling, or it has no such modifier.
        UsageError: a modifier without its number, with a number that it does not take, or given twice.
    """
    pooling, *words = text.split("-")
    if pooling not in POOLINGS:
        raise UnknownNameError("pooling", text, list_poolings())
    values: dict[str, Any] = {}
    for word in words:
        modifier, value = _parse_modifier(word, pooling=pooling, name=text)
        if modifier.setting in values:
            raise UsageError(f"pooling '{text}': modifier '{modifier.word}' is given twice; give it once")
        values[modifier.setting] = value
    return PoolingSettings.model_validate({"name": pooling, **values})


def pooling_name(settings: PoolingSettings) -> str:
    """Return the canonical name, in which defaults are left out; equal settings have equal names.

    Raises:
        UsageError: a setting that the pooling does not have, such as `packed=False` of `avg`.
    """
    parts: list[str] = [settings.name]
    for modifier in MODIFIERS:
        value = getattr(settings, modifier.setting)
        # Max pooling is never normalized, whatever the setting says.
        ignored = settings.name == "max" and modifier.setting == "normalize"
        if ignored or value == PoolingSettings.model_fields[modifier.setting].default:
            continue
        if settings.name not in modifier.poolings:
            owners = ", ".join(sorted(modifier.poolings))
            raise UsageError(
                f"{modifier.setting}={value} is a setting of {owners}, not of '{settings.name}': remove it"
            )
        parts.append(f"{modifier.word}{value if modifier.value is None else ''}")
    return "-".join(parts)


def _parse_modifier(text: str, *, pooling: str, name: str) -> tuple[_Modifier, Any]:
    known = {modifier.word: modifier for modifier in MODIFIERS if pooling in modifier.poolings}
    match = re.fullmatch(r"([a-z]+)([0-9]{0,9})", text)
    if match is None or match[1] not in known:
        examples = [word if modifier.value is not None else f"{word}N" for word, modifier in known.items()]
        raise UnknownNameError(f"modifier of pooling '{pooling}'", text, examples)
    modifier, digits = known[match[1]], match[2]
    if modifier.value is not None:
        if digits:
            raise UsageError(f"pooling '{name}': modifier '{modifier.word}' takes no number, got '{text}'")
        return modifier, modifier.value
    if not digits or int(digits) < modifier.minimum:
        raise UsageError(
            f"pooling '{name}': modifier '{modifier.word}' needs a whole number of at least {modifier.minimum}, "
            f"such as {modifier.word}{max(modifier.minimum, 1)}; got '{text}'"
        )
    return modifier, int(digits)

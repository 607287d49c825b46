"""Find evaluated images whose file is also in another split, by the SHA-256 of the bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["Copy", "Duplicate", "find_split_overlap"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an evaluated image's file: the other split, and the image's name there."""

    split: str
    name: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An evaluated image whose file is also in another split, so that the model may have been trained on it."""

    name: str
    copies: tuple[Copy, ...]


def find_split_overlap(outcomes: Outcomes, others: Iterable[tuple[bytes, Copy]]) -> tuple[Duplicate, ...]:
    """Return the evaluated images whose digest also occurs in other splits, in the order of the outcomes.

    Args:
        outcomes: the evaluated images.
        others: SHA-256 digest (32 bytes) and place of every readable image of the other splits.
    """
    evaluated = {digest.tobytes() for digest in outcomes.digests}
    places: dict[bytes, list[Copy]] = {}
    for digest, copy in others:
        if digest in evaluated:
            places.setdefault(digest, []).append(copy)
    return tuple(_duplicates(outcomes, places))


def _duplicates(outcomes: Outcomes, places: Mapping[bytes, list[Copy]]) -> Iterable[Duplicate]:
    if not places:
        return
    for name, digest in zip(outcomes.names, outcomes.digests, strict=True):
        copies = places.get(digest.tobytes())
        if copies:
            yield Duplicate(name, tuple(copies))

"""Files that are in the evaluated split and in another one too, by the SHA-256 of their bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from birdnet_cli.core.evaluation.outcomes import Outcomes

__all__ = ["Copy", "Duplicate", "find_duplicates"]


@dataclass(frozen=True, slots=True)
class Copy:
    """The same file elsewhere: which split, and its name there."""

    split: str
    name: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An evaluated image whose file is also in another split: a model may have learnt it by heart."""

    name: str
    copies: tuple[Copy, ...]


def find_duplicates(outcomes: Outcomes, others: Iterable[tuple[bytes, Copy]]) -> tuple[Duplicate, ...]:
    """Return the evaluated images whose digest is among those of other splits, in the order of the outcomes.

    Args:
        outcomes: the evaluated images.
        others: digest and place of every image of the other splits, failed ones left out.
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

"""Files that are in the evaluated split and in another one too, by the SHA-256 of their bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from birdnet_cli.core.evaluation.outcomes import Records

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


def find_duplicates(records: Records, others: Iterable[tuple[bytes, Copy]]) -> tuple[Duplicate, ...]:
    """Return the evaluated images whose digest is among those of other splits, in the order of the records.

    Args:
        records: the evaluated images.
        others: digest and place of every image of the other splits, failed ones left out.
    """
    evaluated = {digest.tobytes() for digest in records.digests}
    places: dict[bytes, list[Copy]] = {}
    for digest, copy in others:
        if digest in evaluated:
            places.setdefault(digest, []).append(copy)
    return tuple(_duplicates(records, places))


def _duplicates(records: Records, places: Mapping[bytes, list[Copy]]) -> Iterable[Duplicate]:
    if not places:
        return
    for name, digest in zip(records.names, records.digests, strict=True):
        copies = places.get(digest.tobytes())
        if copies:
            yield Duplicate(name, tuple(copies))

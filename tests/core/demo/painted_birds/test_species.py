"""Species that resemble each other, each with field marks of its own."""

from dataclasses import fields

import pytest

from birdnet_cli.core.demo.painted_birds import SPECIES, Species

MARKS = [mark.name for mark in fields(Species) if mark.name != "name"]


def marks_apart(first: Species, second: Species) -> int:
    return sum(getattr(first, mark) != getattr(second, mark) for mark in MARKS)


def test_there_are_at_least_eight_species_with_names_of_their_own() -> None:
    assert len({species.folder for species in SPECIES}) == len(SPECIES) >= 8
    assert all(" " not in species.folder for species in SPECIES)


@pytest.mark.parametrize("species", SPECIES, ids=lambda species: species.folder)
def test_every_species_has_a_look_alike_that_differs_in_one_or_two_marks(species: Species) -> None:
    assert 1 <= min(marks_apart(species, other) for other in SPECIES if other is not species) <= 2


@pytest.mark.parametrize("mark", MARKS)
def test_every_field_mark_tells_some_species_apart(mark: str) -> None:
    assert len({getattr(species, mark) for species in SPECIES}) > 1

"""The invented look-alike species and the field marks that tell them apart."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["SPECIES", "Species"]


@dataclass(frozen=True, slots=True)
class Species:
    """An invented species. All species share the body plan and the ground colours; only these field marks differ.

    Args:
        name: English name, as a field guide would print it.
        rufous_crown: a red-brown cap instead of a cap in the colour of the back.
        crown_stripe: a pale stripe along the middle of the crown.
        supercilium: a pale brow above the eye, with a dark line through the eye under it.
        eye_ring: a pale ring around the eye.
        bill: "fine" and dark, or "stout" and pale.
        wing_bars: number of pale bars across the folded wing.
        tail: "notched", "long", or notched with "white-edged" outer feathers.
        breast: "plain", dark "streaked" or dark "spotted".
        saffron_throat: a yellow throat instead of a throat in the colour of the breast.
        ochre_rump: a yellow-brown patch between the back and the tail.
    """

    name: str
    rufous_crown: bool = False
    crown_stripe: bool = False
    supercilium: bool = False
    eye_ring: bool = False
    bill: Literal["fine", "stout"] = "fine"
    wing_bars: Literal[1, 2] = 1
    tail: Literal["notched", "long", "white-edged"] = "notched"
    breast: Literal["plain", "streaked", "spotted"] = "plain"
    saffron_throat: bool = False
    ochre_rump: bool = False

    @property
    def folder(self) -> str:
        """The name with underscores for blanks."""
        return self.name.replace(" ", "_")


# Two groups of four; within a group every species differs from its nearest look-alike in 1 or 2 marks.
SPECIES: tuple[Species, ...] = (
    Species("Rufous-crowned Finchling", rufous_crown=True, supercilium=True),
    Species("Double-barred Finchling", rufous_crown=True, supercilium=True, wing_bars=2),
    Species("Streak-breasted Finchling", rufous_crown=True, supercilium=True, breast="streaked"),
    Species(
        "Stripe-crowned Finchling",
        rufous_crown=True,
        crown_stripe=True,
        supercilium=True,
        breast="streaked",
        tail="white-edged",
    ),
    Species("Spectacled Finchling", eye_ring=True, wing_bars=2),
    Species("Saffron-throated Finchling", eye_ring=True, wing_bars=2, saffron_throat=True, tail="long"),
    Species("Spot-breasted Finchling", eye_ring=True, wing_bars=2, breast="spotted"),
    Species("Ochre-rumped Finchling", eye_ring=True, wing_bars=2, breast="spotted", ochre_rump=True, bill="stout"),
)

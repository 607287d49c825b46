"""The plumage colours that all species share, varied from bird to bird."""

from dataclasses import dataclass, fields, replace

import numpy as np

from birdnet_cli.core.demo.painted_birds.canvas import Colour, mix

__all__ = ["Palette", "draw_palette"]


@dataclass(frozen=True)
class Palette:
    """Colours in red, green, blue of 0..1 before light and shadow; the last seven are those of field marks."""

    back: Colour = (0.47, 0.41, 0.28)
    face: Colour = (0.62, 0.55, 0.40)
    breast: Colour = (0.86, 0.77, 0.59)
    belly: Colour = (0.95, 0.92, 0.84)
    flank: Colour = (0.74, 0.62, 0.43)
    quill: Colour = (0.23, 0.20, 0.16)
    covert: Colour = (0.38, 0.32, 0.22)
    fringe: Colour = (0.60, 0.52, 0.36)
    lore: Colour = (0.24, 0.19, 0.14)
    dark_bill: Colour = (0.22, 0.20, 0.20)
    pale_bill: Colour = (0.82, 0.60, 0.42)
    leg: Colour = (0.52, 0.36, 0.30)
    pale: Colour = (0.97, 0.94, 0.85)
    bar: Colour = (0.97, 0.94, 0.85)
    ring: Colour = (0.97, 0.94, 0.85)
    streak: Colour = (0.27, 0.19, 0.12)
    rufous: Colour = (0.58, 0.27, 0.13)
    saffron: Colour = (0.96, 0.70, 0.22)
    ochre: Colour = (0.88, 0.60, 0.18)


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw a bird's colours: warmer or colder, duller or richer, each field mark fresh or worn."""
    tint = 1.0 + rng.normal(0.0, 0.04, size=3)
    richness = rng.uniform(0.85, 1.2)
    lightness = rng.uniform(0.88, 1.08)

    def varied(colour: Colour) -> Colour:
        values = np.array(colour)
        grey = values.mean()
        red, green, blue = np.clip((grey + (values - grey) * richness) * tint * lightness, 0.02, 1.0)
        return float(red), float(green), float(blue)

    bird = Palette(**{field.name: varied(getattr(Palette, field.name)) for field in fields(Palette)})
    # The colour of a worn mark is closer to the plumage around it.
    pale, bar, ring, streak, rufous, saffron, ochre = rng.uniform(0.0, 0.45, 7).tolist()
    return replace(
        bird,
        pale=mix(bird.pale, bird.face, 0.7 * pale),
        bar=mix(bird.bar, bird.fringe, bar),
        ring=mix(bird.ring, bird.face, ring),
        streak=mix(bird.streak, bird.breast, streak),
        rufous=mix(bird.rufous, bird.back, rufous),
        saffron=mix(bird.saffron, bird.breast, saffron),
        ochre=mix(bird.ochre, bird.back, ochre),
    )

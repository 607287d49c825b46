"""Paint a fine-grained data set of invented look-alike birds."""

from birdnet_cli.core.demo.painted_birds.image_folder import write_painted_birds
from birdnet_cli.core.demo.painted_birds.painter import paint_bird
from birdnet_cli.core.demo.painted_birds.species import SPECIES, Species

__all__ = ["SPECIES", "Species", "paint_bird", "write_painted_birds"]

"""The section `head` of a recipe: how `fbn train-head` solves for a linear head."""

from typing import Annotated, Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings
from birdnet_cli.core.recipe.flag import Flag

__all__ = ["HeadSettings"]


class HeadSettings(Settings):
    """How `fbn train-head` solves for a linear head on cached descriptors."""

    head: Annotated[Literal["softmax", "svm", "ridge"], Flag()] = Field(
        default="svm",
        description="Loss: softmax (multinomial logistic), svm (squared hinge, one-vs-rest) or ridge (squared error of "
        "one-hot targets).",
    )
    C: Annotated[Annotated[float, Field(gt=0)] | Literal["auto"], Flag(names=("-C",))] = Field(
        default="auto",
        description="Weight of the summed loss against ||W||^2 / 2, as LIBLINEAR's C, above 0; auto compares several "
        "values on the folds.",
    )
    cv: Annotated[int, Flag()] = Field(
        default=5, ge=2, description="Stratified folds for the choice of C and for the temperature."
    )
    class_weights: Annotated[Literal["none", "balanced"], Flag()] = Field(
        default="none", description="Weights of the classes in the loss; balanced is N / (K * the class's images)."
    )
    calibrate: Annotated[bool, Flag()] = Field(
        default=True, description="Fit a temperature on out-of-fold logits, so that probabilities are calibrated."
    )
    seed: Annotated[int, Flag()] = Field(default=0, ge=0, description="Seed of the assignment of images to folds.")
    solver: Annotated[Literal["auto", "exact", "streamed"], Flag()] = Field(
        default="auto",
        description="exact solves in memory, streamed minimises the same objective in passes over the cache; auto is "
        "streamed where the exact solver would take gigabytes.",
    )
    weight_dtype: Annotated[Literal["auto", "float16", "float32"], Flag()] = Field(
        default="auto",
        description="Storage type of the head's weights; auto is float16 where no training prediction changes by it.",
    )
    device: Annotated[str, Flag(metavar="NAME")] = Field(
        default="auto", description="Device that solves for the head: auto, cpu, cuda or cuda:N."
    )

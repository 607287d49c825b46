"""The section `head` of a recipe."""

from typing import Annotated, Literal

from pydantic import Field

from birdnet_cli.core.recipe.base import Settings

__all__ = ["HeadSettings"]


class HeadSettings(Settings):
    """How `fbn train-head` solves for a linear head.

    Attributes:
        head: `softmax` (multinomial logistic), `svm` (squared hinge, one-vs-rest) or `ridge` (one-hot targets).
        C: weight of the summed loss against `||W||^2 / 2` (LIBLINEAR's C), or `auto`: chosen by cross-validation.
        cv: number of stratified folds.
        class_weights: `balanced` weighs each class by N / (K * its count).
        calibrate: fit a temperature on out-of-fold logits, so that probabilities mean what they say.
        seed: seed of the assignment of images to folds.
    """

    head: Literal["softmax", "svm", "ridge"] = "svm"
    C: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    cv: int = Field(default=5, ge=2)
    class_weights: Literal["none", "balanced"] = "none"
    calibrate: bool = True
    seed: int = Field(default=0, ge=0)

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
        solver: `exact` (in at most N dimensions, in memory), `streamed` (the same objective in passes over the cache),
            or `auto`: streamed where the exact one would take gigabytes.
        weight_dtype: storage type of W; `auto` is float16 where no training prediction notices.
        device: where the head is solved: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    head: Literal["softmax", "svm", "ridge"] = "svm"
    C: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    cv: int = Field(default=5, ge=2)
    class_weights: Literal["none", "balanced"] = "none"
    calibrate: bool = True
    seed: int = Field(default=0, ge=0)
    solver: Literal["auto", "exact", "streamed"] = "auto"
    weight_dtype: Literal["auto", "float16", "float32"] = "auto"
    device: str = "auto"

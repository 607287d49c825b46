"""YAML, environment, flags and `--set` overrides -> validated, frozen settings.

Order, each overriding the one before: defaults < recipe file < flags (Typer has put the environment into them) <
`--set section.key=value`. A recipe is one YAML file with the sections `extract` and `head`; an unknown key anywhere is
an error that names its near matches.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from birdnet_cli.core.errors import UnknownNameError, UsageError

__all__ = [
    "ExtractSettings",
    "HeadSettings",
    "PoolingSettings",
    "Settings",
    "TransformSettings",
    "find_recipe",
    "list_recipes",
    "load_recipe",
    "resolve_settings",
]


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class Settings(BaseModel):
    """Base of every settings object: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TransformSettings(Settings):
    """How an RGB image of any size becomes [3, image_size, image_size].

    Attributes:
        image_size: side of the square that the backbone sees, in pixels.
        resize: `squash` scales both sides to `image_size`, ignoring the aspect; `crop` scales the shorter side to
            `image_size` and takes the centre; `letterbox` scales the longer side and pads with ImageNet's mean colour
            (124, 116, 104). Scaling is Pillow's antialiased bilinear filter.
    """

    image_size: int = Field(default=224, ge=16, le=2048)
    resize: Literal["squash", "crop", "letterbox"] = "squash"


class PoolingSettings(Settings):
    """One descriptor, as `core.poolings.parse_pooling` reads it from a name such as `bilinear-reduce144`.

    Attributes:
        name: `max`, `avg`, `bilinear` or `compact`.
        normalize: signed square root and l2 normalization of the pooled values (max: never).
        packed: bilinear only: keep the upper triangle, off-diagonal values times sqrt(2).
        reduce: bilinear and compact: channels after a 1x1 PCA projection that comes before the pooling.
        select: keep this many components, those of the highest variance over the training split.
        sketch: compact only: the projection.
        sketch_dim: compact only: the number of dimensions after it.
        seed: compact only: seed of the sketch's own generator.
    """

    name: Literal["max", "avg", "bilinear", "compact"]
    normalize: bool = True
    packed: bool = True
    reduce: int | None = Field(default=None, ge=1)
    select: int | None = Field(default=None, ge=1)
    sketch: Literal["tensor_sketch", "random_maclaurin"] = "tensor_sketch"
    sketch_dim: int = Field(default=8192, ge=1)
    seed: int = Field(default=0, ge=0)


class ExtractSettings(TransformSettings):
    """Everything that decides which numbers `fbn extract` writes, and how fast.

    Attributes:
        backbone: a name of `core.backbones.list_backbones`, or `timm:NAME`.
        layer: the layer whose output is the feature map; None is the backbone's default.
        weights: `auto`, `none` (random, for tests) or a path.
        preprocessing: what the weights expect; `auto` finds it out with the weights.
        pooling: descriptor names, all written in one pass over the backbone.
        reduce: adds `-reduceN` to every bilinear and compact name in `pooling` that has none.
        select: adds `-varianceM` to every bilinear name in `pooling` that has none; written `variance:M`.
        flip: average each descriptor with that of the mirrored image (twice the work).
        fit_images: training images, evenly spaced, whose positions the 1x1 PCA reduction is fitted on.
        dtype: storage type of the descriptors.
        precision: arithmetic of the backbone; `auto` is bfloat16 where the hardware multiplies it natively.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    backbone: str = "vgg16"
    layer: str | None = None
    weights: str = "auto"
    preprocessing: Literal["auto", "imagenet", "oxford"] = "auto"
    pooling: CommaList = Field(default=("bilinear",), min_length=1)
    reduce: int | None = Field(default=None, ge=1)
    select: str | None = Field(default=None, pattern=r"^variance:[1-9]\d*$")
    flip: bool = False
    fit_images: int = Field(default=1000, ge=1)
    dtype: Literal["float16", "float32"] = "float16"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    batch_size: int = Field(default=16, ge=1)
    workers: int = Field(default=2, ge=0)
    seed: int = Field(default=0, ge=0)


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


SECTIONS: dict[str, type[Settings]] = {"extract": ExtractSettings, "head": HeadSettings}
S = TypeVar("S", bound=Settings)


def list_recipes() -> dict[str, Path]:
    """Return the recipes that come with fbn, name -> file, in alphabetical order."""
    return {path.stem: path for path in sorted(_recipe_directory().glob("*.yaml"))}


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe that comes with fbn, or of the user's own.

    Raises:
        UnknownNameError: neither a known name nor an existing file.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    known = list_recipes()
    if name_or_path not in known:
        raise UnknownNameError("recipe", name_or_path, known)
    return known[name_or_path]


def load_recipe(name_or_path: str) -> dict[str, dict[str, Any]]:
    """Read a recipe's sections without validating their values.

    Raises:
        UnknownNameError: no such recipe, or a section that is none of `extract`, `head`.
        UsageError: not YAML, or not a mapping of mappings.
    """
    path = find_recipe(name_or_path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a YAML recipe: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not all(isinstance(section, dict) for section in document.values()):
        raise UsageError(f"{path}: a recipe is a mapping of sections ({', '.join(SECTIONS)}), each of `key: value`")
    for section in document:
        if section not in SECTIONS:
            raise UnknownNameError(f"section of {path.name}", str(section), SECTIONS)
    return document


def resolve_settings(
    schema: type[S],
    *,
    section: str,
    recipe: str | None = None,
    flags: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
) -> S:
    """Merge defaults, a recipe's section, flags and `--set` overrides, and validate the result.

    Args:
        schema: the settings class.
        section: its section in a recipe and in overrides, such as `extract`.
        recipe: a recipe's name or file.
        flags: values from the command line; None means "not given".
        overrides: `section.key=value` texts; the value is read as YAML. Other sections' overrides are rejected.

    Raises:
        UsageError: an unknown key, a wrong type, or a value out of range; the message names the key.
    """
    values: dict[str, Any] = dict(load_recipe(recipe).get(section, {})) if recipe else {}
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    values |= dict(_parse_override(text, section) for text in overrides)
    for key in values:
        if key not in schema.model_fields:
            raise UnknownNameError(f"setting of '{section}'", str(key), schema.model_fields)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(error, section)) from error


def _parse_override(text: str, section: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    owner, dot, name = key.strip().partition(".")
    if not equals or not dot or not name:
        raise UsageError(f"--set {text}: expected {section}.KEY=VALUE")
    if owner != section:
        raise UsageError(f"--set {text}: this command's settings are under '{section}.', not '{owner}.'")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {text}: the value is not YAML") from error


def _explain(error: ValidationError, section: str) -> str:
    parts = []
    for issue in error.errors(include_url=False):
        key = ".".join(str(item) for item in issue["loc"][:1])
        parts.append(f"{section}.{key}: {issue['msg'].lower()} (got {issue['input']!r})")
    return "; ".join(dict.fromkeys(parts))


def _recipe_directory() -> Path:
    installed = Path(__file__).parents[1] / "_recipes"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "recipes"

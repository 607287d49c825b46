"""YAML, environment, flags and `--set` overrides -> validated, frozen settings.

Order, each overriding the one before: defaults < recipe file < flags (Typer has put the environment into them) <
`--set section.key=value`. A recipe is one YAML file with the sections `extract`, `head` and `finetune`; an unknown key
anywhere is an error that names its near matches.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from birdnet_cli.core.errors import UnknownNameError, UsageError

__all__ = [
    "AugmentSettings",
    "ExtractSettings",
    "FinetuneSettings",
    "HeadSettings",
    "MapHeadSettings",
    "NetworkSettings",
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


def _split_numbers(value: object) -> object:
    return (value,) if isinstance(value, int | float) else _split_commas(value)


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
NumberList = Annotated[tuple[float, ...], BeforeValidator(_split_numbers)]
Count = Annotated[int, Field(ge=1, le=1024)]
Blocks = Count | tuple[Count, Count, Count, Count]
Width = Count


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


class AugmentSettings(TransformSettings):
    """How a training image becomes [3, image_size, image_size], differently in every epoch.

    Attributes:
        policy: `none` is the transform of evaluation. `basic`: resized as in evaluation but to `source_size`, random
            crop, mirrored or not. `cifar`: the same with no larger size but 4 pixels of white on each side. `level1`:
            shorter side to `source_size`, random crop, mirrored or not. `level2`: crop of a random size (scale 0.533
            to 1 of `source_size`) and aspect (within 25%), mirrored or not, jittered in hue, saturation and lightness.
        source_size: side in pixels before the crop; None is 1.15 times `image_size` for `basic`, 256/224 and 480/224
            times for `level1` and `level2`, and `image_size` for the others, which take no other.
        mirror: whether images are mirrored by chance; False where left and right mean something. `none` never does.
    """

    policy: Literal["none", "basic", "cifar", "level1", "level2"] = "basic"
    source_size: int | None = Field(default=None, ge=16, le=4096)
    mirror: bool = True

    @field_validator("source_size")
    @classmethod
    def _check_source_size(cls, value: int | None, info: ValidationInfo) -> int | None:
        policy, size = info.data.get("policy"), info.data.get("image_size", 0)
        if value is not None and value < size:
            raise ValueError(f"a source of {value} pixels is smaller than the crop of image_size={size}")
        if value is not None and value != size and policy in ("none", "cifar"):
            raise ValueError(f"the policy '{policy}' has no source larger than image_size={size}")
        return value

    def source_pixels(self) -> int:
        """Return `source_size`, or what the policy takes for it."""
        if self.source_size is not None:
            return self.source_size
        ratios = {"basic": 1.15, "level1": 256 / 224, "level2": 480 / 224}
        return round(self.image_size * ratios.get(self.policy, 1))


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


class NetworkSettings(Settings):
    """A network of `core.networks`, without its head.

    Attributes:
        name: of `list_networks`.
        blocks: of a ResNet: blocks in every stage, or in each of an ImageNet network's four; None is as published.
        width: of a ResNet: channels of its first convolution, with which all others grow; None is as published.
    """

    name: str
    blocks: Blocks | None = None
    width: Width | None = None


class MapHeadSettings(Settings):
    """A head that takes the feature map, as `core.heads.create_map_head` and `CalibratedMapHead` build it.

    Attributes:
        name: `fc`, `tanh` or `fb`.
        norm: normalise the feature map first.
        factors, diagonal, drop_prob, mask, test_scale: of `core.heads.FactorizedBilinear`; `fb` alone has them.
    """

    name: Literal["fc", "tanh", "fb"]
    norm: bool
    factors: int = Field(default=20, ge=0, le=4096)
    diagonal: bool = False
    drop_prob: float = Field(default=0.5, ge=0, lt=1)
    mask: Literal["batch", "sample"] = "batch"
    test_scale: Literal["none", "keep"] = "none"


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
    """

    head: Literal["softmax", "svm", "ridge"] = "svm"
    C: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    cv: int = Field(default=5, ge=2)
    class_weights: Literal["none", "balanced"] = "none"
    calibrate: bool = True
    seed: int = Field(default=0, ge=0)


class FinetuneSettings(AugmentSettings):
    """How `fbn finetune` trains a whole network.

    Attributes:
        backbone: the pretrained network, as in `ExtractSettings`, with `layer`, `weights` and `preprocessing`; a layer
            of None is the default one, for the head `fb` the last convolution before its ReLU where there is one.
        network: a name of `core.networks.list_networks`, trained from random values in place of a backbone.
        blocks: of a ResNet: blocks in every stage, or in each of an ImageNet network's four; None is as published.
        width: of a ResNet: channels of its first convolution, with which all others grow; None is as published.
        head: a descriptor of `core.poolings` before a linear layer, such as `bilinear`, `bilinear-reduce144` (a learned
            1x1 reduction, which PCA initialises) or `compact`; `linear` is `avg-raw`. Or a head on the feature map:
            `fb` (tanh, then a Factorized Bilinear layer and a linear one in parallel, averaged), and to compare it with
            `tanh` (tanh, average, linear) and `fc` (ReLU, average, linear). A network has one of the last three.
        factors: fb: k, factors of each class; None is the network's published number, and 20 for a backbone.
        diagonal: fb: keep the squares of single channels, as the paper writes the layer; the authors left them out.
        drop_factor: fb: DropFactor's drop probability.
        drop_mask: fb: one mask for a whole forward pass, or one for every image.
        test_scale: fb: `keep` evaluates as the authors did; see `core.heads.FactorizedBilinear`.
        sync_masks: fb: all processes drop the same factors; otherwise each draws its own.
        init_from: a model file whose network and head training starts from.
        init_head: False takes the network alone and starts a new head.
        epochs: passes over the training images.
        batch_size: images per update, of all processes together.
        accumulate: forward passes that one update's images are divided into.
        optimizer: `sgd` (with momentum), `nag` (Nesterov's) or `adamw`.
        lr: rate of the head.
        backbone_lr: rate of everything before the head; None is lr / 100 for a pretrained backbone, else lr.
        momentum: of sgd and nag.
        weight_decay: of every parameter, or of those with more than one dimension alone (`decay: weights`).
        sched: how the rates fall: not at all, by `gamma` at each of `milestones` (in epochs), or along a cosine to 0.
        warmup_epochs: epochs over which the rates rise linearly from `warmup_scale` of their value; with
            `warmup: constant` they stay there until the end of these epochs.
        slow_start_epochs: the same in the FBN authors' terms: from `slow_start_scale` to 1, in units of updates.
        freeze_epochs: epochs at the start in which the backbone stays as it is.
        freeze_norm: BatchNorm keeps its pretrained statistics.
        label_smoothing: share of the target that is spread over all classes.
        mixup, cutmix: parameters of their beta distributions; 0 is off.
        ema_decay: of a moving average of the parameters, which is then what is evaluated and saved; None is off.
        clip_grad: largest norm of the whole gradient; None is off.
        clamp_grad: largest magnitude of each of its values, as the FBN authors clamp; None is off.
        checkpoint_activations: recompute activations in the backward pass instead of keeping them.
        precision: `auto`, `float32`, `bfloat16`, or `float16` with a scaled loss.
        channels_last: memory order of the convolutions.
        compile: compile the network with torch.compile.
        patience: stop after this many epochs without a better validation top-1; None never stops early.
        val_fraction: share of each class's training images held out for validation, where the data set has no
            validation split; 0 holds none out.
        checkpoint_steps: updates between checkpoints; None saves at the end of each epoch alone.
        log_steps: updates per row of `metrics.csv`.
        track: where metrics go besides: `none` or `tensorboard`.
        deterministic: refuse operations that are not reproducible on a GPU.
        seed: of everything that is drawn.
    """

    backbone: str = "vgg16"
    layer: str | None = None
    weights: str = "auto"
    preprocessing: Literal["auto", "imagenet", "oxford"] = "auto"
    network: str | None = None
    blocks: Blocks | None = None
    width: Width | None = None
    head: str = "bilinear"
    factors: int | None = Field(default=None, ge=0, le=4096)
    diagonal: bool = False
    drop_factor: float = Field(default=0.5, ge=0, lt=1)
    drop_mask: Literal["batch", "sample"] = "batch"
    test_scale: Literal["none", "keep"] = "none"
    sync_masks: bool = True
    init_from: str | None = None
    init_head: bool = True
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=16, ge=1)
    accumulate: int = Field(default=1, ge=1)
    optimizer: Literal["sgd", "nag", "adamw"] = "sgd"
    lr: float = Field(default=0.1, gt=0)
    backbone_lr: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    decay: Literal["all", "weights"] = "all"
    sched: Literal["constant", "milestones", "cosine"] = "cosine"
    milestones: NumberList = ()
    gamma: float = Field(default=0.1, gt=0, le=1)
    warmup_epochs: float = Field(default=0.0, ge=0)
    warmup_scale: float = Field(default=0.0, ge=0, le=1)
    warmup: Literal["linear", "constant"] = "linear"
    slow_start_epochs: float = Field(default=0.0, ge=0)
    slow_start_scale: float = Field(default=0.1, gt=0, le=1)
    freeze_epochs: int = Field(default=0, ge=0)
    freeze_norm: bool = False
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0)
    cutmix: float = Field(default=0.0, ge=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    clip_grad: float | None = Field(default=None, gt=0)
    clamp_grad: float | None = Field(default=None, gt=0)
    checkpoint_activations: bool = False
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    patience: int | None = Field(default=None, ge=1)
    val_fraction: float = Field(default=0.1, ge=0, le=0.5)
    checkpoint_steps: int | None = Field(default=None, ge=1)
    log_steps: int = Field(default=20, ge=1)
    track: Literal["none", "tensorboard"] = "none"
    deterministic: bool = False
    device: str = "auto"
    workers: int = Field(default=2, ge=0)
    seed: int = Field(default=0, ge=0)


SECTIONS: dict[str, type[Settings]] = {"extract": ExtractSettings, "head": HeadSettings, "finetune": FinetuneSettings}
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
        UnknownNameError: no such recipe, or a section that is none of `extract`, `head`, `finetune`.
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

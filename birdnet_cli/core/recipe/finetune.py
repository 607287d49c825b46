"""The section `finetune` of a recipe: how `fbn finetune` trains a whole network."""

from typing import Annotated, Any, Literal

from pydantic import Field

from birdnet_cli.core.recipe.flag import Flag
from birdnet_cli.core.recipe.lists import NumberList
from birdnet_cli.core.recipe.network import Blocks, DropMask, TestScale, Width
from birdnet_cli.core.recipe.transform import AugmentSettings, ImageSize

__all__ = ["FinetuneSettings"]

# Groups of `fbn finetune --help`.
NETWORK, RATES, LEARNING, MACHINE, RUN = "Network", "Learning rates", "Learning", "Machine", "Run"


class FinetuneSettings(AugmentSettings):
    """How `fbn finetune` trains a whole network; milestones that are given imply `sched: milestones`."""

    image_size: Annotated[ImageSize, Flag(default="224, or that of --init-from or --network")] = 224
    backbone: Annotated[str, Flag(panel=NETWORK)] = Field(
        default="vgg16", description="Pretrained network: vgg16, vgg19, a torchvision classifier, or timm:NAME."
    )
    layer: Annotated[str | None, Flag(panel=NETWORK, default="the backbone's")] = Field(
        default=None,
        description="Layer of the backbone whose output is the feature map; for the head fb the default is the last "
        "convolution before its ReLU, where the backbone has one.",
    )
    weights: Annotated[str, Flag(panel=NETWORK)] = Field(
        default="auto", description="Weights of the backbone: auto, none (random) or a file."
    )
    preprocessing: Literal["auto", "imagenet", "oxford"] = Field(
        default="auto", description="Preprocessing that the weights expect; auto finds it out with the weights."
    )
    network: Annotated[str | None, Flag(panel=NETWORK, default="the backbone")] = Field(
        default=None, description="Network to train from random values instead of a backbone, such as resnet164."
    )
    blocks: Blocks = None
    width: Width = None
    head: Annotated[str, Flag(panel=NETWORK)] = Field(
        default="bilinear",
        description="A descriptor before a linear layer: bilinear, bilinear-reduce144 (a learned 1x1 reduction that "
        "PCA initialises), compact, …; linear is avg-raw. Or a head on the feature map: fb (tanh, then a Factorized "
        "Bilinear layer and a linear layer in parallel, averaged), tanh (tanh, average, linear) or fc (ReLU, average, "
        "linear); a network takes one of these three.",
    )
    factors: Annotated[int | None, Flag(panel=NETWORK, default="20, or the network's published number")] = Field(
        default=None, ge=0, le=4096, description="fb: factors of each class."
    )
    diagonal: bool = Field(
        default=False,
        description="fb: keep the squares of single channels, as the paper writes the layer; the authors' code omits "
        "them.",
    )
    drop_factor: Annotated[float, Flag(panel=NETWORK)] = Field(
        default=0.5, ge=0, lt=1, description="fb: probability that DropFactor drops a factor."
    )
    drop_mask: DropMask = "batch"
    test_scale: TestScale = "none"
    sync_masks: bool = Field(
        default=True, description="fb: all processes drop the same factors; false lets each draw its own."
    )
    init_from: Annotated[str | None, Flag(panel=NETWORK, default="none", file=True)] = Field(
        default=None,
        description="Model file whose network and head training starts from, such as that of fbn train-head.",
    )
    init_head: Annotated[bool, Flag(panel=NETWORK)] = Field(
        default=True, description="Take the head of --init-from too; otherwise training starts a new head."
    )
    epochs: Annotated[int, Flag()] = Field(default=10, ge=1, description="Passes over the training images.")
    batch_size: Annotated[int, Flag(names=("--batch-size", "-b"))] = Field(
        default=16, ge=1, description="Images per update, of all processes together."
    )
    accumulate: Annotated[int, Flag(names=("--grad-accum-steps",), panel=MACHINE)] = Field(
        default=1, ge=1, description="Forward passes that the images of an update are divided into."
    )
    optimizer: Annotated[Literal["sgd", "nag", "adamw"], Flag(panel=LEARNING)] = Field(
        default="sgd", description="Optimizer: sgd (with momentum), nag (Nesterov's) or adamw."
    )
    lr: Annotated[float, Flag(panel=RATES)] = Field(default=0.1, gt=0, description="Learning rate of the head.")
    backbone_lr: Annotated[float | None, Flag(panel=RATES, default="lr / 100; from random values lr")] = Field(
        default=None, gt=0, description="Learning rate of the network before the head."
    )
    momentum: Annotated[float, Flag(panel=LEARNING)] = Field(
        default=0.9, ge=0, lt=1, description="Momentum of sgd and nag."
    )
    weight_decay: Annotated[float, Flag(names=("--wd",), panel=LEARNING)] = Field(
        default=0.0, ge=0, description="Weight decay."
    )
    decay: Literal["all", "weights"] = Field(
        default="all",
        description="Parameters that decay: all of them, or only weights, those of more than one dimension.",
    )
    sched: Annotated[
        Literal["constant", "milestones", "cosine"],
        Flag(panel=RATES, default="cosine, or milestones where these are given"),
    ] = Field(
        default="cosine",
        description="How the rates fall: not at all (constant), by gamma at each milestone, or along a cosine to 0.",
    )
    milestones: Annotated[NumberList, Flag(panel=RATES, default="none")] = Field(
        default=(), description="Epochs after which the rates fall by gamma (to a tenth), such as 100,150."
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="Factor of the rates at each milestone.")
    warmup_epochs: Annotated[float, Flag(panel=RATES)] = Field(
        default=0.0,
        ge=0,
        description="Epochs in which the rates rise linearly from warmup_scale (0) times their value.",
    )
    warmup_scale: float = Field(default=0.0, ge=0, le=1, description="Factor of the rates at the start of the warm-up.")
    warmup: Literal["linear", "constant"] = Field(
        default="linear",
        description="Course of the warm-up: a linear rise, or constant at warmup_scale until its end.",
    )
    slow_start_epochs: Annotated[float, Flag(names=("--slow-start",), panel=RATES)] = Field(
        default=0.0,
        ge=0,
        description="Epochs in which the rates rise from slow_start_scale (a tenth) of their value, as in the FBN "
        "authors' training.",
    )
    slow_start_scale: float = Field(
        default=0.1, gt=0, le=1, description="Factor of the rates at the first update of the slow start."
    )
    freeze_epochs: Annotated[int, Flag(panel=RATES)] = Field(
        default=0, ge=0, description="Epochs at the start in which the head alone learns."
    )
    freeze_norm: bool = Field(default=False, description="Keep the pretrained statistics of BatchNorm.")
    label_smoothing: Annotated[float, Flag(panel=LEARNING)] = Field(
        default=0.0, ge=0, lt=1, description="Share of the target that is spread over all classes."
    )
    mixup: Annotated[float, Flag(panel=LEARNING)] = Field(
        default=0.0, ge=0, description="mixup: parameter of its beta distribution; 0 is off."
    )
    cutmix: Annotated[float, Flag(panel=LEARNING)] = Field(
        default=0.0, ge=0, description="CutMix: parameter of its beta distribution; 0 is off."
    )
    ema_decay: Annotated[float | None, Flag(panel=LEARNING, default="off")] = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of a moving average of the parameters, which is then evaluated and saved, such as 0.999.",
    )
    clip_grad: Annotated[float | None, Flag(panel=LEARNING, default="off")] = Field(
        default=None, gt=0, description="Largest norm of the gradient of all parameters; a larger gradient is scaled."
    )
    clamp_grad: float | None = Field(
        default=None,
        gt=0,
        description="Largest magnitude of each value of the gradient, as the FBN authors clamp; None is off.",
    )
    checkpoint_activations: Annotated[bool, Flag(names=("--checkpoint-activations",), panel=MACHINE)] = Field(
        default=False, description="Compute activations again in the backward pass: less memory, more time."
    )
    precision: Annotated[Literal["auto", "float32", "bfloat16", "float16"], Flag(panel=LEARNING)] = Field(
        default="auto",
        description="Arithmetic of training; auto is bfloat16 where the hardware multiplies it natively, float16 "
        "scales the loss.",
    )
    channels_last: bool = Field(default=True, description="Memory order of the convolutions: channels last.")
    compile: Annotated[bool, Flag(panel=RUN)] = Field(
        default=False, description="Compile the network with torch.compile."
    )
    patience: Annotated[int | None, Flag(panel=LEARNING, default="never")] = Field(
        default=None, ge=1, description="Stop after this many epochs without a better validation top-1."
    )
    val_fraction: Annotated[float, Flag(panel=LEARNING)] = Field(
        default=0.1,
        ge=0,
        le=0.5,
        description="Share of each class's training images held out for validation, where the data set has no "
        "validation split; 0 holds none out.",
    )
    checkpoint_steps: int | None = Field(
        default=None, ge=1, description="Updates between checkpoints; None saves at the end of each epoch alone."
    )
    log_steps: int = Field(default=20, ge=1, description="Updates per row of `metrics.csv`.")
    track: Annotated[Literal["none", "tensorboard"], Flag(panel=RUN)] = Field(
        default="none", description="Where metrics go besides metrics.csv."
    )
    deterministic: Annotated[bool, Flag(names=("--deterministic",), panel=MACHINE)] = Field(
        default=False, description="Refuse operations that are not reproducible on a GPU; slower."
    )
    device: Annotated[str, Flag(metavar="NAME")] = Field(
        default="auto", description="Device: auto, cpu, cuda or cuda:N."
    )
    workers: Annotated[int, Flag(names=("--workers", "-j"))] = Field(
        default=2, ge=0, description="Processes that decode images; 0 decodes in the main process."
    )
    seed: Annotated[int, Flag(panel=RUN)] = Field(default=0, ge=0, description="Seed of every random number.")

    @classmethod
    def with_implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return settings that were given together; milestones without a schedule imply `sched: milestones`."""
        if given.get("sched") is None and given.get("milestones") not in (None, "", (), []):
            return given | {"sched": "milestones"}
        return given

"""The section `finetune` of a recipe."""

from typing import Literal

from pydantic import Field

from birdnet_cli.core.recipe.lists import NumberList
from birdnet_cli.core.recipe.network import Blocks, Width
from birdnet_cli.core.recipe.transform import AugmentSettings

__all__ = ["FinetuneSettings"]


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

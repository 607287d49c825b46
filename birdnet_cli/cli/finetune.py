"""`fbn finetune`: images -> run directory with a model file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from birdnet_cli.cli import options
from birdnet_cli.core.errors import ExitCode

__all__ = ["finetune"]

# Groups of --help.
NETWORK, RATES, LEARNING, MACHINE, RUN = "Network", "Learning rates", "Learning", "Machine", "Run"


def finetune(
    data: options.DataRoot,
    output: Annotated[Path, typer.Option("--output", "-o", help="The run directory, such as runs/birds.")],
    data_format: options.DataFormat = "auto",
    bbox: options.BBox = False,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Pretrained network: vgg16, vgg19, a torchvision classifier, or timm:NAME.  [default: vgg16]",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer of the feature map.  [default: the backbone's]", rich_help_panel=NETWORK)
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="auto, none (random) or a file.  [default: auto]", rich_help_panel=NETWORK)
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="Train this network from scratch instead, such as resnet164.", rich_help_panel=NETWORK),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="linear, tanh, fb, or a descriptor before a linear layer: bilinear, bilinear-reduce144, compact, ….  "
            "[default: bilinear]",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    factors: Annotated[
        int | None, typer.Option(help="fb: factors per class.  [default: 20]", rich_help_panel=NETWORK)
    ] = None,
    drop_factor: Annotated[
        float | None,
        typer.Option(help="fb: share of the factors that DropFactor drops.  [default: 0.5]", rich_help_panel=NETWORK),
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="Start from a model file, such as train-head's: its network and its solved head.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    init_head: Annotated[
        bool | None,
        typer.Option(
            "--init-head/--no-init-head",
            help="Take the head of --init-from too.  [default: on]",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the square input, in pixels.  [default: 224, or --init-from's]")
    ] = None,
    resize: Annotated[
        Literal["squash", "crop", "letterbox"] | None, typer.Option(help="How it becomes square.  [default: squash]")
    ] = None,
    augment: Annotated[
        Literal["none", "basic", "cifar", "level1", "level2"] | None,
        typer.Option(help="How training images vary.  [default: basic: random crop and mirror]"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.  [default: 10]")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", help="Images per update, of all processes together.  [default: 16]"),
    ] = None,
    optimizer: Annotated[
        Literal["sgd", "nag", "adamw"] | None, typer.Option(help="[default: sgd]", rich_help_panel=LEARNING)
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Rate of the head.  [default: 0.1]", rich_help_panel=RATES)] = None,
    backbone_lr: Annotated[
        float | None,
        typer.Option(
            help="Rate of the network before it.  [default: lr / 100; from scratch: lr]", rich_help_panel=RATES
        ),
    ] = None,
    sched: Annotated[
        Literal["constant", "milestones", "cosine"] | None,
        typer.Option(
            help="How rates fall.  [default: cosine, or milestones where these are given]", rich_help_panel=RATES
        ),
    ] = None,
    milestones: Annotated[
        str | None,
        typer.Option(help="Epochs after which rates fall to a tenth, such as 100,150.", rich_help_panel=RATES),
    ] = None,
    warmup_epochs: Annotated[
        float | None, typer.Option(help="Epochs in which rates rise from 0.", rich_help_panel=RATES)
    ] = None,
    slow_start: Annotated[
        float | None,
        typer.Option(help="Epochs in which rates rise from a tenth (FBN's slow start).", rich_help_panel=RATES),
    ] = None,
    freeze_epochs: Annotated[
        int | None, typer.Option(help="Epochs at the start in which the head alone learns.", rich_help_panel=RATES)
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="[default: 0.9]", rich_help_panel=LEARNING)] = None,
    weight_decay: Annotated[
        float | None, typer.Option("--wd", help="Weight decay.  [default: 0]", rich_help_panel=LEARNING)
    ] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="[default: 0]", rich_help_panel=LEARNING)] = None,
    mixup: Annotated[
        float | None, typer.Option(help="Parameter of its beta distribution.", rich_help_panel=LEARNING)
    ] = None,
    cutmix: Annotated[
        float | None, typer.Option(help="Parameter of its beta distribution.", rich_help_panel=LEARNING)
    ] = None,
    ema_decay: Annotated[
        float | None, typer.Option(help="Evaluate and save a moving average, such as 0.999.", rich_help_panel=LEARNING)
    ] = None,
    clip_grad: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient.", rich_help_panel=LEARNING)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after this many epochs without a better validation.", rich_help_panel=LEARNING),
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share of the training images held out, where there is no validation split.  [default: 0.1]",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    grad_accum_steps: Annotated[
        int | None, typer.Option(help="Forward passes that an update is divided into.", rich_help_panel=MACHINE)
    ] = None,
    checkpoint_activations: Annotated[
        bool | None,
        typer.Option("--checkpoint-activations", help="Recompute them: less memory.", rich_help_panel=MACHINE),
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"] | None,
        typer.Option("--precision", help="auto is bfloat16 where it is native.", rich_help_panel=MACHINE),
    ] = None,
    compile_: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Use torch.compile.", rich_help_panel=MACHINE)
    ] = None,
    deterministic: Annotated[
        bool | None,
        typer.Option("--deterministic", help="Reproducible on a GPU too, and slower.", rich_help_panel=MACHINE),
    ] = None,
    workers: options.Workers = None,
    device: options.Device = None,
    nproc: Annotated[int, typer.Option(min=1, help="Processes, one per device.", rich_help_panel=MACHINE)] = 1,
    seed: Annotated[int | None, typer.Option(help="[default: 0]", rich_help_panel=RUN)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in this folder exactly.", rich_help_panel=RUN)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in this folder.", rich_help_panel=RUN)
    ] = False,
    track: Annotated[
        Literal["none", "tensorboard"] | None, typer.Option(help="Metrics besides metrics.csv.", rich_help_panel=RUN)
    ] = None,
    on_error: options.OnError = "fail",
    recipe: options.Recipe = None,
    set_: options.SetOverrides = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a whole network: pretrained or from scratch, with a linear, bilinear or Factorized Bilinear head."""
    from birdnet_cli.cli.display.tables import print_failures
    from birdnet_cli.cli.display.training import TrainingDisplay
    from birdnet_cli.core.engine.finetune import finetune as run
    from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings

    flags = {
        "backbone": backbone, "layer": layer, "weights": weights, "network": network, "head": head, "factors": factors,
        "drop_factor": drop_factor, "init_from": None if init_from is None else str(init_from), "init_head": init_head,
        "image_size": image_size, "resize": resize, "policy": augment, "epochs": epochs, "batch_size": batch_size,
        "optimizer": optimizer, "lr": lr, "backbone_lr": backbone_lr, "milestones": milestones,
        "sched": "milestones" if milestones and sched is None else sched,
        "warmup_epochs": warmup_epochs, "slow_start_epochs": slow_start, "freeze_epochs": freeze_epochs,
        "momentum": momentum, "weight_decay": weight_decay, "label_smoothing": label_smoothing, "mixup": mixup,
        "cutmix": cutmix, "ema_decay": ema_decay, "clip_grad": clip_grad, "patience": patience,
        "val_fraction": val_fraction, "accumulate": grad_accum_steps,
        "checkpoint_activations": checkpoint_activations, "precision": precision, "compile": compile_,
        "deterministic": deterministic, "workers": workers, "device": device, "seed": seed, "track": track,
    }  # fmt: skip
    report = run(
        data,
        output,
        settings=resolve_settings(
            FinetuneSettings, section="finetune", recipe=recipe, flags=flags, overrides=set_ or ()
        ),
        data_format=data_format,
        bbox=bbox,
        resume=resume,
        overwrite=overwrite,
        on_error=on_error,
        nproc=nproc,
        progress=TrainingDisplay(quiet=quiet),
    )
    if report.rank == 0:
        typer.echo(report.summary())
    if report.failures:
        print_failures(report.failures)
        raise typer.Exit(ExitCode.SOME_INPUTS_FAILED)

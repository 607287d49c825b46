from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.command_line import Finished
from tests.core.textures import write_textures

Fbn = Callable[..., Finished]
TINY = [
    "--weights", "none", "--layer", "relu1_1", "--image-size", "16", "--head", "linear", "-j", "0", "--device", "cpu",
    "--precision", "float32", "--epochs", "1", "-b", "8", "--val-fraction", "0.25",
]  # fmt: skip


def settings_of(run: Path) -> dict[str, Any]:
    document: dict[str, dict[str, Any]] = yaml.safe_load((run / "config.yaml").read_text())
    return document["finetune"]


def test_a_run_is_summed_up_on_stdout_and_followed_on_stderr(fbn: Fbn, textures: Path, tmp_path: Path) -> None:
    done = fbn("finetune", textures, "-o", "runs/x", *TINY, "--set", "finetune.log_steps=1")
    assert done.code == 0, done.err
    assert done.out.startswith("runs/x/best.safetensors: 2 updates; best validation top-1 ")
    assert done.out.count("\n") == 1
    assert "epoch 1 of 1, step 2 of 2: loss " in done.err
    assert " images/s, 0:00:00 left, " in done.err
    assert "18 training images, 6 validation images held out of them" in done.err
    assert "epoch 1 of 1: loss " in done.err
    assert fbn("evaluate", textures, "-m", "runs/x/best.safetensors", "-j", "0").out.startswith("top-1 ")
    assert "runs/x/best.safetensors" in fbn("models", "ls").out


def test_quiet_leaves_out_the_lines_between_epochs(fbn: Fbn, textures: Path) -> None:
    done = fbn("finetune", textures, "-o", "runs/x", *TINY, "--set", "finetune.log_steps=1", "-q")
    assert "step 2 of 2" not in done.err
    assert "epoch 1 of 1: loss " in done.err


def test_flags_reach_the_settings(fbn: Fbn, textures: Path, tmp_path: Path) -> None:
    done = fbn(
        "finetune", textures, "-o", "x", *TINY, "--augment", "none", "--optimizer", "nag", "--lr", "0.5",
        "--backbone-lr", "0.25", "--milestones", "1,2.5", "--slow-start", "1", "--freeze-epochs", "1", "--momentum",
        "0.8", "--wd", "1e-4", "--label-smoothing", "0.1", "--mixup", "0.2", "--cutmix", "1", "--ema-decay", "0.9",
        "--clip-grad", "2", "--patience", "3", "--grad-accum-steps", "2", "--checkpoint-activations", "--deterministic",
        "--seed", "5", "--factors", "7", "--drop-factor", "0.25", "--resize", "crop", "--no-compile",
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = {
        "policy": "none", "optimizer": "nag", "lr": 0.5, "backbone_lr": 0.25, "sched": "milestones",
        "milestones": [1.0, 2.5], "slow_start_epochs": 1.0, "freeze_epochs": 1, "momentum": 0.8, "weight_decay": 1e-4,
        "label_smoothing": 0.1, "mixup": 0.2, "cutmix": 1.0, "ema_decay": 0.9, "clip_grad": 2.0, "patience": 3,
        "accumulate": 2, "checkpoint_activations": True, "deterministic": True, "seed": 5, "factors": 7,
        "drop_factor": 0.25, "resize": "crop", "compile": False, "image_size": 16, "head": "linear", "batch_size": 8,
        "epochs": 1, "precision": "float32", "device": "cpu", "workers": 0, "layer": "relu1_1", "weights": "none",
        "val_fraction": 0.25,
    }  # fmt: skip
    assert settings_of(tmp_path / "x").items() >= expected.items()


def test_a_recipe_is_overridden_by_flags_and_these_by_set(fbn: Fbn, textures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("finetune: {lr: 1e-3, momentum: 0.1, seed: 1, clip_grad: 4}\n")
    done = fbn(
        "finetune", textures, "-o", "x", *TINY, "--recipe", "mine.yaml", "--momentum", "0.2", "--seed", "2", "--set",
        "finetune.seed=3",
    )  # fmt: skip
    assert done.code == 0, done.err
    made = settings_of(tmp_path / "x")
    assert (made["lr"], made["momentum"], made["seed"], made["clip_grad"]) == (1e-3, 0.2, 3, 4.0)


def test_a_run_is_not_overwritten_unasked(fbn: Fbn, textures: Path) -> None:
    assert fbn("finetune", textures, "-o", "x", *TINY).code == 0
    again = fbn("finetune", textures, "-o", "x", *TINY)
    assert (again.code, again.out) == (2, "")
    assert "error: x: holds a run already; continue it with --resume, replace it with --overwrite" in again.err
    assert fbn("finetune", textures, "-o", "x", *TINY, "--overwrite").code == 0
    resumed = fbn("finetune", textures, "-o", "x", "--resume")
    assert (resumed.code, resumed.out.split(";")[0]) == (0, "x/best.safetensors: 2 updates")


def test_bad_images_stop_it_or_are_listed(fbn: Fbn, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=4, test=1)
    (data / "train" / "rings" / "000.png").write_bytes(b"no image")
    # Batches of 4 leave none of the 12 images out of an epoch.
    arguments = ["finetune", data, "-o", "x", *TINY, "--val-fraction", "0", "-b", "4"]
    done = fbn(*arguments)
    assert done.code == 1
    assert "train/rings/000.png: not a JPEG, PNG, WebP or BMP image" in done.err
    skipped = fbn(*arguments, "--on-error", "skip", "--overwrite")
    assert skipped.code == 3
    assert "1 images could not be read:\n  train/rings/000.png: not a JPEG" in skipped.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "-1"], "finetune.lr: input should be greater than 0"),
        (["--lr", "nan"], "finetune.lr: "),
        (["--drop-factor", "1"], "finetune.drop_factor: "),
        (["--set", "finetune.optimiser=sgd"], "'optimiser': did you mean optimizer"),
        (["--set", "extract.seed=1"], "this command's settings are under 'finetune.', not 'extract.'"),
        (["--backbone", "vgg61"], "unknown backbone 'vgg61': did you mean vgg19 or vgg16"),
        (["--network", "resnet146"], "unknown network 'resnet146': did you mean resnet164"),
        (["--warmup-epochs", "1", "--slow-start", "1"], "both raise the rates"),
        (["--sched", "cosine", "--milestones", "3"], "belongs to finetune.sched: milestones, not to 'cosine'"),
        (["--patience", "2", "--val-fraction", "0"], "patience needs validation images"),
        (["--resume"], "x: no run to resume: it has no config.yaml"),
        (["--nproc", "0"], "--nproc"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_setting_is_a_usage_error(
    fbn: Fbn, textures: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = fbn("finetune", textures, "-o", "x", *TINY, *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "x" / "config.yaml").exists()


def test_an_absent_model_to_start_from_is_named(fbn: Fbn, textures: Path) -> None:
    done = fbn("finetune", textures, "-o", "x", "--init-from", "absent.safetensors")
    assert done.code == 1
    assert (
        "error: absent.safetensors: no such model file; fbn train-head and fbn finetune write model files" in done.err
    )

from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.model import read_description, read_model_file
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


def test_a_model_is_written_and_summed_up_on_stdout(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn(
        "train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "none", "-C", "10",
        "--cv", "2",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.startswith("m.safetensors: 3 classes, 24 training images, avg, C = 10; sha256 ")
    assert done.out.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors"]


def test_cross_validation_is_shown_on_stderr_and_decides(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn("train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "none", "--cv", "2")
    assert done.code == 0, done.err
    assert "accuracy" in done.err
    head = read_description(tmp_path / "m.safetensors").head
    assert head["C"] in [row["C"] for row in head["cross_validation"]]
    assert f"C = {head['C']:.4g};" in done.out


def test_flags_reach_the_settings(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn(
        "train-head", whole_cache, "-o", "m.safetensors", "--pooling", "max", "--weights", "none", "--head", "ridge",
        "-C", "0.5", "--cv", "3", "--class-weights", "balanced", "--no-calibrate", "--seed", "7",
        "--solver", "streamed", "--weight-dtype", "float32", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    description = read_description(tmp_path / "m.safetensors")
    expected = {
        "head": "ridge", "C": 0.5, "cv": 3, "class_weights": "balanced", "calibrate": False, "seed": 7,
        "solver": "streamed", "weight_dtype": "float32", "device": "cpu",
    }  # fmt: skip
    assert description.head.items() >= expected.items()
    assert description.pooling.name == "max"


def test_a_recipe_is_overridden_by_flags_and_these_by_set(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("head: {C: 1e-4, cv: 4, seed: 4, calibrate: no}\nextract: {seed: 9}\n")
    done = fbn(
        "train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "none",
        "--recipe", "mine.yaml", "--cv", "3", "--seed", "3", "--set", "head.seed=2",
    )  # fmt: skip
    assert done.code == 0, done.err
    head = read_description(tmp_path / "m.safetensors").head
    assert (head["C"], head["cv"], head["seed"], head["calibrate"]) == (1e-4, 3, 2, False)


def test_a_model_may_leave_its_backbone_out(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn(
        "train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "-C", "1", "--no-calibrate",
        "--no-embed-backbone",
    )  # fmt: skip
    assert done.code == 0, done.err
    description, tensors = read_model_file(tmp_path / "m.safetensors")
    assert description.backbone["embedded"] is False
    assert tensors["backbone"] == {}


def test_an_existing_model_needs_overwrite(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"precious")
    arguments = ["train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "none", "-C", "1"]
    done = fbn(*arguments, "--no-calibrate")
    assert (done.code, done.out) == (2, "")
    assert "m.safetensors: exists already; choose another name or give --overwrite" in done.err
    assert (tmp_path / "m.safetensors").read_bytes() == b"precious"
    assert fbn(*arguments, "--no-calibrate", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "choose one with --pooling: avg, bilinear-variance50, max"),
        (
            ["--pooling", "bilinear"],
            "descriptor of textures.h5 'bilinear': known: avg, bilinear-variance50, max",
        ),
        (["--pooling", "bilinear-variance60"], "'bilinear-variance60': did you mean bilinear-variance50"),
        (["--pooling", "avg", "-C", "nan"], "head.C: "),
        (["--pooling", "avg", "-C", "-1"], "head.C: "),
        (["--pooling", "avg", "-C", "much"], "head.C: "),
        (["--pooling", "avg", "--cv", "1"], "head.cv: "),
        (["--pooling", "avg", "--set", "head.sead=1"], "'sead': did you mean seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_setting_is_a_usage_error(
    fbn: Fbn, whole_cache: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = fbn("train-head", whole_cache, "-o", "m.safetensors", "--weights", "none", *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_before_the_work(fbn: Fbn, tmp_path: Path) -> None:
    # The cache is absent too: it would be complained of if it were opened first.
    done = fbn("train-head", "absent.h5", "-o", "absent/m.safetensors", "--weights", "none")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: absent/m.safetensors: there is no folder absent; make it, or choose another -o\n"
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_named_safetensors(fbn: Fbn, whole_cache: Path) -> None:
    done = fbn("train-head", whole_cache, "-o", "m.pt", "--pooling", "avg", "--weights", "none")
    assert done.code == 2
    assert "m.pt: a model file ends in .safetensors" in done.err


def test_weights_other_than_the_cache_s_are_refused(fbn: Fbn, whole_cache: Path, whole_model: Path) -> None:
    done = fbn("train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "absent.safetensors")
    assert done.code == 1
    assert "absent.safetensors: no such file" in done.err


@pytest.mark.parametrize("content", [None, b"", b"\x89HDF\r\n\x1a\n" + bytes(100)], ids=["absent", "empty", "damaged"])
def test_a_file_other_than_a_cache_is_an_error_with_its_path(fbn: Fbn, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "c.h5").write_bytes(content)
    done = fbn("train-head", "c.h5", "-o", "m.safetensors", "--weights", "none")
    assert done.code == 1
    assert done.err.startswith("error: c.h5: ")
    assert done.err.count("\n") == 1


def test_groups_come_from_a_column_of_a_csv(fbn: Fbn, whole_cache: Path, tmp_path: Path) -> None:
    names = [f"train/{label}/{number:03d}.png" for label in ("checks", "rings", "stripes") for number in range(8)]
    rows = "".join(f"{name},{number // 8}\n" for number, name in enumerate(names))
    (tmp_path / "groups.csv").write_text(f"path,site\n{rows}")
    arguments = ["train-head", whole_cache, "-o", "m.safetensors", "--pooling", "avg", "--weights", "none", "-C", "1"]
    done = fbn(*arguments, "--cv", "3", "--groups", "groups.csv", "--group-col", "site")
    assert done.code == 0, done.err
    # Each site has one class alone, so that no fold can learn the class that it leaves out.
    (judged,) = read_description(tmp_path / "m.safetensors").head["cross_validation"]
    assert judged["accuracy"] == 0
    done = fbn(*arguments, "--overwrite", "--cv", "4", "--groups", "groups.csv", "--group-col", "site")
    assert (done.code, done.out) == (1, "")
    assert "expected at least 4 groups for 4 folds, got 3: lower --cv" in done.err

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import Finished
from tests.core.textures import CLASSES

Fbn = Callable[..., Finished]
IDENTITY = ("name", "sha256", "label")


def test_the_json_file_holds_fractions_and_every_class(
    fbn: Fbn, model: Path, whole_cache: Path, tmp_path: Path
) -> None:
    done = fbn("evaluate", whole_cache, "-m", model, "--json", "figures.json")
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["n"] == 12
    assert 0 < figures["top1"] <= figures["top5"] == 1
    assert set(figures["per_class"]) == set(CLASSES)
    assert all(row["n"] == 4 for row in figures["per_class"].values())
    assert figures["failed"] == []
    right = sum(row["recall"] * row["n"] for row in figures["per_class"].values())
    assert figures["top1"] == pytest.approx(right / 12)
    assert sum(pair["count"] for pair in figures["confusions"]) == 12 - round(right)


def test_stdout_shows_the_accuracy_its_intervals_and_the_classes(
    fbn: Fbn, model: Path, whole_cache: Path, tmp_path: Path
) -> None:
    done = fbn("evaluate", whole_cache, "-m", model, "--json", "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert done.out.startswith(f"top-1 {figures['top1']:.2%}   top-5 100.00%   12 images")
    for name, title in (("top1", "top-1"), ("macro_recall", "macro recall"), ("ece", "calibration error")):
        low, high = figures[f"{name}_interval"]
        (line,) = [line for line in done.out.splitlines()[1:] if line.startswith(title)]
        assert line.split()[-4:] == [f"{figures[name]:.2%}", f"{low:.2%}", "to", f"{high:.2%}"]
    assert "Wilson" in done.out
    right = [point for point in figures["coverage"] if point["accuracy"] >= 0.99]
    assert f"99% correct on the surest {right[-1]['coverage']:.2%} of the images" in done.out
    assert all(name in done.out for name in CLASSES)


def test_images_and_their_cache_give_the_same_evaluation(
    fbn: Fbn, model: Path, whole_cache: Path, textures: Path, tmp_path: Path
) -> None:
    assert fbn("evaluate", whole_cache, "-m", model, "--json", "cache.json").code == 0
    done = fbn(
        "evaluate", textures, "-m", model, "--json", "images.json", "-j", "0", "-b", "5", "--precision", "float32"
    )  # fmt: skip
    assert done.code == 0, done.err
    of_cache, of_images = (json.loads((tmp_path / name).read_text()) for name in ("cache.json", "images.json"))
    for key in ("n", "top1", "top5", "top1_interval", "per_class", "confusions", "failed", "duplicates", "classes"):
        assert of_cache[key] == of_images[key], key
    for row, expected in zip(of_cache["images"], of_images["images"], strict=True):
        assert [row[key] for key in ("name", "sha256", "label")] == [
            expected[key] for key in ("name", "sha256", "label")
        ]
        assert row["probs"] == pytest.approx(expected["probs"], abs=5e-3)


def test_another_split_can_be_measured(fbn: Fbn, model: Path, whole_cache: Path) -> None:
    assert "24 images" in fbn("evaluate", whole_cache, "-m", model, "--split", "train").out
    done = fbn("evaluate", whole_cache, "-m", model, "--split", "val")
    assert done.code == 1
    assert "the split 'val' has no image" in done.err


def test_an_image_that_cannot_be_read_is_listed_and_not_counted(
    fbn: Fbn, model: Path, few: Path, tmp_path: Path
) -> None:
    (few / "test" / "rings" / "000.png").write_bytes(b"")
    done = fbn("evaluate", few, "-m", model, "-j", "0", "--json", "figures.json")
    assert done.code == 3
    assert "1 images could not be read:\n  test/rings/000.png: zero bytes" in done.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["n"] == 2
    assert (figures["per_class"]["rings"]["n"], figures["per_class"]["rings"]["recall"]) == (0, None)
    assert figures["failed"] == ["test/rings/000.png: zero bytes"]


def test_an_image_that_failed_at_the_extraction_is_listed_and_not_counted(
    fbn: Fbn, model: Path, few: Path, tmp_path: Path
) -> None:
    (few / "test" / "rings" / "000.png").write_bytes(b"")
    quick = ["--weights", "none", "--layer", "relu2_1", "--image-size", "32", "--pooling", "avg", "-j", "0"]
    assert fbn("extract", few, "-o", "few.h5", *quick, "--on-error", "skip").code == 3
    done = fbn("evaluate", "few.h5", "-m", model)
    assert done.code == 3
    assert "test/rings/000.png" in done.err
    assert "2 images" in done.out


def test_a_cache_of_other_features_is_refused(fbn: Fbn, model: Path, few: Path, quick: list[str]) -> None:
    assert fbn("extract", few, "-o", "few.h5", *quick).code == 0
    done = fbn("evaluate", "few.h5", "-m", model)
    assert done.code == 1
    assert "few.h5: its features differ from the model's in: layer, transform" in done.err


def test_classes_that_the_model_does_not_know_are_named(fbn: Fbn, model: Path, few: Path) -> None:
    for split in ("train", "test"):
        (few / split / "rings").rename(few / split / "spirals")
    done = fbn("evaluate", few, "-m", model, "-j", "0")
    assert done.code == 1
    assert "classes that the model does not know: spirals" in done.err


def test_the_model_defaults_to_the_variable(fbn: Fbn, model: Path, whole_cache: Path) -> None:
    assert fbn("evaluate", whole_cache, env={"FBN_MODEL": str(model)}).code == 0
    model.unlink()
    assert "name a file with -m or FBN_MODEL" in fbn("evaluate", whole_cache).err


def test_a_gate_that_holds_is_said_and_passes(fbn: Fbn, model: Path, whole_cache: Path, tmp_path: Path) -> None:
    done = fbn(
        "evaluate", whole_cache, "-m", model, "--fail-under", "top5=0.7", "--fail-under", "recall[rings]=0",
        "--json", "figures.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "gate passed: top5>=0.7: measured 1.0000 (12 of 12), 95% interval 0.7575 to 1.0000" in done.out
    gates = json.loads((tmp_path / "figures.json").read_text())["gates"]
    assert [(gate["gate"], gate["passed"]) for gate in gates] == [("top5>=0.7", True), ("recall[rings]>=0", True)]


def test_a_gate_is_tested_at_the_lower_limit_and_fails_with_4(fbn: Fbn, model: Path, whole_cache: Path) -> None:
    # All twelve are among the first five, and twelve images prove no more than 0.7575.
    done = fbn("evaluate", whole_cache, "-m", model, "--fail-under", "top5=0.8,nll<=100,ece<=0.0001")
    assert done.code == 4
    failed = [line for line in done.err.splitlines() if line.startswith("gate failed")]
    assert failed[0].startswith("gate failed: top5>=0.8: measured 1.0000")
    assert failed[0].endswith("its lower limit 0.7575 is below 0.8")
    assert failed[1].startswith("gate failed: ece<=0.0001")
    assert len(failed) == 2
    assert "gate passed: nll<=100" in done.out
    assert "top-1" in done.out


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ("top1>0.5", "--fail-under 'top1>0.5': expected METRIC=VALUE"),
        ("recall[ring]=0.5", "unknown class in --fail-under recall 'ring': did you mean rings?"),
    ],
)
def test_a_gate_that_cannot_be_tested_is_a_usage_error_before_any_work(
    fbn: Fbn, model: Path, gates: str, message: str
) -> None:
    done = fbn("evaluate", "absent.h5", "-m", model, "--fail-under", gates)
    assert done.code == 2
    assert message in done.err


def test_a_failed_gate_outranks_images_that_cannot_be_read(fbn: Fbn, model: Path, few: Path) -> None:
    (few / "test" / "rings" / "000.png").write_bytes(b"")
    done = fbn("evaluate", few, "-m", model, "-j", "0", "--fail-under", "top1=1")
    assert done.code == 4
    assert "1 images could not be read" in done.err


def test_copies_in_other_splits_are_named_and_accuracy_is_given_without_them(
    fbn: Fbn, model: Path, few: Path, tmp_path: Path
) -> None:
    shutil.copy(few / "train" / "rings" / "000.png", few / "test" / "rings" / "copy.png")
    done = fbn("evaluate", few, "-m", model, "-j", "0", "--json", "figures.json")
    assert done.code == 0, done.err
    assert "1 of the images are also in another split (train):" in done.err
    assert "  test/rings/copy.png = train: train/rings/000.png" in done.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    rest = figures["without_duplicates"]
    assert (figures["n"], rest["n"]) == (4, 3)
    line = f"without the 1 images that are also in another split: top-1 {rest['top1']:.2%} ("
    assert line in done.out
    assert "3 images" in done.out


def test_a_report_of_images_has_thumbnails_and_one_of_a_cache_only_if_it_is_given_them(
    fbn: Fbn, poor_model: Path, whole_cache: Path, textures: Path, tmp_path: Path
) -> None:
    pages = {}
    for name, arguments in {
        "folder": [textures, "-j", "0"],
        "cache": [whole_cache],
        "both": [whole_cache, "--images", textures],
    }.items():
        done = fbn("evaluate", *arguments, "-m", poor_model, "--report", f"{name}.html")
        assert done.code == 0, done.err
        pages[name] = (tmp_path / f"{name}.html").read_text()
    assert "data:image/jpeg" not in pages["cache"]
    assert pages["folder"].count("<img") == pages["both"].count("<img") > 0
    assert "poor.safetensors" in pages["cache"]


def test_a_report_without_jinja2_is_refused_before_any_work(
    fbn: Fbn, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = fbn("evaluate", "absent.h5", "-m", model, "--report", "page.html")
    assert done.code == 2
    assert "a report needs jinja2: python -m pip install 'birdnet-cli[report]'" in done.err

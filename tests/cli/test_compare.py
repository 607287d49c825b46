import json
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.evaluation import read_evaluation
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]


@pytest.fixture
def results(fbn: Fbn, model: Path, poor_model: Path, whole_cache: Path, tmp_path: Path) -> tuple[Path, Path]:
    for name, path in (("a", model), ("b", poor_model)):
        done = fbn("evaluate", whole_cache, "-m", path, "--json", f"{name}.json")
        assert done.code == 0, done.err
    return tmp_path / "a.json", tmp_path / "b.json"


def test_two_results_give_a_paired_test_and_every_change(fbn: Fbn, results: tuple[Path, Path], tmp_path: Path) -> None:
    done = fbn("compare", "a.json", "b.json", "--json", "c.json")
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "c.json").read_text())
    a, b = (read_evaluation(path) for path in results)
    assert (document["a"], document["b"], document["n"]) == ("a.json", "b.json", 12)
    assert document["top1_a"] == a.top1
    assert document["difference"] == pytest.approx(b.top1 - a.top1)
    changed = {change["name"] for change in document["fixed"] + document["broken"]}
    correct = zip(a.outcomes.names, a.outcomes.correct, b.outcomes.correct, strict=True)
    assert changed == {name for name, in_a, in_b in correct if in_a != in_b}
    assert len(changed) == 8
    low, high = document["interval"]
    assert f"top-1 of 12 images: A {a.top1:.2%}, B {b.top1:.2%}" in done.out
    assert f"95% interval {100 * low:+.2f} to {100 * high:+.2f}" in done.out
    assert f"p = {document['p_value']:.3g}" in done.out
    assert all(name in done.out for name in changed)


def test_models_are_measured_on_the_data_they_are_given(
    fbn: Fbn, model: Path, poor_model: Path, whole_cache: Path, results: tuple[Path, Path], tmp_path: Path
) -> None:
    assert fbn("compare", "a.json", "b.json", "--json", "results.json").code == 0
    done = fbn("compare", model, poor_model, "--data", whole_cache, "--json", "models.json", "-q")
    assert done.code == 0, done.err
    mixed = fbn("compare", "a.json", poor_model, "--data", whole_cache, "--json", "mixed.json")
    assert mixed.code == 0, mixed.err
    results_, models, mixed_ = (
        json.loads((tmp_path / name).read_text()) for name in ("results.json", "models.json", "mixed.json")
    )
    for document in (results_, models, mixed_):
        del document["a"], document["b"]
    assert results_ == models == mixed_


def test_another_split_can_be_compared(fbn: Fbn, model: Path, poor_model: Path, whole_cache: Path) -> None:
    done = fbn("compare", model, poor_model, "--data", whole_cache, "--split", "train")
    assert "top-1 of 24 images" in done.out


def test_a_model_without_data_is_a_usage_error(fbn: Fbn, model: Path) -> None:
    done = fbn("compare", model, model)
    assert done.code == 2
    assert "a model needs images to be measured on: give --data" in done.err


def test_data_without_a_model_is_a_usage_error(fbn: Fbn, whole_cache: Path) -> None:
    done = fbn("compare", "a.json", "b.json", "--data", whole_cache)
    assert done.code == 2
    assert "both are results already" in done.err


def test_a_file_that_is_no_result_is_an_error(fbn: Fbn, results: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = fbn("compare", "a.json", "x.json")
    assert done.code == 1
    assert "x.json: expected an evaluation from fbn evaluate --json" in done.err


def test_images_that_only_one_result_has_are_said_to_be_left_out(
    fbn: Fbn, results: tuple[Path, Path], tmp_path: Path
) -> None:
    document = json.loads(results[1].read_text())
    left = document["images"].pop()
    results[1].write_text(json.dumps(document))
    done = fbn("compare", "a.json", "b.json")
    assert done.code == 0, done.err
    assert f"1 images are only in A and left out, such as {left['name']}" in done.err
    assert "top-1 of 11 images" in done.out

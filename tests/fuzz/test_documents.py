"""JSON inside files of strangers, with each value in turn left out or replaced by a value of another kind."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.evaluation import compare_evaluations, read_evaluation, serialise_evaluation
from birdnet_cli.core.features.origin import find_samples, rebuild_extractor
from birdnet_cli.core.model import load_model
from birdnet_cli.core.recipe import HeadSettings
from tests.core.textures import small_settings, write_textures

SETTINGS = HeadSettings(C=1.0, calibrate=False)
OTHERS = (None, [], {}, "x", -1, 2**70)
LEFT_OUT = object()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, the cache `a.h5`, the model `m.safetensors` and the evaluation `e.json`."""
    folder = tmp_path_factory.mktemp("documents")
    data = write_textures(folder / "data", train=4, test=2)
    extract(data, folder / "a.h5", settings=small_settings(pooling="avg"))
    train_head(folder / "a.h5", folder / "m.safetensors", settings=SETTINGS, embed_backbone=False)
    model = load_model(folder / "m.safetensors", weights="none")
    (folder / "e.json").write_text("".join(serialise_evaluation(evaluate(folder / "a.h5", model))))
    return folder


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a description of each change, and the changed document."""
    for path in _paths(document):
        for value in (LEFT_OUT, *OTHERS):
            changed = copy.deepcopy(document)
            place = changed
            for key in path[:-1]:
                place = place[key]
            if value is LEFT_OUT:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            yield f"{path}: {'left out' if value is LEFT_OUT else repr(value)}", changed


def _paths(document: Any) -> Iterator[tuple[Any, ...]]:
    items = document.items() if isinstance(document, dict) else ()
    if isinstance(document, list):
        # The other items have the same form.
        items = enumerate(document[:1])
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in _paths(value))


def find_others(document: Any, read: Callable[[Any], object]) -> list[str]:
    """Return the changes to a document at which `read` raises an error that is not fbn's own."""
    found, tried = [], 0
    for what, changed in changes(document):
        tried += 1
        try:
            read(changed)
        except FbnError:
            pass
        except Exception as error:
            found.append(f"{what}: {type(error).__name__}: {error}")
    assert tried >= 50
    return found


@pytest.mark.parametrize("attribute", ["fingerprint", "provenance"])
def test_a_cache_with_another_record_of_its_origin(work: Path, tmp_path: Path, attribute: str) -> None:
    def read(document: Any) -> None:
        path = tmp_path / "b.h5"
        shutil.copy(work / "a.h5", path)
        with h5py.File(path, "r+") as file:
            file.attrs[attribute] = np.bytes_(json.dumps(document).encode())
        train_head(path, tmp_path / "n.safetensors", settings=SETTINGS, embed_backbone=False, overwrite=True)
        with FeatureCache.open(path) as cache:
            find_samples(cache, [0], work / "data")
            if attribute == "fingerprint":
                rebuild_extractor(cache, ["avg"], weights="none")

    with h5py.File(work / "a.h5") as file:
        document = json.loads(file.attrs[attribute])
    assert find_others(document, read) == []


def test_a_model_with_another_description(work: Path, tmp_path: Path) -> None:
    tensors = load_file(work / "m.safetensors")

    def read(document: Any) -> None:
        save_file(tensors, tmp_path / "n.safetensors", metadata={"fbn_model": json.dumps(document)})
        evaluate(work / "a.h5", load_model(tmp_path / "n.safetensors", weights="none"))

    with safe_open(work / "m.safetensors", framework="pt") as file:
        document = json.loads(file.metadata()["fbn_model"])
    assert find_others(document, read) == []


def test_an_evaluation_with_other_figures(work: Path, tmp_path: Path) -> None:
    sound = read_evaluation(work / "e.json")

    def read(document: Any) -> None:
        (tmp_path / "f.json").write_text(json.dumps(document))
        compare_evaluations(sound, read_evaluation(tmp_path / "f.json"))

    assert find_others(json.loads((work / "e.json").read_text()), read) == []

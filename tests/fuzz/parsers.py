"""The readers of files that strangers write: for each, how to make sound files, and how a command reads them."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from birdnet_cli.core.backbones.preprocessing import IMAGENET
from birdnet_cli.core.backbones.weight_files import read_weight_file
from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import (
    ImageRecord,
    decode_image,
    list_formats,
    open_dataset,
    read_groups,
    read_sample,
    write_records,
)
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.evaluation import read_evaluation, serialise_evaluation
from birdnet_cli.core.model import load_model, read_description, read_model_file
from birdnet_cli.core.recipe import FinetuneSettings, HeadSettings, load_recipe, resolve_settings
from birdnet_cli.core.tensor_file import write_tensors
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint, load_checkpoint, save_checkpoint
from tests.core.textures import small_settings, write_textures

__all__ = ["PARSERS", "Parser"]


@dataclass(frozen=True)
class Parser:
    """A reader.

    Attributes:
        seeds: makes sound files in an empty folder and returns the files to damage, one at a time.
        read: reads the damaged file, or the folder that holds it.
    """

    seeds: Callable[[Path], list[Path]]
    read: Callable[[Path], object]


def _images(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (9, 13, 3), np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    picture.save(folder / "a.jpg", exif=exif)
    picture.save(folder / "b.png")
    picture.quantize(8).save(folder / "c.png", transparency=3)
    Image.fromarray(rng.integers(0, 65535, (5, 7), np.uint16)).save(folder / "d.png")
    picture.save(folder / "e.webp")
    picture.save(folder / "f.bmp")
    picture.convert("CMYK").save(folder / "g.jpg", progressive=True)
    return sorted(folder.iterdir())


def _read_image(path: Path) -> object:
    return decode_image(path)


def _csv_list(folder: Path) -> list[Path]:
    (folder / "a.jpg").write_bytes(b"")
    with (folder / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "split"), ("a.jpg", "x, y", "train"), ("a.jpg", "z", "test")])
    return [folder / "list.csv"]


def _cub(folder: Path) -> list[Path]:
    (folder / "images" / "001.Auk").mkdir(parents=True)
    (folder / "images" / "001.Auk" / "a.jpg").write_bytes(b"")
    lists = {
        "images.txt": "1 001.Auk/a.jpg\n2 001.Auk/b.jpg\n",
        "image_class_labels.txt": "1 1\n2 1\n",
        "train_test_split.txt": "1 1\n2 0\n",
        "classes.txt": "1 001.Auk\n",
        "bounding_boxes.txt": "1 1.0 2.0 3.0 4.0\n2 0.0 0.0 9.0 9.0\n",
    }
    for name, text in lists.items():
        (folder / name).write_text(text)
    return [folder / name for name in lists]


def _records(folder: Path) -> list[Path]:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5)).save(buffer, "JPEG")
    with write_records(folder / "train.rec") as writer:
        for number, labels in enumerate(((0.0,), (1.0,), (1.0, 3.0))):
            writer.write(ImageRecord(labels, number, 0, buffer.getvalue(), vector=len(labels) > 1))
    (folder / "classes.txt").write_text("auk\nloon\n")
    return [folder / "train.rec", folder / "train.idx", folder / "classes.txt"]


def _read_dataset(kind: str) -> Callable[[Path], object]:
    assert kind in list_formats()

    def read(path: Path) -> object:
        root = path if kind == "csv" else path.parent
        samples = open_dataset(root, format=kind, bbox=kind == "cub").samples
        return [read_sample(sample) for sample in samples] if kind == "rec" else samples

    return read


def _groups(folder: Path) -> list[Path]:
    (folder / "groups.csv").write_text('path,group\n"a,b.jpg",x\nc.jpg,y\n')
    return [folder / "groups.csv"]


def _recipes(folder: Path) -> list[Path]:
    (folder / "mine.yaml").write_text(
        "finetune:\n  lr: 1e-4\n  milestones: [3, 4]\n  head: fb\nextract: {pooling: avg}\n"
    )
    return [folder / "mine.yaml"]


def _read_recipe(path: Path) -> object:
    load_recipe(str(path))
    return resolve_settings(FinetuneSettings, section="finetune", recipe=str(path))


def _cache(folder: Path) -> list[Path]:
    data = write_textures(folder / "data", train=2, test=1)
    return [extract(data, folder / "a.h5", settings=small_settings(pooling="max,avg")).output]


def _read_cache(path: Path) -> object:
    with FeatureCache.open(path) as cache:
        columns = (cache.names, cache.labels, cache.splits, cache.classes, cache.status, cache.errors, cache.sha256)
        blocks = [rows.sum() for name in cache.descriptors for _, rows in cache.blocks(name, verify=True)]
        return columns, [cache.state(name) for name in cache.descriptors], blocks


def _model(folder: Path) -> list[Path]:
    cache = _cache(folder)[0]
    output = folder / "m.safetensors"
    train_head(cache, output, pooling="avg", settings=HeadSettings(C=1.0, calibrate=False), embed_backbone=False)
    return [output]


def _read_model(path: Path) -> object:
    return read_description(path), read_model_file(path)


WEIGHTS = {"a.weight": torch.ones(3, 2, 1, 1), "a.bias": torch.zeros(3)}


def _pth(folder: Path) -> list[Path]:
    torch.save(WEIGHTS, folder / "w.pth")
    return [folder / "w.pth"]


def _safetensors(folder: Path) -> list[Path]:
    write_tensors(folder / "w.safetensors", WEIGHTS, metadata={"preprocessing": json.dumps(IMAGENET.to_json())})
    return [folder / "w.safetensors"]


def _onnx(folder: Path) -> list[Path]:
    import onnx

    for file, names in (("named.onnx", list(WEIGHTS)), ("ordered.onnx", ["b", "c"])):
        tensors = zip(names, WEIGHTS.values(), strict=True)
        initializers = [onnx.numpy_helper.from_array(tensor.numpy(), name) for name, tensor in tensors]
        nodes = [onnx.helper.make_node("Conv", ["x", *names], ["y"], name="first")]
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "net", [], [], initializers)), folder / file)
    return [folder / "named.onnx", folder / "ordered.onnx"]


def _read_weights(path: Path) -> object:
    return read_weight_file(path, WEIGHTS)


def _checkpoints(folder: Path) -> list[Path]:
    for step in (3, 7):
        save_checkpoint(folder, Checkpoint(step, {"x": torch.arange(4.0)}, {"epoch": 1}))
    return sorted(folder.iterdir())


def _read_checkpoint(path: Path) -> object:
    return load_checkpoint(path.parent)


def _evaluations(folder: Path) -> list[Path]:
    model = load_model(_model(folder)[0], weights="none")
    (folder / "a.json").write_text("".join(serialise_evaluation(evaluate(folder / "a.h5", model))))
    return [folder / "a.json"]


PARSERS = {
    "image": Parser(_images, _read_image),
    "csv": Parser(_csv_list, _read_dataset("csv")),
    "cub": Parser(_cub, _read_dataset("cub")),
    "rec": Parser(_records, _read_dataset("rec")),
    "groups": Parser(_groups, read_groups),
    "recipe": Parser(_recipes, _read_recipe),
    "cache": Parser(_cache, _read_cache),
    "model": Parser(_model, _read_model),
    "pth": Parser(_pth, _read_weights),
    "safetensors": Parser(_safetensors, _read_weights),
    "onnx": Parser(_onnx, _read_weights),
    "checkpoint": Parser(_checkpoints, _read_checkpoint),
    "evaluation": Parser(_evaluations, read_evaluation),
}

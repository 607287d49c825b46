"""Arguments and options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "AsJson",
    "BBox",
    "BatchSize",
    "CacheFile",
    "DataFormat",
    "DataRoot",
    "Descriptor",
    "Device",
    "ImageSources",
    "ModelFile",
    "ModelSha256",
    "OnError",
    "Overwrite",
    "Precision",
    "Quiet",
    "SplitName",
    "Splits",
    "Weights",
    "Workers",
    "check_output",
]


def check_output(path: Path | None) -> Path | None:
    """Refuse an output file that cannot be written, before the work starts (`callback` of an option).

    Raises:
        typer.BadParameter: the path is a folder, or its folder does not exist.
    """
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; give a file in it")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; make it, or choose another file")
    return path


DataRoot = Annotated[
    Path, typer.Argument(help="Image folder, CUB-200-2011 folder, CSV with path,label[,split], or RecordIO (.rec).")
]
CacheFile = Annotated[Path, typer.Argument(help="A feature cache (.h5) written by fbn extract.")]
ImageSources = Annotated[
    list[str],
    typer.Argument(help="Images, folders, globs, .txt lists, .rec files, or - for paths on stdin.", metavar="SOURCE…"),
]
DataFormat = Annotated[
    Literal["auto", "folder", "cub", "csv", "rec"], typer.Option("--format", help="Layout of the data.")
]
BBox = Annotated[
    bool,
    typer.Option("--bbox", help="Crop to the data set's bounding boxes (CUB layout).", show_default="off"),
]
SplitName = Literal["train", "val", "test"]
Splits = Annotated[
    str | None,
    typer.Option("--split", help="Only these splits, comma-separated: train, val, test.", show_default="all"),
]
Descriptor = Annotated[
    str | None,
    typer.Option("--pooling", help="Descriptor of the cache, if it has several.", show_default="its only descriptor"),
]
Weights = Annotated[
    str, typer.Option("--weights", help="Backbone weights, for a model without an embedded backbone: auto or a file.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", "-b", help="Images per forward pass.")]
Workers = Annotated[
    int, typer.Option("--workers", "-j", help="Processes that decode images; 0 decodes in the main process.")
]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.", metavar="NAME")]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option("--precision", help="Arithmetic of the backbone; auto is bfloat16 where the hardware has it."),
]
OnError = Annotated[
    Literal["fail", "skip"],
    typer.Option("--on-error", help="At an image that cannot be read: stop, or list the image and exit with 3."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.", show_default="off")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; notes and errors only.", show_default="off")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.", show_default="off")]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        envvar="FBN_MODEL",
        help="Model file.",
        show_default="the newest .safetensors here or in runs/",
    ),
]
ModelSha256 = Annotated[
    str | None,
    typer.Option(
        "--sha256",
        help="Refuse the model file if its SHA-256 differs from this.",
        metavar="HEX",
        show_default="not checked",
    ),
]

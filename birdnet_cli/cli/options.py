"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "BBox",
    "BatchSize",
    "DataFormat",
    "DataRoot",
    "Device",
    "ModelFile",
    "ModelSha256",
    "OnError",
    "Overwrite",
    "Precision",
    "Quiet",
    "Recipe",
    "SetOverrides",
    "Workers",
    "check_output",
]


def check_output(path: Path | None) -> Path | None:
    """Refuse a file that could not be written, before the work of which it is the result (an option's `callback`)."""
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; give a file in it")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; make it, or choose another file")
    return path


DataRoot = Annotated[
    Path, typer.Argument(help="Image folder, CUB-200-2011 folder, CSV with path,label[,split], or RecordIO (.rec).")
]
DataFormat = Annotated[
    Literal["auto", "folder", "cub", "csv", "rec"],
    typer.Option("--format", help="Layout of the data.", show_choices=True),
]
BBox = Annotated[bool, typer.Option("--bbox", help="Crop to the data set's bounding boxes (CUB layout).")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", "-b", help="Images per forward pass.  [default: 16]")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-j", help="Processes that decode images; 0 decodes in this one.  [default: 2]"),
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.  [default: auto]", metavar="NAME")
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"] | None,
    typer.Option("--precision", help="Arithmetic of the backbone; auto is bfloat16 where it is native."),
]
OnError = Annotated[
    Literal["fail", "skip"],
    typer.Option("--on-error", help="At an image that cannot be read: stop, or list it and exit with 3."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; notes and errors only.")]
Recipe = Annotated[str | None, typer.Option("--recipe", help="A recipe's name or file.", metavar="NAME|FILE")]
SetOverrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one setting, such as extract.image_size=448; repeatable.", metavar="K=V"),
]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", envvar="FBN_MODEL", help="Model file.  [default: the newest .safetensors here or in runs/]"
    ),
]
ModelSha256 = Annotated[
    str | None, typer.Option("--sha256", help="Refuse the model file if its SHA-256 is another.", metavar="HEX")
]

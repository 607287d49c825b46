"""An audit -> `audit.csv`, one row per finding, and `audit.html`, one self-contained page."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.engine.audit.audit import Audit
from birdnet_cli.core.engine.audit.findings import KINDS
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.report.class_names import readable_names
from birdnet_cli.core.report.html import page_environment, page_policy, read_style
from birdnet_cli.core.report.thumbnails import Thumbnails
from birdnet_cli.core.spreadsheet import text_cell

__all__ = ["render_audit", "write_audit"]

MOST = 120  # findings of one kind on the page

COLUMNS = ("kind", "score", "path", "split", "label", "suggestion", "other", "other_split", "other_label")

# Title, explanation, name of the score.
WORDS = {
    "label": (
        "Likely label errors",
        "Heads that were solved without the image are surer of another class than they are of other images of it.",
        "surer by",
    ),
    "duplicate": ("Duplicates", "The same file twice, byte for byte.", "similarity"),
    "near-duplicate": (
        "Near-duplicates",
        "Almost the same picture as an earlier one. In two splits, it makes a model look better than it is.",
        "similarity",
    ),
    "outlier": (
        "Outliers",
        "Far less like the nearest images of its class than is usual in it: a wrong or hidden subject, or a rare view.",
        "deviations",
    ),
}


@dataclass(frozen=True)
class _Section:
    kind: str
    title: str
    note: str
    measure: str
    count: int
    items: list[dict[str, Any]]


def write_audit(audit: Audit, folder: Path, *, images: Path | None = None, progress: Progress | None = None) -> None:
    """Write both files into a folder, which is made.

    Args:
        audit: what was found.
        folder: gets `audit.csv` and `audit.html`.
        images: the data set that the cache was made from, for thumbnails; None leaves them out.
        progress: told of thumbnails that had to be left out.

    Raises:
        UsageError: jinja2 is not installed.
        DataError: there is no data set at `images`.
    """
    samples: dict[str, Sample] = {}
    if images is not None:
        samples = {sample.name: sample for sample in open_dataset(images, bbox=audit.bbox).samples}
    thumbnails = Thumbnails(audit, samples)
    text = render_audit(audit, thumbnails, made=date.today())
    if thumbnails.refused:
        (progress or SilentProgress()).note(
            f"{thumbnails.refused} thumbnails left out: {images} does not hold the files that were extracted"
        )
    folder.mkdir(parents=True, exist_ok=True)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in audit.to_rows():
        writer.writerow({key: text_cell(value) if isinstance(value, str) else value for key, value in row.items()})
    for name, content in (("audit.csv", table.getvalue()), ("audit.html", text)):
        # A byte of a file name that is no UTF-8 is shown as an escape.
        write_bytes_atomically(folder / name, content.encode("utf-8", "backslashreplace"))


def render_audit(audit: Audit, thumbnails: Thumbnails, *, made: date) -> str:
    """Return the page.

    Args:
        audit: what was found.
        thumbnails: of its images, in its order.
        made: the day to print.
    """
    style = read_style()
    names = dict(zip(audit.classes, readable_names(audit.classes), strict=True))
    rows = [
        row | {key: names.get(row[key], row[key]) for key in ("label", "suggestion", "other_label")}
        for row in audit.to_rows()
    ]
    sections = []
    for kind in KINDS:
        found = [(one, row) for one, row in zip(audit.findings, rows, strict=True) if one.kind == kind]
        items = [
            row
            | {
                "thumbnail": thumbnails.uri(one.row),
                "other_thumbnail": None if one.other is None else thumbnails.uri(one.other),
            }
            for one, row in found[:MOST]
        ]
        sections.append(_Section(kind, *WORDS[kind], count=len(found), items=items))
    return (
        page_environment()
        .get_template("audit.html.j2")
        .render(
            audit=audit,
            names=names,
            sections=sections,
            style=style,
            policy=page_policy(style),
            made=made,
            with_thumbnails=bool(thumbnails),
        )
    )

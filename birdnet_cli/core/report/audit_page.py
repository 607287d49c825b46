"""An audit -> `audit.csv`, one row per finding, and `audit.html`, one self-contained page."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.engine.audit.audit import Audit
from birdnet_cli.core.engine.audit.findings import KINDS
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.report.class_names import readable_names
from birdnet_cli.core.report.html import page_environment, page_policy, read_style, write_text
from birdnet_cli.core.report.thumbnails import Thumbnails
from birdnet_cli.core.spreadsheet import text_cell

__all__ = ["render_audit", "write_audit"]

MOST = 120  # findings of a kind on the page

COLUMNS = ("kind", "score", "path", "split", "label", "suggestion", "other", "other_split", "other_label")

# Kind of finding -> title, explanation, name of the score.
WORDS = {
    "label": (
        "Likely label errors",
        "Heads solved without the image give another class more probability than its label, and at least as much as "
        "images of that class get on average.",
        "surer by",
    ),
    "duplicate": ("Duplicates", "The same file twice, byte for byte.", "similarity"),
    "near-duplicate": (
        "Near-duplicates",
        "Almost the same picture as an earlier image. If they are in two splits, the measured accuracy is too high.",
        "similarity",
    ),
    "outlier": (
        "Outliers",
        "Much less similar to its class than usual in that class: a wrong or hidden subject, or a rare view.",
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
    """Write `audit.csv` and `audit.html` into a folder.

    Args:
        audit: the audit to write.
        folder: output folder; created if absent.
        images: the data set that the cache was made from, for thumbnails; None leaves them out.
        progress: gets a note if thumbnails had to be left out.

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
        write_text(folder / name, content)


def render_audit(audit: Audit, thumbnails: Thumbnails, *, made: date) -> str:
    """Return the page as HTML.

    Args:
        audit: the audit to show.
        thumbnails: thumbnails of the audited images.
        made: date printed on the page.
    """
    style = read_style()
    names = dict(zip(audit.classes, readable_names(audit.classes), strict=True))
    rows = [
        row | {key: names.get(row[key], row[key]) for key in ("label", "suggestion", "other_label")}
        for row in audit.to_rows()
    ]
    sections = []
    for kind in KINDS:
        found = [(finding, row) for finding, row in zip(audit.findings, rows, strict=True) if finding.kind == kind]
        items = [
            row
            | {
                "thumbnail": thumbnails.uri(finding.row),
                "other_thumbnail": None if finding.other is None else thumbnails.uri(finding.other),
            }
            for finding, row in found[:MOST]
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

"""An evaluation -> the text of the page: jinja2 with everything escaped, one style, one script, and nothing to load.

The page's content security policy allows its own style and script by their hashes, and images as data URIs; so a
browser runs and fetches nothing else, even if escaping failed.
"""

import base64
import hashlib
import importlib.util
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.engine.evaluation import ClassFigures, Evaluation, widest_coverage
from birdnet_cli.core.engine.progress import Progress, SilentProgress
from birdnet_cli.core.engine.report.charts import draw_coverage, draw_reliability
from birdnet_cli.core.engine.report.facts import list_facts
from birdnet_cli.core.engine.report.matrix import draw_matrix
from birdnet_cli.core.engine.report.mistakes import confused_pairs, surest_mistakes
from birdnet_cli.core.engine.report.names import readable_names
from birdnet_cli.core.engine.report.thumbnails import Thumbnails
from birdnet_cli.core.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_report", "require_report_extra", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"
TARGETS = (0.95, 0.98, 0.99, 0.995)


def require_report_extra() -> None:
    """Check that a page can be made.

    Raises:
        UsageError: jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError("a report needs jinja2: python -m pip install 'birdnet-cli[report]'")


def write_report(
    evaluation: Evaluation,
    output: Path,
    *,
    images: Path | None = None,
    data_format: str = "auto",
    bbox: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write an evaluation as one self-contained HTML page.

    Args:
        evaluation: what was measured.
        output: the file to write.
        images: the data set that the images come from, for thumbnails; None leaves them out.
        data_format: its layout.
        bbox: crop thumbnails to the data set's bounding boxes.
        progress: told of thumbnails that had to be left out.

    Raises:
        UsageError: jinja2 is not installed.
        DataError: there is no data set at `images`.
    """
    samples: dict[str, Sample] = {}
    if images is not None:
        dataset = open_dataset(images, format=data_format, bbox=bbox)
        samples = {sample.name: sample for sample in dataset.samples if sample.split == evaluation.split}
    thumbnails = Thumbnails(evaluation.records, samples)
    text = render_report(evaluation, thumbnails, made=date.today())
    if thumbnails.refused:
        (progress or SilentProgress()).note(
            f"{thumbnails.refused} thumbnails left out: {images} does not hold the files that were evaluated"
        )
    # A byte of a file name that is no UTF-8 is shown as an escape.
    write_bytes_atomically(output, text.encode("utf-8", "backslashreplace"))


def render_report(evaluation: Evaluation, thumbnails: Thumbnails, *, made: date) -> str:
    """Return the page.

    Args:
        evaluation: what was measured.
        thumbnails: of its images.
        made: the day to print.

    Raises:
        UsageError: jinja2 is not installed.
    """
    require_report_extra()
    names = readable_names(evaluation.classes)
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    operating = {target: widest_coverage(evaluation.records, target) for target in TARGETS}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            evaluation=evaluation,
            title=evaluation.model.get("file", "Evaluation"),
            names=names,
            style=style,
            script=script,
            policy=_policy(style, script),
            made=made,
            rows=_by_recall(evaluation, names),
            often_called=_often_called(evaluation, names),
            pairs=confused_pairs(evaluation, thumbnails),
            mistakes=surest_mistakes(evaluation, thumbnails),
            mistakes_in_all=evaluation.n - int(evaluation.records.right.sum()),
            with_thumbnails=bool(thumbnails),
            matrix=draw_matrix(evaluation, names),
            reliability=draw_reliability(evaluation.reliability),
            coverage=draw_coverage(evaluation.coverage),
            operating=operating,
            mean_confidence=float(evaluation.records.confidence.mean()) if evaluation.n else 0.0,
            facts=list_facts(evaluation.model),
        )
    )


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["percent"] = lambda share, digits=1: "–" if share is None else f"{100 * share:.{digits}f}%"
    # 99.6% that is wrong is no certainty.
    environment.filters["probability"] = lambda share: ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _by_recall(evaluation: Evaluation, names: tuple[str, ...]) -> list[tuple[ClassFigures, str]]:
    """Return the classes and how they are shown, the lowest recall first and those without an image last."""
    rows = list(zip(evaluation.per_class, names, strict=True))
    return sorted(rows, key=lambda row: (row[0].recall is None, row[0].recall or 0.0, row[1]))


def _often_called(evaluation: Evaluation, names: tuple[str, ...]) -> Mapping[str, tuple[str, int]]:
    """Return, per class that has mistakes, what it was taken for most often, and how often."""
    readable = dict(zip(evaluation.classes, names, strict=True))
    most: dict[str, tuple[str, int]] = {}
    for pair in evaluation.confusions:
        most.setdefault(pair.true, (readable[pair.predicted], pair.count))
    return most

"""An evaluation -> one self-contained HTML page: metrics, charts, thumbnails, and tables that sort and filter."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.evaluation import ClassEvaluation, Evaluation, widest_coverage
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.report.charts import draw_coverage, draw_reliability
from birdnet_cli.core.report.class_names import readable_names
from birdnet_cli.core.report.confusion_matrix import draw_matrix
from birdnet_cli.core.report.html import (
    page_environment,
    page_policy,
    read_script,
    read_style,
    require_report_extra,
    write_text,
)
from birdnet_cli.core.report.mistakes import confused_pairs, surest_mistakes
from birdnet_cli.core.report.model_table import list_facts
from birdnet_cli.core.report.thumbnails import Thumbnails

__all__ = ["render_report", "write_report"]

TARGETS = (0.95, 0.98, 0.99, 0.995)  # accuracies whose widest coverage is listed


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
        evaluation: the evaluation to show.
        output: the file to write.
        images: the data set that was evaluated, for thumbnails; None leaves them out.
        data_format: layout of the data set: `auto`, `folder`, `cub`, `csv` or `rec`.
        bbox: crop thumbnails to the data set's bounding boxes.
        progress: gets a note if thumbnails had to be left out.

    Raises:
        UsageError: jinja2 is not installed.
        DataError: there is no data set at `images`.
    """
    samples: dict[str, Sample] = {}
    if images is not None:
        dataset = open_dataset(images, format=data_format, bbox=bbox)
        samples = {sample.name: sample for sample in dataset.samples if sample.split == evaluation.split}
    thumbnails = Thumbnails(evaluation.outcomes, samples)
    text = render_report(evaluation, thumbnails, made=date.today())
    if thumbnails.refused:
        (progress or SilentProgress()).note(
            f"{thumbnails.refused} thumbnails left out: {images} does not hold the files that were evaluated"
        )
    write_text(output, text)


def render_report(evaluation: Evaluation, thumbnails: Thumbnails, *, made: date) -> str:
    """Return the page as HTML.

    Args:
        evaluation: the evaluation to show.
        thumbnails: thumbnails of `evaluation.outcomes`.
        made: date printed on the page.

    Raises:
        UsageError: jinja2 is not installed.
    """
    require_report_extra()
    names = readable_names(evaluation.classes)
    style, script = read_style(), read_script()
    operating = {target: widest_coverage(evaluation.outcomes, target) for target in TARGETS}
    return (
        page_environment()
        .get_template("report.html.j2")
        .render(
            evaluation=evaluation,
            title=evaluation.model.get("file", "Evaluation"),
            names=names,
            style=style,
            script=script,
            policy=page_policy(style, script),
            made=made,
            rows=_by_recall(evaluation, names),
            frequent_mistakes=_frequent_mistakes(evaluation, names),
            pairs=confused_pairs(evaluation, thumbnails),
            mistakes=surest_mistakes(evaluation, thumbnails),
            mistakes_in_all=evaluation.n - int(evaluation.outcomes.correct.sum()),
            with_thumbnails=bool(thumbnails),
            matrix=draw_matrix(evaluation, names),
            reliability=draw_reliability(evaluation.reliability),
            coverage=draw_coverage(evaluation.coverage),
            operating=operating,
            mean_confidence=float(evaluation.outcomes.confidence.mean()) if evaluation.n else 0.0,
            facts=list_facts(evaluation.model),
        )
    )


def _by_recall(evaluation: Evaluation, names: tuple[str, ...]) -> list[tuple[ClassEvaluation, str]]:
    """Return each class with its shown name, by rising recall; classes without an image come last."""
    rows = list(zip(evaluation.per_class, names, strict=True))
    return sorted(rows, key=lambda row: (row[0].recall is None, row[0].recall or 0.0, row[1]))


def _frequent_mistakes(evaluation: Evaluation, names: tuple[str, ...]) -> Mapping[str, tuple[str, int]]:
    """Return, for each class with a mistake, its most frequent wrong prediction and that prediction's count."""
    readable = dict(zip(evaluation.classes, names, strict=True))
    most: dict[str, tuple[str, int]] = {}
    for pair in evaluation.confusions:
        most.setdefault(pair.true, (readable[pair.predicted], pair.count))
    return most

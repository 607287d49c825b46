"""An evaluation -> the text of its page: figures, charts and thumbnails, with a script that sorts and filters."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.evaluation import ClassEvaluation, Evaluation, widest_coverage
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.report.charts import draw_coverage, draw_reliability
from birdnet_cli.core.report.class_names import readable_names
from birdnet_cli.core.report.confusion_matrix import draw_matrix
from birdnet_cli.core.report.html import page_environment, page_policy, read_script, read_style, require_report_extra
from birdnet_cli.core.report.mistakes import confused_pairs, surest_mistakes
from birdnet_cli.core.report.model_table import list_facts
from birdnet_cli.core.report.thumbnails import Thumbnails

__all__ = ["render_report", "write_report"]

TARGETS = (0.95, 0.98, 0.99, 0.995)


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
    thumbnails = Thumbnails(evaluation.outcomes, samples)
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
            often_predicted=_often_predicted(evaluation, names),
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
    """Return the classes and how they are shown, the lowest recall first and those without an image last."""
    rows = list(zip(evaluation.per_class, names, strict=True))
    return sorted(rows, key=lambda row: (row[0].recall is None, row[0].recall or 0.0, row[1]))


def _often_predicted(evaluation: Evaluation, names: tuple[str, ...]) -> Mapping[str, tuple[str, int]]:
    """Return, per class that has mistakes, what it was taken for most often, and how often."""
    readable = dict(zip(evaluation.classes, names, strict=True))
    most: dict[str, tuple[str, int]] = {}
    for pair in evaluation.confusions:
        most.setdefault(pair.true, (readable[pair.predicted], pair.count))
    return most

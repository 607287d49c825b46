"""The evaluation's page as text: it is complete, loads nothing, and shows names as text."""

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.evaluation import Evaluation, OutcomeCollector
from birdnet_cli.core.report import render_report, write_report
from birdnet_cli.core.report.thumbnails import Thumbnails
from tests.core.evaluation.simulated import evaluation_of, simulate
from tests.core.report.conftest import CLASSES, NAMES

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


class Outline(HTMLParser):
    """Elements, attributes and text of a page; an element that is closed in the wrong place is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.raw: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"style", "script"}:
            self.raw[self.open[-1]] = data
        else:
            self.text.append(data)


def page_of(evaluation: Evaluation) -> Outline:
    return Outline(render_report(evaluation, Thumbnails(evaluation.outcomes, {}), made=date(2026, 11, 25)))


@pytest.fixture(scope="module")
def plain() -> Outline:
    return page_of(simulate(classes=("red_finch", "blue_finch", "grey_finch"), n=200, sharpness=1.5))


def test_every_section_is_there(plain: Outline) -> None:
    identifiers = {value for _, name, value in plain.attributes if name == "id"}
    assert {"summary", "pairs", "matrix", "classes", "mistakes", "calibration", "model"} <= identifiers
    linked = {value[1:] for _, name, value in plain.attributes if name == "href" and value.startswith("#")}
    assert linked <= identifiers


def test_no_identifier_is_there_twice(plain: Outline) -> None:
    identifiers = Counter(value for _, name, value in plain.attributes if name == "id")
    assert max(identifiers.values()) == 1
    referred = {word for _, name, value in plain.attributes if name == "aria-labelledby" for word in value.split()}
    assert referred <= identifiers.keys()


def test_the_metrics_and_their_intervals_are_shown() -> None:
    evaluation = simulate(classes=("a", "b", "c"), n=1800, sharpness=2.0)
    text = " ".join(" ".join(page_of(evaluation).text).split())
    for name in ("top1", "top5", "macro_recall", "macro_precision", "ece"):
        low, high = evaluation.estimates[name].interval
        assert f"{100 * evaluation.estimates[name].value:.1f}%" in text
        assert f"{100 * low:.1f}% to {100 * high:.1f}%" in text
    assert "1,800 test images of simulated" in text.replace(" , ", ", ")


def test_only_the_pages_own_style_and_script_may_run(plain: Outline) -> None:
    (policy,) = [value for tag, name, value in plain.attributes if tag == "meta" and "default-src" in value]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(plain.raw[kind].encode()).digest()).decode()
        assert directives[f"{kind}-src"] == f"'sha256-{digest}'"
    assert plain.elements["style"] == plain.elements["script"] == 1


def test_nothing_is_asked_for_and_nothing_is_inline(plain: Outline) -> None:
    for tag, name, value in plain.attributes:
        assert name != "style"
        assert not name.startswith("on")
        if name in {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}:
            assert value.startswith(("#", "data:")), (tag, name, value)
    assert not plain.elements.keys() & {"iframe", "object", "embed", "form", "base", "audio", "video"}
    assert "url(" not in plain.raw["style"]
    assert "@import" not in plain.raw["style"]
    assert "innerHTML" not in plain.raw["script"]


def test_names_are_never_markup(hostile: Evaluation, plain: Outline) -> None:
    page = page_of(hostile)
    text = "".join(page.text)
    for name in (*CLASSES[:5], "<u>data</u>", "<i>copy</i>.jpg", "<b>failed</b>.jpg", "<em>x</em>"):
        assert name.replace("_", " ") in text.replace("_", " ")
    assert NAMES[0] in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    assert "{{ 7 * 7 }}" in text
    assert not page.elements.keys() & {"b", "i", "u", "em", "img"}
    assert page.elements["script"] == 1
    assert page.raw == plain.raw
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_a_byte_of_a_name_that_is_not_utf8_is_written_as_an_escape(hostile: Evaluation, tmp_path: Path) -> None:
    write_report(hostile, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_bytes().decode("utf-8")
    assert "caf\\udce9" in text
    assert "\\udcff" in text


def test_thumbnails_stand_side_by_side(page_with_images: Path) -> None:
    page = Outline(page_with_images.read_text())
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) > 20
    assert all(value.startswith("data:image/jpeg;base64,") for value in pictures)
    alternatives = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(alternatives) == len(pictures)
    assert all(
        re.fullmatch(r"(red|blue|grey) finch, predicted as (red|blue|grey) finch", text) for text in alternatives
    )
    assert page_with_images.stat().st_size < 2_500_000


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, title: str, *, total: int, unit: str) -> None:
        raise AssertionError("a report has no stages")

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_images_other_than_the_evaluated_files_are_left_out_with_a_note(
    squares: tuple[Path, Evaluation], tmp_path: Path
) -> None:
    root, evaluation = squares
    other = replace(evaluation, outcomes=replace(evaluation.outcomes, digests=evaluation.outcomes.digests[::-1].copy()))
    notes = Notes()
    write_report(other, tmp_path / "page.html", images=root, progress=notes)
    (line,) = notes.lines
    assert re.match(r"\d+ thumbnails left out: .* does not hold the files that were evaluated", line)
    assert "data:image" not in (tmp_path / "page.html").read_text()


def test_images_without_a_data_set_are_an_error(hostile: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        write_report(hostile, tmp_path / "page.html", images=tmp_path / "absent")
    assert not (tmp_path / "page.html").exists()


def test_duplicates_and_failures_are_listed_at_the_top(hostile: Evaluation) -> None:
    text = " ".join("".join(page_of(hostile).text).split())
    assert "1 of these images are also in another split" in text
    assert f"of {hostile.n - 1} images" in text
    assert "1 images could not be read" in text


@pytest.mark.parametrize(
    "evaluation",
    [
        evaluation_of(("a", "b"), [(0, 0, 0.9), (1, 1, 0.8)]),
        evaluation_of(("a", "b"), [(0, 1, 0.9)]),
        Evaluation(("a", "b"), OutcomeCollector(2).outcomes()),
        simulate(classes=tuple(f"class {number}" for number in range(150)), n=300, sharpness=1.0),
    ],
    ids=["all correct", "one image, wrong", "no image", "many classes"],
)  # fmt: skip
def test_any_evaluation_can_be_shown(evaluation: Evaluation) -> None:
    page = page_of(evaluation)
    assert page.elements["section"] == 6
    assert "nan" not in " ".join(page.text).split()


def test_the_worst_class_is_the_first_row() -> None:
    evaluation = evaluation_of(("a", "b", "c"), [(0, 0, 0.9), (1, 0, 0.9), (1, 1, 0.9)])
    text = render_report(evaluation, Thumbnails(evaluation.outcomes, {}), made=date(2026, 1, 1))
    assert re.findall(r'<tr data-search="(\w) \w">', text) == ["b", "a", "c"]


def test_a_mistake_is_never_shown_as_certain() -> None:
    text = " ".join(page_of(evaluation_of(("a", "b"), [(0, 1, 0.9996), (0, 1, 0.5), (1, 1, 0.9)])).text)
    assert ">99%" in text
    assert "All wrong predictions, the surest first." in text


def test_the_same_evaluation_gives_the_same_page(hostile: Evaluation) -> None:
    first, second = (
        render_report(hostile, Thumbnails(hostile.outcomes, {}), made=date(2026, 11, 25)) for _ in range(2)
    )
    assert first == second

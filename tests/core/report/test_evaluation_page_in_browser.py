"""The evaluation's page in a real browser: it renders quickly, sorts, filters, and requests and logs nothing."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.data import open_dataset
from birdnet_cli.core.report import write_report
from tests.chromium import Chromium, Page
from tests.core.evaluation.simulated import simulate
from tests.core.report.conftest import CLASSES, write_squares

pytestmark = pytest.mark.browser

NARROW = {"width": 360, "height": 740}
VISIBLE = "Array.from(document.querySelectorAll('#classes-table tbody tr')).filter(row => !row.hidden)"
FIRST_CELLS = f"{VISIBLE}.map(row => row.cells[0].dataset.value)"


@pytest.fixture
def page(chromium: Chromium, page_with_images: Path) -> Iterator[Page]:
    opened = chromium.open(page_with_images.as_uri())
    yield opened
    opened.close()


@pytest.fixture
def hostile_tab(chromium: Chromium, hostile_page: Path) -> Iterator[Page]:
    opened = chromium.open(hostile_page.as_uri())
    yield opened
    opened.close()


def column(page: Page, number: int) -> list[float]:
    values = page.evaluate(f"{VISIBLE}.map(row => row.cells[{number}].dataset.value)")
    return [float(value) if value else np.inf for value in values]


def sort_button(number: int) -> str:
    return f"#classes-table th:nth-child({number + 1}) button"


def test_it_renders_without_a_console_message_or_a_request(page: Page, page_with_images: Path) -> None:
    assert page.evaluate("document.documentElement.dataset.ready") == "yes"
    assert page.evaluate("Array.from(document.images).every(image => image.complete ? image.naturalWidth > 0 : true)")
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.settle()
    assert page.complaints == []
    own, *others = page.requests
    assert own == page_with_images.as_uri()
    assert [address[:60] for address in others if not address.startswith("data:image/jpeg;base64,")] == []


def test_pictures_are_square_and_decoded(page: Page) -> None:
    sizes = page.evaluate(
        "Promise.all(Array.from(document.images).map(image => { image.loading = 'eager'; return image.decode(); }))"
        ".then(() => Array.from(document.images).map(image => { const box = image.getBoundingClientRect();"
        "return [box.width, box.height, image.naturalWidth]; }))"
    )
    assert len(sizes) > 20
    for width, height, natural in sizes:
        assert width > 40
        assert height == pytest.approx(width, abs=1)
        assert natural > width


def test_names_stay_text(hostile_tab: Page) -> None:
    assert "taken" not in hostile_tab.evaluate("document.title")
    assert hostile_tab.complaints == []
    assert hostile_tab.evaluate("document.scripts.length") == 1
    assert hostile_tab.evaluate("document.querySelectorAll('main b, main i, main u, main em, img').length") == 0
    shown = hostile_tab.evaluate(FIRST_CELLS)
    assert set(CLASSES[:3]) <= set(shown)
    assert len(hostile_tab.requests) == 1


def test_the_policy_stops_a_foreign_script(hostile_page: Path, chromium: Chromium) -> None:
    text = hostile_page.read_text()
    bad = hostile_page.with_name("bad.html")
    bad.write_text(
        text.replace("</main>", "<script>document.title = 'taken'</script><img src='https://x.invalid/'></main>")
    )
    page = chromium.open(bad.as_uri())
    try:
        assert page.evaluate("document.title") != "taken"
        assert any("Content Security Policy" in line for line in page.complaints)
    finally:
        page.close()


def test_a_click_sorts_and_another_turns_the_order(page: Page) -> None:
    page.click(sort_button(4))
    rising = column(page, 4)
    assert rising == sorted(rising)
    assert page.evaluate("document.querySelector('th[aria-sort]').cellIndex") == 4
    assert page.evaluate("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    page.click(sort_button(4))
    assert column(page, 4) == sorted(rising, reverse=True)
    assert page.evaluate("document.querySelectorAll('th[aria-sort]').length") == 1


def test_names_sort_as_text(page: Page) -> None:
    page.click(sort_button(0))
    assert page.evaluate(FIRST_CELLS) == ["blue finch", "grey finch", "red finch"]


def test_a_class_without_a_recall_stays_last_in_both_orders(chromium: Chromium, tmp_path: Path) -> None:
    evaluation = simulate(classes=("a", "b", "c"), n=60, sharpness=1.0)
    without_b = evaluation.outcomes.select(evaluation.outcomes.labels != 1)
    path = tmp_path / "page.html"
    write_report(type(evaluation)(evaluation.classes, without_b, data="x", split="test"), path)
    page = chromium.open(path.as_uri())
    try:
        assert page.evaluate(FIRST_CELLS)[-1] == "b"
        for _ in range(2):
            page.click(sort_button(2))
            assert page.evaluate(FIRST_CELLS)[-1] == "b"
    finally:
        page.close()


def test_typing_filters_and_escape_shows_all_again(page: Page) -> None:
    page.click("#classes-filter")
    page.write("GREY")
    assert page.evaluate(FIRST_CELLS) == ["grey finch"]
    assert page.evaluate("document.getElementById('classes-shown').textContent") == "1 of 3 classes"
    page.press("Escape", code=27)
    assert len(page.evaluate(FIRST_CELLS)) == 3
    page.write("grey_f")  # as the folder spells it
    assert page.evaluate(FIRST_CELLS) == ["grey finch"]


def test_a_filter_survives_sorting(page: Page) -> None:
    page.click("#classes-filter")
    page.write("e")
    page.press("Backspace", code=8)
    page.write("blue")
    page.click(sort_button(1))
    assert page.evaluate(FIRST_CELLS) == ["blue finch"]


def test_the_keyboard_reaches_and_operates_every_control(page: Page) -> None:
    seen: list[str] = []
    for _ in range(60):
        page.press("Tab", code=9)
        seen.append(
            page.evaluate(
                "(() => { const focus = document.activeElement; return focus.id || focus.getAttribute('aria-label')"
                "|| focus.getAttribute('aria-labelledby') || focus.textContent.trim(); })()"
            )
        )
        if page.evaluate("document.activeElement.matches('#classes-table th:nth-child(5) button')"):
            page.press("Enter", code=13, text="\r")
    assert seen[0] == "Skip to the metrics"
    for stop in ("Confusion matrix", "matrix-heading", "classes-filter", "classes-title", "The same in numbers"):
        assert stop in seen
    assert page.evaluate("document.querySelector('th[aria-sort]').cellIndex") == 4


def test_the_focus_is_visible(page: Page) -> None:
    page.press("Tab", code=9)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("which", ["page_with_images", "hostile_page"])
@pytest.mark.parametrize("size", [{"width": 320, "height": 640}, NARROW, {"width": 1200, "height": 900}])
def test_no_screen_needs_scrolling_sideways(
    chromium: Chromium, which: str, size: dict[str, int], request: pytest.FixtureRequest
) -> None:
    page = chromium.open(request.getfixturevalue(which).as_uri(), **size)
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    finally:
        page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_text_contrasts_with_its_ground_in_either_scheme(
    chromium: Chromium, page_with_images: Path, dark: bool
) -> None:
    page = chromium.open(page_with_images.as_uri(), dark=dark)
    try:
        grounds = [luminance(page.evaluate(f"getComputedStyle({ground}).backgroundColor")) for ground in GROUNDS]
        assert (max(grounds) < 0.1) if dark else (min(grounds) > 0.8)
        for name in ("--ink", "--faint", "--correct", "--wrong", "--accent"):
            colour = luminance(page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('{name}')"))
            for ground in grounds:
                high, low = max(colour, ground), min(colour, ground)
                # WCAG 2.2, level AA.
                assert (high + 0.05) / (low + 0.05) >= 4.5, (name, dark)
    finally:
        page.close()


GROUNDS = ("document.body", "document.querySelector('.tile')")


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` or `rgb(r, g, b)`, as WCAG defines it."""
    text = colour.strip()
    values = (
        [int(text[place : place + 2], 16) for place in (1, 3, 5)]
        if text.startswith("#")
        else [int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    )
    shares = [value / 255 for value in values]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_two_hundred_classes_of_six_thousand_images_are_interactive_within_three_seconds(
    chromium: Chromium, tmp_path: Path
) -> None:
    classes = tuple(f"{number:03d}.Some_Kind_of_Bird_{number}" for number in range(200))
    evaluation = write_squares(tmp_path, simulate(classes=classes, n=6000, sharpness=3.0, prefix="test", batch=500))
    for name in classes:
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        (folder / "0.jpg").write_bytes((tmp_path / evaluation.outcomes.names[0]).read_bytes())
    path = tmp_path / "page.html"
    write_report(evaluation, path, images=tmp_path)
    assert seconds_to_interactive(chromium, path) < 3


def test_a_page_of_real_photographs_is_interactive_within_three_seconds(
    chromium: Chromium, shared_data: Path, tmp_path: Path
) -> None:
    root = shared_data / "CUB_60"
    dataset = open_dataset(root).subset("test")
    simulated = simulate(classes=dataset.classes, n=len(dataset.samples), sharpness=3.0)
    # The predictions are made up; the photographs, and so the size of the page, are real.
    names = tuple(sample.name for sample in dataset.samples)
    digests = b"".join(hashlib.sha256(sample.path.read_bytes()).digest() for sample in dataset.samples)
    columns = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    path = tmp_path / "page.html"
    write_report(
        replace(simulated, outcomes=replace(simulated.outcomes, names=names, digests=columns)), path, images=root
    )
    assert path.read_text().count("data:image/jpeg;base64,") > 60
    assert path.stat().st_size < 2_500_000
    assert seconds_to_interactive(chromium, path) < 3


def seconds_to_interactive(chromium: Chromium, path: Path) -> float:
    """Return the seconds from the request to the frame after a click on a column."""
    page = chromium.open(path.as_uri())
    try:
        before = page.evaluate(FIRST_CELLS)
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        answered = page.evaluate(
            "new Promise(done => { const start = performance.now();"
            "document.querySelector('#classes-table th button').click();"
            "requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start))); })"
        )
        assert page.evaluate(FIRST_CELLS) != before
        assert page.complaints == []
    finally:
        page.close()
    return float(loaded + answered) / 1000

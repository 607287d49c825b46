"""The CSV and the page of an audit are complete, and names become neither markup nor formulas."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from birdnet_cli.core.engine.audit import Audit, audit_cache
from birdnet_cli.core.report import render_audit, write_audit
from birdnet_cli.core.report.thumbnails import Thumbnails
from tests.chromium import Chromium
from tests.core.report.conftest import CLASSES, NAMES
from tests.core.report.test_evaluation_page import Outline


@pytest.fixture(scope="module")
def audit(flawed: tuple[Path, Path]) -> Audit:
    return audit_cache(flawed[1], pooling="max", near=0.9)


@pytest.fixture(scope="module")
def hostile(audit: Audit) -> Audit:
    names = [NAMES[row % len(NAMES)] + str(row) for row in range(len(audit.names))]
    names[audit.findings[0].row] = "=cmd|'/c calc'!A1"
    return replace(audit, names=tuple(names), classes=CLASSES[:3], cache="<b>.h5", unreadable=("<i>: x",))


def test_the_csv_has_every_finding_and_no_formula(hostile: Audit, tmp_path: Path) -> None:
    write_audit(hostile, tmp_path / "out")
    with (tmp_path / "out" / "audit.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kind"] for row in rows] == [finding.kind for finding in hostile.findings]
    assert rows[0]["path"] == "'=cmd|'/c calc'!A1"
    assert float(rows[0]["score"]) == pytest.approx(hostile.findings[0].score, abs=1e-4)


def test_names_are_never_markup(hostile: Audit) -> None:
    page = Outline(render_audit(hostile, Thumbnails(hostile, {}), made=date(2026, 11, 25)))
    assert page.elements["script"] == page.elements["b"] == page.elements["i"] == page.elements["img"] == 0
    assert page.elements["figure"] == len(hostile.findings)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_the_page_shows_both_pictures_of_a_pair(audit: Audit, flawed: tuple[Path, Path], tmp_path: Path) -> None:
    write_audit(audit, tmp_path, images=flawed[0])
    page = Outline((tmp_path / "audit.html").read_text(encoding="utf-8"))
    pairs = sum(finding.other is not None for finding in audit.findings)
    assert pairs
    assert page.elements["img"] == len(audit.findings) + pairs


@pytest.mark.browser
def test_it_renders_in_a_browser_without_a_console_message_or_a_request(
    chromium: Chromium, audit: Audit, flawed: tuple[Path, Path], tmp_path: Path
) -> None:
    write_audit(audit, tmp_path, images=flawed[0])
    page = chromium.open((tmp_path / "audit.html").as_uri())
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.settle()
    assert page.evaluate("Array.from(document.images).every(image => image.naturalWidth > 0)")
    assert page.complaints == []
    _, *others = page.requests
    assert [address for address in others if not address.startswith("data:")] == []
    page.close()

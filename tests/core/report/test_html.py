"""The parts of all pages: escaped templates, filters, the content security policy, and the extra they need."""

import base64
import hashlib
import importlib.util
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.report.html import page_environment, page_policy, require_report_extra, write_text


def rendered(template: str, **values: object) -> str:
    return page_environment().from_string(template).render(**values)


def test_values_are_escaped() -> None:
    assert rendered("{{ name }}", name="<b>'\"") == "&lt;b&gt;&#39;&#34;"


def test_an_undefined_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'absent' is undefined"):
        rendered("{{ absent }}")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 0.12345|percent }}", "12.3%"),
        ("{{ 0.12345|percent(0) }}", "12%"),
        ("{{ none|percent }}", "–"),
        ("{{ 0.985|probability }}", "98%"),
        ("{{ 0.991|probability }}", "&gt;99%"),
        ("{{ 1.0|probability }}", "100%"),
        ("{{ 1234567|count }}", "1,234,567"),
    ],
)
def test_numbers_are_written_for_people(template: str, text: str) -> None:
    assert rendered(template) == text


def test_the_policy_allows_the_style_and_script_by_their_hashes_and_nothing_else() -> None:
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in (b"p {}", b"let a;")
    )
    assert page_policy("p {}", "let a;").split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src {style}",
        f"script-src {script}",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_a_page_without_a_script_may_run_none() -> None:
    assert "script-src 'none';" in page_policy("p {}")


def test_a_byte_that_is_not_utf8_is_written_as_an_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "caf\udce9 Grünfink")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "caf\\udce9 Grünfink"


def test_without_jinja2_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'birdnet-cli\[report\]'"):
        require_report_extra()

"""Parts shared by all HTML pages: the template environment, the style, and the content security policy.

Templates escape every value. A page's content security policy allows its own style and script by their hashes, and
images as data URIs; a browser runs and fetches nothing else, even if a value were not escaped.
"""

import base64
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.report.palette import render_variables

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page_environment", "page_policy", "read_script", "read_style", "require_report_extra", "write_text"]

TEMPLATES = Path(__file__).parent / "templates"


def require_report_extra() -> None:
    """Check that the `[report]` extra is installed.

    Raises:
        UsageError: jinja2 is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError("a report needs jinja2: python -m pip install 'birdnet-cli[report]'")


def read_style() -> str:
    """Return the style of all pages: the palette's colours and `report.css`."""
    return render_variables() + (TEMPLATES / "report.css").read_text(encoding="utf-8")


def read_script() -> str:
    """Return the script of the evaluation's page."""
    return (TEMPLATES / "report.js").read_text(encoding="utf-8")


def page_environment() -> "Environment":
    """Return the jinja2 environment of the templates, with the filters `percent`, `probability` and `count`."""
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
    # A probability below 1 is not shown as 100%.
    environment.filters["probability"] = lambda share: ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def page_policy(style: str, script: str | None = None) -> str:
    """Return the content security policy of a page; without a script, no script may run."""
    allowed = "'none'" if script is None else f"'{_hash(script)}'"
    return (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file that appears whole or not at all.

    A byte of a file name that is not UTF-8 (a lone surrogate in `text`) is written as an escape such as `\\udce9`.

    Raises:
        OSError: the file cannot be written.
    """
    write_bytes_atomically(path, text.encode("utf-8", "backslashreplace"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"

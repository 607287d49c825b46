"""An evaluation, or an audit -> one self-contained HTML page."""

from birdnet_cli.core.engine.report.names import readable_names
from birdnet_cli.core.engine.report.page import page_environment, page_policy, read_asset, require_report_extra
from birdnet_cli.core.engine.report.render import render_report, write_report
from birdnet_cli.core.engine.report.thumbnails import Thumbnails

__all__ = [
    "Thumbnails",
    "page_environment",
    "page_policy",
    "read_asset",
    "readable_names",
    "render_report",
    "require_report_extra",
    "write_report",
]

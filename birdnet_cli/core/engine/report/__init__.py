"""An evaluation -> one self-contained HTML page."""

from birdnet_cli.core.engine.report.render import render_report, require_report_extra, write_report

__all__ = ["render_report", "require_report_extra", "write_report"]

"""Evaluations, audits and predictions -> HTML pages, evidence files and pictures for people."""

from birdnet_cli.core.report.audit_page import render_audit, write_audit
from birdnet_cli.core.report.evaluation_page import render_report, write_report
from birdnet_cli.core.report.html import require_report_extra

__all__ = ["render_audit", "render_report", "require_report_extra", "write_audit", "write_report"]

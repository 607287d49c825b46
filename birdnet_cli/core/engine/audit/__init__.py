"""A feature cache -> what is likely wrong with its data set."""

from birdnet_cli.core.engine.audit.audit import Audit, audit_cache
from birdnet_cli.core.engine.audit.findings import Finding
from birdnet_cli.core.engine.audit.page import render_audit, write_audit

__all__ = ["Audit", "Finding", "audit_cache", "render_audit", "write_audit"]

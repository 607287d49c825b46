"""A feature cache -> likely label errors, repeated images and outliers of its data set."""

from birdnet_cli.core.engine.audit.audit import Audit, audit_cache
from birdnet_cli.core.engine.audit.findings import Finding

__all__ = ["Audit", "Finding", "audit_cache"]

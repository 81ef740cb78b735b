"""Hearback's own audit: everything recomputed from the ledgers and compared with what is served.

`make audit` runs it from a terminal; tests call `audit(installation)`.
"""

from tools.audit.audit import CannotAudit, Installation, audit
from tools.audit.report import Check, Report

__all__ = ["CannotAudit", "Check", "Installation", "Report", "audit"]

"""Hearback's own audit: recomputes everything from the ledgers and compares the results with what is served.

`make audit` runs it from the command line; tests call `audit(installation)`.
"""

from tools.audit.audit import CannotAudit, Installation, audit
from tools.audit.report import Check, Report

__all__ = ["CannotAudit", "Check", "Installation", "Report", "audit"]

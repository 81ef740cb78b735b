"""The audit: recomputes everything from the ledgers and compares the results with what is served.

`make audit` runs it from the command line; tests call `tools.audit.audit.audit(installation)`.
"""

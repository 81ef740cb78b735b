"""The `hearback` command: what operators do by hand."""

"""All of the collector's SQL, one module per subject. Nothing here commits."""

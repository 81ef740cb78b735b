"""All of the alerter's SQL, one module per subject. Nothing here commits."""

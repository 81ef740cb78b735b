"""HTTP as every service serves it: probes, metrics, problems, keys, and the look of pages."""

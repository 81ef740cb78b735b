"""The HTTP frame of every service: probes, metrics, problem details, API keys, and page layout."""

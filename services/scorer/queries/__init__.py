"""Read-only queries used by the API, the dashboard and the live stream."""

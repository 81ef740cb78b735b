"""What the API, the dashboard and the live stream read."""

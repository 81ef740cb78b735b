"""How Hearback is deployed: on one machine (`deploy.local`), or as images elsewhere."""

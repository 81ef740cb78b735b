"""How Hearback is run: on one machine (`deploy.local`), and by images elsewhere."""

"""A mail server to read what was sent: SMTP on one side, a page and a small JSON API on the other."""

"""A local mail server for reading the sent mail: SMTP on one side, web pages and a small JSON API on the other."""

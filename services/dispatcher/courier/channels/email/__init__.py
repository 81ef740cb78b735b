"""Surveys as e-mail, over SMTP."""

"""Surveys as email, over SMTP."""

"""Statements about the tables of ``shared.web``."""

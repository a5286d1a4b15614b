"""Arithmetic on arrays: no weights, no settings, no files."""

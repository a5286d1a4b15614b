"""Scores of predicted instances: overlaps, matches, the three protocols, errors and tables. No network, no settings."""

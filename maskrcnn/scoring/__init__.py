"""Scores of predicted instances, from overlaps counted once an image; knows no network and no settings."""

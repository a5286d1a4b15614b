"""Draws the synthetic street."""

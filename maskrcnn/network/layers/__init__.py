"""Layers that own weights and know nothing of the truth."""

"""Readers of datasets: images and annotations of one format, as frames and a catalogue."""

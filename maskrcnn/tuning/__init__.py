"""Tuning: whether the network learns, which candidate and about which rate, which hyperparameters exactly."""

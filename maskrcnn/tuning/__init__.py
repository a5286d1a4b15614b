"""Tuning: does the network learn, which candidate and about which rate, which hyperparameters exactly."""

"""The network: its arithmetic, its layers, their wiring and the weights that it reads and writes."""

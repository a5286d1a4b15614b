"""Learning: the network with its losses, the optimizers, the learner, and what survives being stopped."""

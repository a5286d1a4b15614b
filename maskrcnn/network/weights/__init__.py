"""Weights on disk: Matterport's layout, the released files, and what became of each tensor.

Everything goes through h5py as plain numbers; no file is unpickled or executed, and no link is followed.
Nothing here imports Keras, so that the command line answers at once.
"""

from maskrcnn.network.weights.entries import Entry, table
from maskrcnn.network.weights.loading import load_matterport, read_weights, write_weights
from maskrcnn.network.weights.models import load, read_facts
from maskrcnn.network.weights.report import Report

__all__ = ["Entry", "Report", "load", "load_matterport", "read_facts", "read_weights", "table", "write_weights"]

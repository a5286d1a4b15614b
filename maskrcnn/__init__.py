"""Mask R-CNN on Keras 3: its parts, its training and its evaluation on Cityscapes."""

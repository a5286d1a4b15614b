"""Images and their truth, from Cityscapes' folders to batches."""

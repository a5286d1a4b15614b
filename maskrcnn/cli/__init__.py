"""The commands of `maskrcnn`."""

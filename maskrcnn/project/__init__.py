"""Used by every room: shapes, settings, files, errors and the command line."""

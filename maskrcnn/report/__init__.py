"""The report on a study: one page that opens from the file system, without a network."""

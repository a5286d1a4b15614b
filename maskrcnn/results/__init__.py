"""What a network found, as files."""

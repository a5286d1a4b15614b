"""What every room shares: shapes by name, sections of params, files and commands."""

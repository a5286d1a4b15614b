"""Pictures. Every function returns a figure; nothing here shows or saves one."""

"""Pictures as files, drawn by matplotlib: the pages do without it."""

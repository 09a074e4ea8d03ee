"""Data sets that are plain folders behind a URL: copied to this machine, then used as such."""

"""A run on disk and on the screen: folder, resume, signals, console, processes."""

"""Generated scenes with masks: the built-in data set `shapes`."""

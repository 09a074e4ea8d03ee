"""The config of a run: its keys, their sources, and what is resolved before the first step."""

"""The checks before training, and what an inspection finds."""

"""Augmentation: random changes of a photo together with its mask."""

"""Shapes, run lengths and label images -> the label of each pixel."""

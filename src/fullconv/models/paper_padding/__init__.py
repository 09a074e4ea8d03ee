"""Padding `paper`: the border of 100 pixels, computed once."""

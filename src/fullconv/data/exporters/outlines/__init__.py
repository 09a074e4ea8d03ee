"""A class map -> the outlines of its regions, along the edges of its pixels or simplified."""

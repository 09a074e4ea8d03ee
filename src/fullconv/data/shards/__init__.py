"""Packed data sets: tar shards in WebDataset's layout with an index, on a disk or behind a URL."""

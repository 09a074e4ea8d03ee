"""Labels, colours and names of an export -> classes and splits of a dataset."""

"""The geometry of a net that nobody has described: followed through its operations."""

"""The temperature of a net's probabilities and the thresholds of overlapping classes.

Both are chosen on a split after the training; the weights do not change.
"""

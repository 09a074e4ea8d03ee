"""What is chosen for a trained net on a split, its weights untouched.

The temperature of its probabilities, and the thresholds of classes that may overlap.
"""

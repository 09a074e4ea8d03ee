"""Weights of other frameworks: read without executing anything, every array accounted for."""

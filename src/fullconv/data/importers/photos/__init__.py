"""The photos that label files name: found, listed and copied."""

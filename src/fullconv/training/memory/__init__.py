"""Memory of a training: what a step needs, and how a limit is kept."""

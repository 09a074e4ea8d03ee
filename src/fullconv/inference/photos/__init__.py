"""Photos on their way in: from what a call names to arrays, read ahead of the net."""

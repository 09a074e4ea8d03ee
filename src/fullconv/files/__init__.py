"""Files that appear whole or not at all, places to write, and what the system says of them."""

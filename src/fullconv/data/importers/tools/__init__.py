"""One file a labelling tool; its line is in registry.toml."""

"""One file a labelling tool or published data set; its line is in registry.toml."""

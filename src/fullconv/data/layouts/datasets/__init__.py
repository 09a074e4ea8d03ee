"""The layouts of published data sets, one file each."""

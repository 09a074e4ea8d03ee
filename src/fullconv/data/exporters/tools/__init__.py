"""One file for each labelling tool that predictions are written for."""

"""Files of photos and masks, read with nothing guessed."""

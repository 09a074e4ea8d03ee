"""Prediction and evaluation on a Ray cluster: Ray Data hands out the work, workers hold the net."""

"""The plots of a report: curves, the confusion matrix, a net's layers."""

"""Samples as the first layer takes them: columns, coordinates, batches."""

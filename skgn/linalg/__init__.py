"""Linear algebra of second-order methods; knows nothing of networks."""

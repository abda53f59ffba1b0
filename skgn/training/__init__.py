"""How steps are strung together: the loops, damping, stopping, history."""

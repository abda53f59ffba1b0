"""One layer-wise Gauss-Newton step: evaluation and damping in, proposal out."""

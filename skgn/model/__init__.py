"""What is fitted: activations, losses, network, objective; its predictions."""

"""What is fitted: activations, losses, network, inputs, objective."""

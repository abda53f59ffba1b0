"""What scikit-learn sees: parameters, validation, labels, fitted attributes."""

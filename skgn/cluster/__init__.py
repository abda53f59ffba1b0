"""A fit whose rows are spread over workers: sums over shares, made in rounds."""

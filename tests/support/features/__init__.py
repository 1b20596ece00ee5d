"""A list of features with one that the package does not have."""

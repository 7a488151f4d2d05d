"""Pages of the guide that are made from what the package declares."""

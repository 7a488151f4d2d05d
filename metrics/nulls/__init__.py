"""Null models, one a file; the name of a null model is its label in results."""

"""Text of a build: files, datasets, sequences."""

"""Formats of SAE checkpoints, one a file."""

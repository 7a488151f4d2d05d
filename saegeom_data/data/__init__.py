"""Datasets: their schema, and how they are written, opened, checked and described."""

"""Sharing: publication, benchmarks, catalogues."""

"""Specs that come with the package: datasets, runs and benchmarks."""

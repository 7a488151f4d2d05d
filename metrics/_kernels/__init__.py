"""Compiled kernels: everything in numba."""

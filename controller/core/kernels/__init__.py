"""Compiled kernels; the only place that imports numba."""
